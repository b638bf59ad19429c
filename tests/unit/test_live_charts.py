"""The charts of the live view: what is drawn in which of them, and when the metrics of targets are read."""

from __future__ import annotations

from typing import Any

import pytest

from locust_cw import _core
from locust_cw._aws import targets
from locust_cw._settings.table import Options
from locust_cw._webui.live_charts import charts_of
from locust_cw._webui.target_signals import TargetSignals

MINUTE = 60.0
START = 1_000_000 * MINUTE
NASTY = "<img/src=x/onerror=alert(1)>"


def options(**given: Any) -> Options:
    return Options(None, given)


def test_the_load_has_three_charts_with_the_limits_that_fit() -> None:
    checks = ["p95 < 300ms", "rps >= 500", "failures < 1%", "GET /: p99 < 1s", "generator: cpu < 90%", "max < 2s"]
    charts = charts_of(options(check=checks))
    assert [(chart.group, chart.title, chart.unit) for chart in charts] == [
        ("Load", "Requests and failures", "1/s"),
        ("Load", "Response time", "Milliseconds"),
        ("Load", "Users", "Count"),
    ]
    limits = [[(limit.check, limit.value) for limit in chart.limits] for chart in charts]
    assert limits == [[("rps >= 500", 500)], [("p95 < 300ms", 300), ("max < 2s", 2000)], []]


def test_each_signal_of_a_target_has_a_chart() -> None:
    """Single metrics share a group. Names are text."""
    check = "rds:shop-db: CPUUtilization Average < 80"
    given = ["rds:shop-db", "metric:App/Queue:Maximum", f'metric:App/Other{{Pool="{NASTY}"}}:p99']
    charts = charts_of(options(target=given, check=[check, "rds:shop-db: CPUUtilization Sum < 80"]))[3:]
    signals = [signal.title for target in given for signal in targets.parse(target).signals]
    assert len(charts) == len(signals) == len({chart.key for chart in charts})
    of_database = charts[:-2]
    assert {chart.group for chart in of_database} == {targets.parse("rds:shop-db").title}
    assert [chart.title for chart in of_database] == signals[:-2]
    limits = [(limit.check, limit.label) for chart in of_database for limit in chart.limits]
    assert limits == [(check, "CPUUtilization Average < 80")]
    assert [(chart.group, chart.title) for chart in charts[-2:]] == [
        ("Metrics", "App/Queue:Maximum"),
        ("Metrics", f'App/Other{{Pool="{NASTY}"}}:p99'),
    ]
    assert len(charts_of(options(target=given, dry_run=True))) == 3, "a dry run reads nothing"


class Calls:
    """Calls of GetMetricData, which return a value for each minute."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.periods: list[tuple[float, float]] = []
        self.error: _core.AwsError | None = None
        monkeypatch.setattr("locust_cw._webui.target_signals.account_of", lambda *_: lambda _: self.call)

    def call(self, _operation: str, **parameters: Any) -> dict[str, Any]:
        start, end = parameters["StartTime"], parameters["EndTime"]
        self.periods.append((start, end))
        if self.error is not None:
            raise self.error
        times = [start + MINUTE * number for number in range(int((end - start) / MINUTE))]
        results = [
            {"Id": query["Id"], "Timestamps": times, "Values": [float(len(self.periods))] * len(times)}
            for query in parameters["MetricDataQueries"]
        ]
        return {"MetricDataResults": results}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


def signals_of(text: str) -> TargetSignals:
    return TargetSignals({}, [targets.parse(text)], lambda _: None)


def test_a_target_is_read_when_a_minute_has_ended(calls: Calls) -> None:
    """The last hour, and some minutes before the test."""
    signals = signals_of("metric:App/Queue:Maximum")
    for second in range(-10, 200):
        signals.read(START, None, START + 3 * MINUTE + second)
    assert calls.periods == [(START - 5 * MINUTE, START + minute * MINUTE) for minute in (2, 3, 4, 5, 6)]
    assert signals.revision == 5
    ((times, values),) = signals.as_json()["values"]["target0-0"]
    assert (times[0], times[-1], set(values)) == (START - 5 * MINUTE, START + 5 * MINUTE, {5.0})
    signals.read(START, None, START + 500 * MINUTE + 6)
    assert calls.periods[-1] == (START + 440 * MINUTE, START + 500 * MINUTE)


def test_after_the_stop_a_target_is_read_until_late_data_has_arrived(calls: Calls) -> None:
    signals = signals_of("metric:App/Queue:Maximum")
    for minute in range(30):
        signals.read(START, START + 2 * MINUTE + 1, START + minute * MINUTE + 10)
    assert calls.periods[-1] == (START - 5 * MINUTE, START + 7 * MINUTE)
    assert len(calls.periods) == 8
    # A browser that opens the tab of a test that ended long ago.
    other = signals_of("metric:App/Queue:Maximum")
    for minute in range(90, 95):
        other.read(START, START + 2 * MINUTE + 1, START + minute * MINUTE + 10)
    assert calls.periods[8:] == [(START - 5 * MINUTE, START + 7 * MINUTE)]


def test_a_failure_keeps_the_last_values(calls: Calls) -> None:
    """The problem is shown without secrets until the next success."""
    signals = signals_of("metric:App/Queue:Maximum")
    signals.read(START, None, START + 10)
    values = signals.as_json()["values"]
    text = "AccessDenied: arn:aws:iam::123456789012:role/x\nmay not"
    calls.error = _core.AwsError(text, "AccessDenied", "GetMetricData", "metrics", "access_denied", "call")
    signals.read(START, START + 1, START + 80 * MINUTE)
    shown = signals.as_json()
    assert shown["values"] == values
    assert "AccessDenied: arn:aws:iam::...:role/x may not" in shown["problem"]
    calls.error = None
    signals.read(START, START + 1, START + 81 * MINUTE)
    assert signals.as_json()["problem"] is None
    assert signals.revision == 3
