"""A check with `abort after` stops the test as soon as its limit has been breached for so long, and not before."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from datetime import datetime
from typing import Any

import pytest

from support.fixtures import Aws, Locust
from support.fleet import Fleet
from support.locust_run import LocustRun
from support.planned import HOST, Load, Planned, plan, record_of
from support.servers import get, wait_until
from support.web import Web

LIVE = ["--cw-live", "--cw-flush-interval=1"]
SLOW_MS, LIMIT_MS = 500, 400
DURATION = 4
STOPS_WITHIN_S = 2
REPORTS_S = 3
"""Workers report to Locust's master so often."""


def steady(ms: int, seconds: float) -> dict[str, Any]:
    return {"fire": [["GET", "/", ms, 1, False]], "seconds": seconds}


def breaches(load: Load) -> list[list[int]]:
    """The seconds of each breach. Seconds without requests do not end it."""
    slowest: defaultdict[int, float] = defaultdict(float)
    for each in load.requests:
        slowest[int(each.at)] = max(slowest[int(each.at)], each.ms)
    found: list[list[int]] = [[]]
    for second, ms in sorted(slowest.items()):
        if ms >= LIMIT_MS:
            found[-1].append(second)
        elif found[-1]:
            found.append([])
    return [seconds for seconds in found if seconds]


def time_of(run: LocustRun, message: str) -> float:
    """When a message was logged."""
    (time,) = re.findall(rf"^\[([^\]]+)\] [^\n]*{re.escape(message)}", run.err, re.MULTILINE)
    return datetime.strptime(time, "%Y-%m-%d %H:%M:%S,%f").timestamp()  # noqa: DTZ007 - it is local time


@pytest.mark.parametrize("processes", [1, 2])
def test_a_test_is_stopped_soon_after_a_breach_of_its_duration(aws: Aws, locust: Locust, processes: int) -> None:
    """Shorter breaches have no effect. Receipt, log events and record have the reason."""
    check = f"max < {LIMIT_MS}ms abort after {DURATION}s"
    run = locust.run(
        "planned.py", *LIVE, f"-u{processes}", "-r100", f"--host={HOST}", f"--cw-check={check}",
        "--cw-check=mean < 1m abort after 1s", *([f"--processes={processes}"] if processes > 1 else []),
        env=plan(steady(10, 2.2), steady(SLOW_MS, DURATION - 2.5), steady(10, 2.2), steady(SLOW_MS, 600)),
    )  # fmt: skip
    assert run.exit_code == 3
    planned = Planned(run)
    stopped_at = time_of(run, f"Stopped by check {check}")
    *shorter, last = breaches(planned.load.where(lambda each: each.begun < stopped_at))
    first = planned.load.where(lambda each: each.at >= last[0] and each.ms >= LIMIT_MS).requests[0]
    delay = stopped_at - (first.begun + DURATION)
    late = planned.lateness(first.begun, stopped_at)
    print(f"stopped {delay:.3f} s after the duration; a process was late by {late:.3f} s")
    # A second may be breached only in part.
    assert -1 <= delay <= STOPS_WITHIN_S + 2 * late
    assert shorter or late > 1, "the first breach has no effect"
    assert all(seconds[-1] - seconds[0] < DURATION for seconds in shorter)

    reason = f"Stopped by check {check}"
    receipt = run.receipt.check()
    assert receipt["stop_reason"] == reason
    aborted, other = receipt["checks"]
    assert (aborted["verdict"], other["verdict"]) == ("failed", "passed")
    assert aborted["reason"] == f"breached for {DURATION} s without interruption, so the test was stopped"
    assert datetime.fromisoformat(aborted["first_breach"]).timestamp() == [*shorter, last][0][0]
    assert reason in run.err[run.err.index("CloudWatch receipt") :]
    events = [event.fields for event in aws.cloudwatch.events() if event.is_event("check")]
    assert [event["expression"] for event in events] == [check, other["expression"]]
    assert events[0]["reason"] == aborted["reason"]
    assert record_of(run)["receipt"]["stop_reason"] == reason


@pytest.mark.long
@pytest.mark.parametrize("source", ["workers", "master"])
def test_the_master_of_a_fleet_stops_it(locust: Locust, source: str) -> None:
    """With `--cw-source master`, only Locust's reports say how long requests took, every three seconds."""
    duration, granularity = (DURATION, 0) if source == "workers" else (8, REPORTS_S)
    check = f"max < {LIMIT_MS}ms abort after {duration}s"
    steps = [steady(10, 2.2), steady(SLOW_MS, 1.5), steady(10, 2.2), steady(SLOW_MS, 600)]
    fleet = Fleet(
        locust, *LIVE, "-u2", "-r100", f"--host={HOST}", f"--cw-check={check}", "--cw-check=mean < 1m abort after 1s",
        f"--cw-source={source}", workers=2, worker_env=dict(plan(*steps)), locustfile="planned.py",
    )  # fmt: skip
    fleet.wait()
    master, planned = fleet.master, Planned(*fleet.processes)
    assert master.exit_code == 3
    stopped_at = time_of(master, f"Stopped by check {check}")
    *shorter, last = breaches(planned.load.where(lambda each: each.begun < stopped_at))
    first = planned.load.where(lambda each: each.at >= last[0] and each.ms >= LIMIT_MS).requests[0]
    delay = stopped_at - (first.begun + duration)
    late = planned.lateness(first.begun, stopped_at)
    print(f"stopped {delay:.3f} s after the duration; a process was late by {late:.3f} s")
    assert shorter or late > 1, "the first breach has no effect"
    assert delay >= -1 - granularity
    if source == "workers":
        assert delay <= STOPS_WITHIN_S + 2 * late
    receipt = master.receipt.check()
    assert receipt["stop_reason"] == f"Stopped by check {check}"
    assert [result["verdict"] for result in receipt["checks"]] == ["failed", "passed"]
    assert receipt["requests"]["observed"] == len(planned.load)
    assert record_of(master)["receipt"]["stop_reason"] == receipt["stop_reason"]


def test_with_a_web_ui_only_the_test_ends(locust: Locust) -> None:
    """Locust stays for the next test."""
    check = "failures == 0 abort after 1s"
    web = Web(
        locust, "planned.py", *LIVE, f"--cw-check={check}",
        env=plan({"fire": [["GET", "/", 5, 1, True]], "seconds": 600}),
    )  # fmt: skip
    for number in (1, 2):
        web.swarm(1, HOST)
        wait_until(lambda: web.run.err.count(f"locust_cw: Stopped by check {check}") >= number, "the check stops it")  # noqa: B023 - called at once
        wait_until(lambda: json.loads(get(f"{web.url}/stats/requests"))["state"] == "stopped", "the test has ended")
    web.run.shut_down()
    assert web.run.exit_code == 3
    assert web.run.receipt.check_delivered()["stop_reason"] == f"Stopped by check {check}"
    assert web.run.err.count("Checks: 1 failed") == 2
