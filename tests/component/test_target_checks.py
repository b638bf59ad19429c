"""Target checks at a CloudWatch: each metric of each kind of target is read where AWS's services publish it."""

from __future__ import annotations

import time
from functools import partial

import pytest

from locust_cw._aws.accounts import account_of
from locust_cw._aws.graph_metric import Metric
from locust_cw._aws.targets import parse
from locust_cw._checks.target_values import TargetChecks
from locust_cw._core import Check, parse_check
from support.cloudwatch import put_metric
from support.dashboards import OTHER_METRIC, TARGETS
from support.fixtures import Aws
from support.proxy import error, hang
from support.servers import REGION
from support.target_checks import CPU


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")


def target_checks(aws: Aws, *checks: Check) -> TargetChecks:
    options = {"endpoint_url": aws.proxy.url, "region": REGION}
    targets = [parse(text) for text in dict.fromkeys(check.name or "" for check in checks)]
    return TargetChecks(partial(account_of, options), checks, targets, time.sleep)


@pytest.mark.parametrize("text", [*TARGETS, OTHER_METRIC])
def test_every_metric_of_a_target_can_be_checked(ministack: str, aws: Aws, text: str) -> None:
    """With one call for all metrics, on data that is there."""
    metrics = {metric.name: metric for signal in parse(text).signals for metric in signal.metrics}
    statistics = {"Average": 2.5, "Sum": 10.0, "Minimum": 1.0, "Maximum": 4.0, "SampleCount": 4.0}
    minute = time.time() // 60 * 60 - 5 * 60
    for metric in metrics.values():
        # The minutes around those of the run do not count.
        for at, values in ((-60, (1000.0,)), (0, (1.0, 4.0)), (60, (3.0, 2.0)), (120, (1000.0,))):
            put_metric(ministack, metric, minute + at, *values)
    checks = [parse_check(f"{text}: {name} {statistic} < 80") for name in metrics for statistic in statistics]
    found = target_checks(aws, *checks).final(minute - 20, minute + 150, wait_s=10)
    assert list(found.values()) == [*statistics.values()] * len(metrics)
    regions = {call.headers["authorization"].split("/")[2] for call in aws.proxy.calls("GetMetricData")}
    assert regions == {metric.region or REGION for metric in metrics.values()}
    # How much data there is, and the values: these twice, as a local CloudWatch may divide the time of the run.
    assert len(aws.proxy.calls("GetMetricData")) in (2, 3)


def test_metrics_that_no_dashboard_draws_can_be_checked(ministack: str, aws: Aws) -> None:
    minute = time.time() // 60 * 60 - 5 * 60
    for namespace, name, dimensions in (
        ("AWS/RDS", "ReplicaLag", (("DBInstanceIdentifier", "shop-db"),)),
        ("ECS/ContainerInsights", "CpuUtilized", (("ClusterName", "shop"), ("ServiceName", "web"))),
        ("AWS/AutoScaling", "GroupPendingInstances", (("AutoScalingGroupName", "web group"),)),
    ):
        put_metric(ministack, Metric("", namespace, name, dimensions, "Average"), minute, 3.0, 5.0)
    checks = (
        parse_check("rds:shop-db: ReplicaLag p100 < 80"),
        parse_check("ecs:shop/web: CpuUtilized Average < 80"),
        parse_check("asg:web group: GroupPendingInstances Minimum < 80"),
        parse_check("rds:shop-db: ReplicaLagg Average < 80"),
    )
    *known, unknown = target_checks(aws, *checks).final(minute, minute + 61, wait_s=0).values()
    assert known == [5.0, 4.0, 3.0]
    assert "CloudWatch has no data for ReplicaLagg of rds:shop-db between" in str(unknown)
    assert "DatabaseConnections" in str(unknown)


def test_data_that_arrives_during_the_wait_is_read(ministack: str, aws: Aws) -> None:
    """The proxy publishes the last minute just before the second attempt."""
    (metric,) = parse(OTHER_METRIC).signals[0].metrics
    minute = time.time() // 60 * 60 - 5 * 60
    put_metric(ministack, metric, minute, 1.0)
    checks = target_checks(aws, parse_check(f"{OTHER_METRIC}: {metric.name} Maximum < 80"))

    def is_second_attempt() -> bool:
        if len(aws.proxy.calls("GetMetricData")) == 1 and not arrived:
            put_metric(ministack, metric, minute + 60, 9.0)
            arrived.append(9.0)
        return False

    arrived: list[float] = []
    (found,) = checks.final(minute, minute + 120, wait_s=30, given_up=is_second_attempt).values()
    assert found == 9.0


def test_a_cloudwatch_that_does_not_answer_is_waited_for_only_so_long(aws: Aws) -> None:
    aws.proxy.on("GetMetricData", hang)
    started = time.monotonic()
    now = time.time()
    checks = target_checks(aws, CPU)
    (found,) = checks.final(now - 60, now, wait_s=2).values()
    assert time.monotonic() - started < 3
    assert "--cw-check-wait" in str(found)


def test_a_refusal_names_the_action(aws: Aws, caplog: pytest.LogCaptureFixture) -> None:
    aws.proxy.on("GetMetricData", error("AccessDenied", 403, "not authorized"))
    checks = target_checks(aws, parse_check(f"{CPU.text} abort after 1m"))
    now = time.time()
    assert checks.newest(now - 600, now) == {}
    (warning,) = [record.getMessage() for record in caplog.records if record.name == "locust_cw"]
    (found,) = checks.final(now - 600, now, wait_s=60).values()
    for message in (warning, str(found)):
        assert "GetMetricData" in message
        assert "IAM policy" in message
    assert len(aws.proxy.calls()) == 2
