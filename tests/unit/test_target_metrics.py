"""A target check names any metric of a target by AWS's name, and is refused at start if it cannot have a value."""

from __future__ import annotations

import logging
import re
import time
from functools import partial

import pytest

from locust_cw import _core
from locust_cw._aws.accounts import account_of
from locust_cw._aws.targets import parse
from locust_cw._checks.target_metrics import metrics_of
from locust_cw._checks.target_values import TargetChecks
from locust_cw._core import parse_check
from support.dashboards import OTHER_METRIC, TARGETS
from support.target_checks import CPU

LISTED = sorted(
    {(text, metric.name) for text in TARGETS for signal in parse(text).signals for metric in signal.metrics}
)


@pytest.mark.parametrize(("target", "name"), LISTED, ids=":".join)
def test_a_check_reads_what_the_dashboard_draws(target: str, name: str) -> None:
    """The same namespace, dimensions and region, with the statistic of the check."""
    drawn = {
        (metric.namespace, metric.dimensions, metric.region)
        for signal in parse(target).signals
        for metric in signal.metrics
        if metric.name == name
    }
    metrics = metrics_of(parse_check(f"{target}: {name} TM(10%:90%) < 80"), [parse(OTHER_METRIC), parse(target)])
    assert metrics.is_known
    assert {(metric.namespace, metric.dimensions, metric.region) for metric in metrics.series} == drawn
    assert {(metric.name, metric.stat, metric.divisor) for metric in metrics.series} == {(name, "TM(10%:90%)", None)}
    assert metrics.traffic == ()


@pytest.mark.parametrize("target", TARGETS)
def test_a_metric_that_is_not_drawn_has_the_dimensions_of_the_resource(target: str) -> None:
    """In each namespace of the kind, as the name does not tell which one publishes it."""
    metrics = metrics_of(parse_check(f"{target}: ReplicaLag p99.9 < 80"), [parse(target)])
    assert not metrics.is_known
    expected = {"asg": 2, "ecs": 2}.get(target.partition(":")[0], 1)
    assert len({metric.namespace for metric in metrics.series}) == len(metrics.series) == expected
    for metric in metrics.series:
        assert (metric.name, metric.stat) == ("ReplicaLag", "p99.9")
        assert dict(metric.dimensions) == TARGETS[target]


def test_a_metric_as_a_target_is_read_with_any_statistic() -> None:
    (metric,) = metrics_of(parse_check(f"{OTHER_METRIC}: QueueLength Maximum < 80"), [parse(OTHER_METRIC)]).series
    assert (metric.namespace, metric.name, metric.stat) == ("App/Web", "QueueLength", "Maximum")
    assert metric.dimensions == (("Pool", "web"), ("Zone", "a,b"))


@pytest.mark.parametrize(
    ("target", "name", "traffic"),
    [
        ("alb:app/shop/50dc6c495c0c9188", "HTTPCode_ELB_5XX_Count", {"RequestCount"}),
        ("alb:app/shop/50dc6c495c0c9188", "RequestCount", set()),
        ("lambda:checkout", "Errors", {"Invocations"}),
        ("dynamodb:Orders", "SystemErrors", {"ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"}),
        ("sqs:orders.fifo", "ApproximateNumberOfMessagesVisible", set()),
        ("rds:shop-db", "CPUUtilization", set()),
        (OTHER_METRIC, "QueueLength", set()),
    ],
)
def test_a_sum_without_data_is_0_where_traffic_shows_that_aws_counts(target: str, name: str, traffic: set[str]) -> None:
    metrics = metrics_of(parse_check(f"{target}: {name} Sum == 0"), [parse(target)])
    assert {metric.name for metric in metrics.traffic} == traffic


@pytest.mark.parametrize(
    ("check", "problem"),
    [
        (
            "rds:shop: CPUUtilization Average < 80",
            "rds:shop is not a target of this test; add --cw-target rds:shop",
        ),
        ("rds:shop-db: cpuutilization Average < 80", "the metric is spelled CPUUtilization, not cpuutilization"),
        (
            "rds:shop-db: Auslastung_in_Größe Average < 80",
            "is not a metric name; metrics of this target",
        ),
        (
            "rds:shop-db: CPUUtilization TM(1:2:3) < 80",
            "unknown statistic TM(1:2:3); expected Average, Sum",
        ),
        (f"{OTHER_METRIC}: QueueDepth Average < 80", "the target is the metric QueueLength, not QueueDepth"),
    ],
)
def test_a_check_that_cannot_have_a_value_is_refused(check: str, problem: str) -> None:
    with pytest.raises(_core.InvalidOptionError, match=re.escape(problem)) as refused:
        metrics_of(parse_check(check), [parse("rds:shop-db"), parse(OTHER_METRIC)])
    assert str(refused.value).startswith(f"argument --cw-check: {check!r}: ")


def test_blanks_around_a_target_do_not_matter() -> None:
    assert metrics_of(CPU, [parse(" rds:shop-db ")]).is_known


def test_an_unknown_metric_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """It may be misspelled, or one of the many that only AWS knows."""
    targets = [parse("rds:shop-db")]
    checks = [parse_check(f"rds:shop-db: {name} Average < 80") for name in ("CPUUtilisation", "CPUUtilization")]
    TargetChecks(partial(account_of, {}), checks, targets, time.sleep).warn_of_unknown_metrics()
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "reads the metric CPUUtilisation, which locust-cw does not know" in warning
    assert "ReadLatency" in warning
