"""The value of a target check is that of CloudWatch over the run's full minutes, however late its data arrives."""

from __future__ import annotations

import logging
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from locust_cw import _core
from locust_cw._checks.measured_periods import MeasuredPeriods
from locust_cw._checks.target_values import READ_ONCE_S
from locust_cw._core import parse_check
from support.metric_store import statistic
from support.target_checks import CPU, NOON, Reading

MINUTE = 60
BALANCER = "alb:app/shop/50dc6c495c0c9188"
ERRORS = parse_check(f"{BALANCER}: HTTPCode_ELB_5XX_Count Sum == 0")


def denied(kind: Any = "access_denied") -> _core.AwsError:
    return _core.AwsError("GetMetricData was refused", "AccessDenied", "GetMetricData", "metrics", kind, "call")


# The measured time


@given(st.floats(NOON, NOON + 7200), st.floats(0, 20_000), st.sampled_from([60, 300, 3600]))
def test_the_measured_time_is_the_full_periods_of_a_run(start: float, seconds: float, period: int) -> None:
    end = start + seconds
    measured = MeasuredPeriods.of(start, end, period)
    assert measured.start % period == measured.end % period == 0
    assert measured.seconds >= period
    if math.ceil(start / period) < math.floor(end / period):
        assert start <= measured.start < start + period
        assert end - period < measured.end <= end
    else:
        assert measured.start <= start
        assert measured.end >= end
        assert measured.seconds <= 2 * period or seconds >= period


@pytest.mark.parametrize(
    ("times", "is_complete"),
    [
        ((), False),
        ((480, 540), True),
        ((420, 480), False),
        ((480, 540, 600), True),
        # Every five minutes: the value at 600 would be of the time after the run.
        ((-300, 0, 300), True),
        ((-600, -300, 0), False),
        # A hole is no interval.
        ((0, 60, 120, 480), False),
    ],
)
def test_data_is_complete_when_the_next_value_would_be_later(times: tuple[int, ...], *, is_complete: bool) -> None:
    measured = MeasuredPeriods(60, 600, 60)
    assert measured.is_complete(times, 700) is is_complete
    assert measured.is_complete(times, 600 + 15 * MINUTE), "nothing arrives after a quarter of an hour"


# At the end


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    stat=st.sampled_from(["Average", "Sum", "Minimum", "Maximum", "SampleCount", "p50", "p99"]),
    offset=st.integers(0, 59).map(float),
    minutes=st.integers(2, 12),
    values=st.lists(st.lists(st.floats(0, 100), min_size=1, max_size=5), min_size=16, max_size=16),
    late=st.floats(0, 100),
    from_epoch=st.booleans(),
)
def test_the_value_is_the_statistic_of_all_samples_in_the_full_minutes(  # noqa: PLR0913, PLR0917 - what varies
    monkeypatch: pytest.MonkeyPatch,
    stat: str,
    offset: float,
    minutes: int,
    values: list[list[float]],
    late: float,
    *,
    from_epoch: bool,
) -> None:
    """Minutes with more samples weigh more, and idle minutes around the run do not count."""
    reading = Reading(monkeypatch, parse_check(f"rds:shop-db: CPUUtilization {stat} < 80"))
    reading.store.periods_from_epoch = from_epoch
    for minute, samples in enumerate(values):
        reading.put(NOON + (minute - 1) * MINUTE, *samples, late=MINUTE + late)
    start, end = NOON + offset, NOON + offset + minutes * MINUTE
    (found,) = reading.final(start, end)
    first = math.ceil(offset / MINUTE)
    last = (offset + minutes * MINUTE) // MINUTE
    counted = [value for samples in values[first + 1 : int(last) + 1] for value in samples]
    assert found == pytest.approx(statistic(stat, counted))


@pytest.mark.parametrize("late", [60, 119, 175])
def test_the_end_waits_for_late_data_and_no_longer(monkeypatch: pytest.MonkeyPatch, late: float) -> None:
    reading = Reading(monkeypatch, CPU)
    for minute in range(-1, 6):
        reading.put(NOON + minute * MINUTE, 10.0 * minute, late=MINUTE + late)
    (found,) = reading.final(NOON, NOON + 4 * MINUTE + 30, wait_s=150)
    assert found == 15.0
    # The last full minute has its data `late` seconds after its end.
    assert late - 30 <= reading.clock.slept <= late - 30 + 11


@pytest.mark.parametrize(
    ("late", "reason"),
    [
        (
            {3: 500},
            "CloudWatch has data for CPUUtilization of rds:shop-db only until 12:03 UTC, not until 12:04: raise",
        ),
        (
            dict.fromkeys(range(4), 500),
            "CloudWatch has no data for CPUUtilization of rds:shop-db between 12:00 and 12:04 UTC: check the ID of the",
        ),
    ],
    ids=["the last minute", "all of it"],
)
def test_data_that_is_too_late_leaves_a_check_undecided(
    monkeypatch: pytest.MonkeyPatch, late: dict[int, float], reason: str
) -> None:
    """A value of a part of the run would be wrong."""
    reading = Reading(monkeypatch, CPU)
    for minute in range(4):
        reading.put(NOON + minute * MINUTE, 50.0, late=late.get(minute, 90))
    (found,) = reading.final(NOON, NOON + 4 * MINUTE + 10, wait_s=120)
    assert str(found).startswith(reason)
    assert "--cw-check-wait" in str(found)
    assert reading.clock.slept == pytest.approx(120)


@pytest.mark.parametrize("wait", [0, 5, 120])
def test_a_call_without_a_response_does_not_extend_the_wait(monkeypatch: pytest.MonkeyPatch, wait: float) -> None:
    reading = Reading(monkeypatch, CPU)
    reading.is_hanging = True
    (found,) = reading.final(NOON, NOON + 300, wait_s=wait)
    assert found == "CloudWatch did not respond in time: raise --cw-check-wait"
    assert reading.clock.slept == pytest.approx(wait or READ_ONCE_S)


def test_a_user_who_gives_up_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = Reading(monkeypatch, CPU)
    (found,) = reading.final(NOON, NOON + 300, given_up=lambda: reading.clock.slept >= 3)
    assert isinstance(found, str)
    assert reading.clock.slept == 3


def test_a_refusal_is_not_repeated_and_an_outage_is(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = Reading(monkeypatch, CPU)
    reading.put(NOON, 40.0)
    reading.store.failures = [denied()]
    (found,) = reading.final(NOON, NOON + 70)
    assert found == "GetMetricData was refused"
    assert reading.clock.slept == 0
    reading.store.failures = [denied("throttled"), denied("unreachable")]
    (found,) = reading.final(NOON, NOON + 70)
    assert found == 40.0
    reading.store.failures = [denied("throttled") for _ in range(50)]
    (found,) = reading.final(NOON, NOON + 70)
    assert found == "GetMetricData was refused"


def test_a_past_run_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its data does not change any more: minutes for fifteen days, then periods of five minutes."""
    for age, period, value in ((3600, MINUTE, 6.0), (20 * 86_400, 300, 7.0)):
        reading = Reading(monkeypatch, CPU)
        for minute in range(20):
            reading.put(NOON + minute * MINUTE, float(minute))
        reading.clock.now = NOON + age
        (found,) = reading.final(NOON + 30, NOON + 30 + 12 * MINUTE, wait_s=0)
        assert found == value
        assert reading.store.asked(0) == [("CPUUtilization", "SampleCount", period)]
    reading.clock.now = NOON + 460 * 86_400
    (found,) = reading.final(NOON, NOON + 300, wait_s=0)
    assert found == "CloudWatch keeps metrics for 15 months only, and the run is older"


def test_a_test_without_a_full_minute_is_judged_on_the_minutes_that_it_touches(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = Reading(monkeypatch, CPU)
    for minute in range(3):
        reading.put(NOON + minute * MINUTE, 10.0 * minute)
    (found,) = reading.final(NOON + 50, NOON + 80)
    assert found == 5.0


def test_a_metric_with_a_value_every_five_minutes_is_read_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of an instance without detailed monitoring. The value that would follow is not waited for."""
    reading = Reading(monkeypatch, parse_check("ec2:i-0123456789abcdef0: CPUUtilization Average < 80"))
    for minute in range(-15, 20, 5):
        reading.put(NOON + minute * MINUTE, float(minute), late=400)
    (found,) = reading.final(NOON + 10, NOON + 12 * MINUTE, wait_s=600)
    assert found == 5.0
    (found,) = reading.final(NOON + 61, NOON + 4 * MINUTE, wait_s=60)
    assert found == (
        "CloudWatch has no data for CPUUtilization of ec2:i-0123456789abcdef0 between 12:02 and 12:04 UTC: the"
        " metric has a value only every 5 minutes; run a longer test, or enable detailed monitoring"
    )


def test_a_percentile_that_aws_does_not_have_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = Reading(monkeypatch, parse_check("rds:shop-db: CPUUtilization p95 < 80"))
    reading.put(NOON, 40.0)
    reading.store.no_percentiles = True
    (found,) = reading.final(NOON, NOON + 70)
    assert found == (
        "CloudWatch has no p95 of CPUUtilization of rds:shop-db: AWS publishes no individual values of"
        " the metric; check its Average, Minimum or Maximum"
    )


def test_a_counter_without_data_is_0_if_the_resource_had_traffic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elastic Load Balancing publishes no metric whose value is 0."""
    reading = Reading(monkeypatch, ERRORS)
    for minute in range(4):
        reading.put_traffic(NOON + minute * MINUTE, 100.0, late=90)
    (found,) = reading.final(NOON, NOON + 4 * MINUTE)
    assert found == 0.0
    # An error that arrives just after the traffic of its minute counts.
    reading = Reading(monkeypatch, ERRORS)
    for minute in range(4):
        reading.put_traffic(NOON + minute * MINUTE, 100.0, late=62)
    reading.put(NOON + 3 * MINUTE, 2.0, late=100)
    (found,) = reading.final(NOON, NOON + 4 * MINUTE)
    assert found == 2.0
    # Without traffic, the ID may be wrong.
    reading = Reading(monkeypatch, ERRORS)
    (found,) = reading.final(NOON, NOON + 4 * MINUTE)
    assert "check the ID of the target" in str(found)
    # An average of nothing is not 0.
    reading = Reading(monkeypatch, parse_check(f"{BALANCER}: TargetResponseTime Average < 1"))
    assert reading.metrics[0].traffic == ()


@pytest.mark.parametrize(
    ("operator", "limit", "value"), [("<", 10.0, 30.0), ("<=", 10.0, 30.0), (">", 10.0, 4.0), ("==", 25.0, 4.0)]
)
def test_each_operation_of_a_table_must_meet_the_limit(
    monkeypatch: pytest.MonkeyPatch, operator: str, limit: float, value: float
) -> None:
    reading = Reading(monkeypatch, parse_check(f"dynamodb:Orders: SuccessfulRequestLatency Average {operator} {limit}"))
    assert len(reading.metrics[0].series) == 4
    for metric, latency in zip(reading.metrics[0].series[:3], (4.0, 30.0, 12.0), strict=True):
        reading.store.put(metric, NOON, latency)
    (found,) = reading.final(NOON, NOON + 70)
    assert found == value


def test_the_metrics_of_a_region_are_read_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal in one region leaves the checks of others alone."""
    names = ("CPUUtilization", "FreeableMemory", "DatabaseConnections")
    checks = [parse_check(f"rds:shop-db: {name} Maximum < 80") for name in names]
    reading = Reading(monkeypatch, *checks, CPU, parse_check("cloudfront:E1ABCDEF2GHIJK: 5xxErrorRate Average < 80"))
    for index in range(5):
        reading.put(NOON, 10.0 * index, check=index)
    found = reading.final(NOON, NOON + 70)
    # The fourth has the metric of the first.
    assert found == [30.0, 10.0, 20.0, 15.0, 40.0]
    assert reading.regions == [None, None, "us-east-1", "us-east-1"]
    reading.store.failures = [denied()]
    found = reading.final(NOON, NOON + 70)
    assert [each if isinstance(each, float) else None for each in found] == [None, None, None, None, 40.0]


# While the test runs


def test_each_minute_is_reported_once_when_it_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, however many arrive at once. Part of a minute does not count."""
    check = parse_check("rds:shop-db: CPUUtilization Maximum < 80 abort after 2m")
    reading = Reading(monkeypatch, check, CPU)
    for minute, late in ((0, 70), (1, 70), (2, 180), (3, 120), (4, 300), (5, 70)):
        reading.put(NOON + minute * MINUTE, 10.0 * minute, 5.0, late=late)
    reported = []
    for seconds in range(0, 700, 20):
        reading.clock.now = NOON + seconds
        found = reading.checks.newest(NOON + 5, reading.clock.now)
        assert found.keys() <= {check.text}, "the other one does not abort the test"
        reported += [(seconds, *each) for each in found.get(check.text, ())]
    assert reported == [
        (180, NOON + 60, 10.0),
        (300, NOON + 120, 20.0),
        (300, NOON + 180, 30.0),
        # The minute before arrives later still, and tells nothing about the present.
        (420, NOON + 300, 50.0),
    ]
    assert reading.store.asked() == [("CPUUtilization", "Maximum", 60)]


def test_a_minute_with_traffic_and_without_errors_is_0(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it ends a breach."""
    reading = Reading(monkeypatch, parse_check(f"{BALANCER}: HTTPCode_ELB_5XX_Count Sum < 10 abort after 1m"))
    for minute, errors in enumerate((0, 20, 0)):
        reading.put_traffic(NOON + minute * MINUTE, 100.0)
        reading.put(NOON + minute * MINUTE, *[1.0] * errors)
    reading.clock.now = NOON + 5 * MINUTE
    (values,) = reading.checks.newest(NOON, NOON + 5 * MINUTE).values()
    assert [value for _, value in values] == [0.0, 20.0, 0.0]


def test_a_failed_call_is_logged_once_and_made_up_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reading = Reading(monkeypatch, parse_check(f"{CPU.text} abort after 1m"))
    reading.put(NOON, 90.0)
    reading.store.failures = [denied(), denied()]
    found = [list(reading.checks.newest(NOON, NOON + 180).values()) for _ in range(3)]
    assert found == [[], [], [[(NOON, 90.0)]]]
    messages = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert messages == ["locust-cw cannot read the metrics of checks and keeps retrying: GetMetricData was refused"]
