"""Checks of targets decide about a test: by the metrics of AWS's services, where and when those publish them."""

from __future__ import annotations

import time

import pytest

from locust_cw._aws.graph_metric import Metric
from locust_cw._aws.targets import parse
from support.cloudwatch import put_metric
from support.fixtures import Aws, Locust
from support.locust_run import LocustRun
from support.proxy import Fault, error, hang

CPU = "rds:shop-db: CPUUtilization Average < 80"
SHORT = ("paced.py", "--cw-live", "--cw-logs=off", "-u1", "-t2", "--cw-target=rds:shop-db", "--cw-check-wait=5")


def run_with(locust: Locust, *checks: str, args: tuple[str, ...] = ()) -> LocustRun:
    return locust.run(*SHORT, *(f"--cw-check={check}" for check in checks), *args)


def metric(text: str, name: str) -> Metric:
    found = (metric for signal in parse(text).signals for metric in signal.metrics if metric.name == name)
    return next(found)


def put_now(ministack: str, drawn: Metric, *values: float) -> None:
    """Publish values in this minute and the next, which a short test touches."""
    minute = time.time() // 60 * 60
    for start in (minute, minute + 60):
        put_metric(ministack, drawn, start, *values)


@pytest.mark.parametrize(
    ("cpu", "verdict", "exit_code"), [(40.0, "passed", 0), (95.0, "failed", 3), (None, "undecided", 3)]
)
def test_the_metric_of_a_target_decides(
    ministack: str, locust: Locust, cpu: float | None, verdict: str, exit_code: int
) -> None:
    if cpu is not None:
        put_now(ministack, metric("rds:shop-db", "CPUUtilization"), cpu, cpu)
    run = run_with(locust, CPU)
    assert run.exit_code == exit_code, run.output
    (result,) = run.receipt["checks"]
    assert (result["expression"], result["verdict"], result["measured"]) == (CPU, verdict, cpu)
    assert (result["limit"], result["unit"]) == (80, "")
    if cpu is None:
        assert result["reason"].startswith("CloudWatch has no data for CPUUtilization of rds:shop-db between ")


def test_a_distribution_is_read_in_the_region_that_has_its_metrics(ministack: str, aws: Aws, locust: Locust) -> None:
    target = "cloudfront:E1ABCDEF2GHIJK"
    put_now(ministack, metric(target, "5xxErrorRate"), 0.5)
    run = run_with(locust, f"{target}: 5xxErrorRate Maximum < 1", args=(f"--cw-target={target}",))
    assert run.exit_code == 0, run.output
    regions = {call.headers["authorization"].split("/")[2] for call in aws.proxy.calls("GetMetricData")}
    assert regions == {"us-east-1"}


@pytest.mark.parametrize("fault", [error("AccessDenied", 403, "not authorized"), hang], ids=["refused", "hanging"])
def test_a_cloudwatch_that_cannot_be_read_leaves_a_check_undecided(aws: Aws, locust: Locust, fault: Fault) -> None:
    """The results are delivered all the same, and the end is not delayed beyond the wait."""
    aws.proxy.on("GetMetricData", fault)
    run = run_with(locust, CPU, "mean < 60s")
    assert run.exit_code == 3, run.output
    run.receipt.check_delivered()
    verdicts = {result["expression"]: result["verdict"] for result in run.receipt["checks"]}
    assert verdicts == {CPU: "undecided", "mean < 60s": "passed"}


def test_a_check_without_its_target_is_refused_at_start(aws: Aws, locust: Locust) -> None:
    check = "rds:other-db: CPUUtilization Average < 80"
    run = run_with(locust, check)
    assert run.exit_code == 2, run.output
    assert "rds:other-db is not a target of this test; add --cw-target rds:other-db" in run.output
    assert not aws.proxy.calls()


def test_a_metric_that_is_not_known_is_warned_of_and_read(ministack: str, locust: Locust) -> None:
    put_now(ministack, Metric("", "AWS/RDS", "ReplicaLag", (("DBInstanceIdentifier", "shop-db"),), "Average"), 3.0)
    run = run_with(locust, "rds:shop-db: ReplicaLag Maximum < 10")
    assert run.exit_code == 0, run.output
    assert "reads the metric ReplicaLag, which locust-cw does not know" in run.output
