"""Checks of targets read the metrics that AWS's services publish, wait for them, and can stop the test."""

from __future__ import annotations

import signal
import time
from typing import Any

from locust_cw._aws.graph_metric import Metric
from support.cloudwatch import put_metric
from support.fixtures import Aws, Locust
from support.locust_run import LocustRun
from support.planned import HOST, Planned, plan
from support.servers import wait_until

ENDS = plan({"fire": [["GET", "/", 5, 20, False]]}) | {"QUIT": "1"}
CPU = Metric("", "AWS/RDS", "CPUUtilization", (("DBInstanceIdentifier", "shop-db"),), "Average")
WAITS_S = 60


def put_cpu(ministack: str, started_at: float, *values: float) -> None:
    """In the minute in which a test starts and in the next one, so that it does not matter whether it touches both."""
    minute = started_at // 60 * 60
    for at in (minute, minute + 60):
        put_metric(ministack, CPU, at, *values)


def started(locust: Locust, *checks: str, wait_s: int = WAITS_S, **how: Any) -> LocustRun:
    return locust.start(
        how.pop("locustfile", "planned.py"), "-u1", f"--host={HOST}", "--cw-target=rds:shop-db",
        "--cw-target=sqs:orders", f"--cw-check-wait={wait_s}", *[f"--cw-check={check}" for check in checks],
        env=how.pop("env", ENDS), **how,
    )  # fmt: skip


def results(run: LocustRun) -> list[tuple[str, float | None]]:
    return [(check["verdict"], check["measured"]) for check in run.receipt.check_delivered()["checks"]]


def test_a_check_of_a_target_is_judged_by_its_metrics(ministack: str, locust: Locust) -> None:
    """One without data is undecided when the wait is over."""
    put_cpu(ministack, time.time(), 50, 90)
    run = started(
        locust,
        "rds:shop-db: CPUUtilization Average < 80",
        "rds:shop-db: CPUUtilization Maximum < 80",
        "sqs:orders: ApproximateAgeOfOldestMessage Maximum < 5",
        "requests == 20",
        wait_s=6,
    ).wait()
    assert results(run) == [("passed", 70.0), ("failed", 90.0), ("undecided", None), ("passed", 20.0)]
    assert "--cw-check-wait" in run.receipt["checks"][2]["reason"]
    assert run.exit_code == 3


def test_data_that_arrives_after_the_stop_is_waited_for(ministack: str, locust: Locust) -> None:
    run = started(locust, "rds:shop-db: CPUUtilization Average < 80")
    planned = Planned(run)
    planned.wait_for("stopped", 1)
    stopped_at = planned.ended[1]
    wait_until(lambda: time.time() > stopped_at + 5, "five seconds pass")
    assert run.process.poll() is None
    put_cpu(ministack, planned.started[0], 70)
    assert run.exit_code == 0
    assert results(run) == [("passed", 70.0)]
    assert time.time() - stopped_at < WAITS_S


def test_ctrl_c_ends_the_wait_for_data(aws: Aws, locust: Locust) -> None:
    """The check is undecided, and everything is delivered, with the results."""
    run = started(locust, "rds:shop-db: CPUUtilization Average < 80", "requests == 20")
    wait_until(lambda: aws.proxy.calls("GetMetricData"), "the end waits for data")
    run.signal(signal.SIGINT)
    begun = time.monotonic()
    assert run.exit_code == 3
    assert time.monotonic() - begun < WAITS_S / 2
    assert results(run) == [("undecided", None), ("passed", 20.0)]
    assert "--cw-check-wait" in run.receipt["checks"][0]["reason"]
    assert sum(event.is_event("check") for event in aws.cloudwatch.events()) == 2
    assert run.listener_errors == 0


def test_a_check_of_a_target_stops_the_test(ministack: str, locust: Locust) -> None:
    """The minutes before the test count here, as AWS's services publish by the minute."""
    check = "rds:shop-db: CPUUtilization Average < 80 abort after 1m"
    minute = time.time() // 60 * 60
    for number in range(-4, 2):
        put_metric(ministack, CPU, minute + number * 60, 95)
    run = started(
        locust, check, "requests > 0", wait_s=1, locustfile="earlier_minutes.py",
        env=plan({"fire": [["GET", "/", 5, 1, False]], "seconds": 600}),
    )  # fmt: skip
    assert run.exit_code == 3
    receipt = run.receipt.check_delivered()
    assert receipt["stop_reason"] == f"Stopped by check {check}"
    assert results(run) == [("failed", 95.0), ("passed", receipt["requests"]["observed"])]
