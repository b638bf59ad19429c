"""Checks of a fleet count each request of each worker once, whatever happens to the workers."""

from __future__ import annotations

import html
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from support.fixtures import Aws, Locust
from support.fleet import Fleet, Journal, MasterWeb
from support.fleet_checks import LIVE
from support.in_process import run as command
from support.locust_run import LocustRun
from support.paced import stop_when
from support.planned import HOST, Load, Planned, judge_around, plan, record_of
from support.servers import free_port, wait_until
from support.wrong_clock import ahead_by

STEADY = plan({"fire": [["GET", "/", 5, 1, False], ["POST", "/", 8, 1, True]], "seconds": 600})
USERS = ["-u2", "-r100", f"--host={HOST}"]
COUNTS = ["--cw-check=requests > 0", "--cw-check=failures > 0", "--cw-check=GET /: max < 1m"]
WAITS_S = 10
"""How long the end waits for a worker that may still report."""
REPORTED_S = 2.2
"""A request is reported with the first report after its second, which is closed soon, unless the machine is busy."""


def started(locust: Locust, *args: str, **how: Any) -> tuple[Fleet, Planned]:
    how = {"worker_env": STEADY | {"REPORTS": "1"}, "workers": 2, **how}
    fleet = Fleet(locust, *LIVE, *USERS, *COUNTS, *args, locustfile="planned.py", **how)
    return fleet, Planned(*fleet.processes)


def work_of(run: LocustRun) -> Journal:
    (journal,) = Planned(run).journals
    return journal


def end(fleet: Fleet, *others: LocustRun) -> float:
    """End the test. Returns the seconds until the master has ended."""
    begun = time.monotonic()
    fleet.master.signal(signal.SIGTERM)
    fleet.master.wait()
    seconds = time.monotonic() - begun
    for run in others:
        run.wait()
    return seconds


def check_counts(results: list[dict[str, Any]], certain: Load, possible: Load) -> None:
    """They are between those of the requests that are measured for certain, and those that may be."""
    requests, failures, slowest = results
    assert len(certain) <= requests["measured"] <= len(possible)
    assert certain.failures <= failures["measured"] <= possible.failures
    assert max(certain.times) <= slowest["measured"] <= max(possible.times)
    assert [result["verdict"] for result in results[:2]] == ["passed", "passed"]


LACKING = "The checks do not cover all requests: a worker was lost, opted out or did not report all results"


def test_a_worker_that_was_killed_counts_with_what_it_had_reported(locust: Locust, tmp_path: Path) -> None:
    """Once, and the end does not wait for it. A note in each output says that its last requests are missing."""
    files = {name: tmp_path / name for name in ("junit.xml", "summary.md")}
    options = [f"--cw-junit={files['junit.xml']}", f"--cw-summary={files['summary.md']}"]
    fleet, planned = started(locust, *options, heartbeats=3)
    victim = fleet.workers[0]
    planned.wait_for("user", 2)
    journal = work_of(victim)
    wait_until(lambda: len(journal.of("reported")) >= 2, "two reports of the victim's")
    reports = len(journal.of("reported"))
    stop_when([victim.process.pid], lambda: len(journal.of("reported")) > reports, "one more report")
    victim.signal(signal.SIGKILL)
    victim.process.wait()
    last_report = journal.of("reported")[-1].at
    fleet.master.wait_for(f"{journal.client_id} failed to send heartbeat")
    seconds = end(fleet, fleet.workers[1])
    survivor, known = Load.of(work_of(fleet.workers[1])), Load.of(journal)
    reported = known.where(lambda each: each.begun < last_report)
    surely = known.where(lambda each: each.at < last_report - REPORTED_S)
    certain, possible = planned.measured(survivor)
    check_counts(
        fleet.master.receipt["checks"],
        Load(certain.requests + surely.requests),
        Load(possible.requests + reported.requests),
    )
    assert seconds < WAITS_S
    assert fleet.master.exit_code == 0
    printed = fleet.master.err[fleet.master.err.index("Checks: ") :]
    again = command(fleet.master.folder, "check", fleet.master.receipt["run_id"], "requests > 0", "failures > 0")
    for text in (printed, again, *(file.read_text() for file in files.values())):
        assert LACKING in html.unescape(text)
    receipt = fleet.master.err[fleet.master.err.index("CloudWatch receipt") :]
    assert f"{journal.client_id}: vanished before its last report" in receipt


def test_a_worker_that_returns_after_a_while_counts_once(locust: Locust) -> None:
    fleet, planned = started(locust, heartbeats=3)
    gone = fleet.workers[0]
    planned.wait_for("user", 2)
    # Locust also sets a missing worker to running when it reports that its users are spawned, without a log message.
    fleet.master.wait_for("All users spawned")
    journal = work_of(gone)
    wait_until(lambda: journal.of("reported"), "a report")
    name = journal.client_id
    gone.signal(signal.SIGSTOP)
    fleet.master.wait_for(f"{name} failed to send heartbeat")
    gone.signal(signal.SIGCONT)
    fleet.master.wait_for(f"{name} self-healed")
    fired = journal.count("fired")
    wait_until(lambda: journal.count("fired") > fired + 20, "it goes on")
    end(fleet, *fleet.workers)
    check_counts(fleet.master.receipt.check_delivered()["checks"], *planned.measured(planned.load))
    assert fleet.exit_codes == [0, 0, 0]
    assert LACKING not in fleet.master.err


def test_a_worker_without_locust_cw_is_not_judged(locust: Locust) -> None:
    """The receipt says that its requests are missing, and the end does not wait for it."""
    fleet, planned = started(locust, workers=1)
    other = fleet.join(WITHOUT_LOCUST_CW="1")
    for run in fleet.workers:
        wait_until(lambda: Planned(run).count("fired") >= 20, "every worker works")  # noqa: B023 - called at once
    seconds = end(fleet, *fleet.workers)
    receipt = fleet.master.receipt
    check_counts(receipt["checks"], *planned.measured(Load.of(work_of(fleet.workers[0]))))
    assert receipt["reconciled"] is False
    assert receipt["locust"]["requests"] == len(Planned(*fleet.workers).load)
    printed = fleet.master.err[fleet.master.err.index("CloudWatch receipt") :]
    assert f"{work_of(other).client_id}: reported no results" in printed
    assert seconds < WAITS_S


def test_the_worker_of_a_master_without_locust_cw_cannot_judge_the_test(aws: Aws, locust: Locust) -> None:
    """It does not know the requests of other workers. Its checks are undecided, which its exit code says."""
    port = free_port()
    how: dict[str, Any] = {"options": [], "receipt": False, "json_file": False}
    master = locust.start(
        "planned.py", "--master", "--master-bind-host=127.0.0.1", f"--master-bind-port={port}", "--expect-workers=1",
        *USERS, env={**STEADY, "WITHOUT_LOCUST_CW": "1"}, **how,
    )  # fmt: skip
    worker = locust.start(
        "planned.py", "--worker", "--master-host=127.0.0.1", f"--master-port={port}", *aws.options, *LIVE,
        *COUNTS, "--cw-receipt=receipt.json", "--cw-junit=junit.xml", env=STEADY, headless=False, **how,
    )  # fmt: skip
    Planned(worker).wait_for("fired", 50)
    master.signal(signal.SIGTERM)
    assert worker.exit_code == 3
    assert [check["verdict"] for check in worker.receipt["checks"]] == ["undecided"] * 3
    assert "Checks: 3 undecided" in worker.err
    assert not (worker.folder / "junit.xml").exists()
    assert master.exit_code == 1, "as always when requests failed"


@pytest.mark.long
@pytest.mark.parametrize("seconds", [-300, 300])
def test_workers_with_a_wrong_clock_count_in_the_seconds_of_the_master(
    aws: Aws, locust: Locust, tmp_path: Path, seconds: int
) -> None:
    """Otherwise, their requests would be before or after the measured time, and a rate of 0 would stop the test."""
    lasts = plan({"fire": [["GET", "/", 5, 1, False], ["POST", "/", 8, 1, True]], "seconds": 8})
    checks = ["rps >= 1 abort after 4s", "max < 1m abort after 1s"]
    fleet, planned = started(
        locust, *[f"--cw-check={check}" for check in checks],
        env=lasts, worker_env=lasts | ahead_by(seconds, tmp_path),
    )  # fmt: skip
    planned.wait_for("planned", 2)
    end(fleet, *fleet.workers)
    load = planned.load
    assert abs(load.requests[0].at - planned.ended[1]) > 200, "the workers have another clock"
    *counts, rate, longest = fleet.master.receipt.check_delivered()["checks"]
    check_counts(counts, load, load)
    assert [check["verdict"] for check in (rate, longest)] == ["passed"] * 2
    lowest, highest = (load.successes / length for length in reversed(planned.seconds))
    assert lowest <= rate["measured"] <= highest
    direction = "behind" if seconds < 0 else "ahead of"
    for worker in fleet.workers:
        assert (
            f"The clock of worker {work_of(worker).client_id} is 300 s {direction} that of the master"
            in fleet.master.err
        )
    assert fleet.master.exit_code == 0
    (call, *_) = aws.proxy.calls("PutMetricData")
    assert call.accepted


WARM_UP_S = 4


def measured_from(planned: Planned) -> int:
    """The full second with which the measured time began, from the record."""
    start = record_of(planned.runs[0])["measured_from"]
    earliest, latest = planned.started
    assert earliest + WARM_UP_S <= start < latest + WARM_UP_S + 1
    assert start == int(start)
    return int(start)


def wait_for_measured_time(planned: Planned, seconds: float) -> None:
    """Return when the measured time has lasted for so long."""
    planned.wait_for("started", 1)
    end_at = planned.started[1] + WARM_UP_S + 1 + seconds
    wait_until(lambda: time.time() > end_at, f"{seconds} s are measured")


@pytest.mark.long
def test_requests_of_the_warm_up_do_not_count(locust: Locust) -> None:
    """The CPU usage of the load generator is also an average over ten seconds after it."""
    checks = ["requests > 0", "failures > 0", "max < 500ms", "rps > 0", "generator: cpu > 0%"]
    planned = Planned(
        locust.start(
            "planned.py", "-u1", f"--host={HOST}", f"--cw-warmup={WARM_UP_S}",
            *[f"--cw-check={each}" for each in checks],
            env=plan(
                {"fire": [["GET", "/", 900, 1, False], ["GET", "/", 900, 1, True]], "seconds": 3, "busy": True},
                {"fire": [["GET", "/", 20, 1, False], ["GET", "/", 900, 1, True]], "seconds": 600},
            ),
        )
    )  # fmt: skip
    (run,) = planned.runs
    wait_for_measured_time(planned, 10.5)
    run.signal(signal.SIGTERM)
    run.wait()
    start = measured_from(planned)
    load = planned.load
    certain, possible = planned.measured(load, start)
    receipt = run.receipt.check_delivered()
    assert receipt["requests"]["observed"] == len(load) > len(possible) + 10
    requests, failures, slowest, rate, cpu = (check["measured"] for check in receipt["checks"])
    assert len(certain) <= requests <= len(possible)
    assert certain.failures <= failures <= possible.failures
    assert slowest == max(possible.times)
    earliest, latest = planned.ended
    assert certain.successes / (latest - start) <= rate <= possible.successes / (earliest - start)
    check_cpu(planned, start, cpu)
    judge_around(run, "generator: cpu", cpu, "%")
    assert "The first 4 s of the test do not count (--cw-warmup)." in run.err
    assert run.exit_code == (0 if slowest < 500 else 3)


def check_cpu(planned: Planned, start: float, percent: float) -> None:
    """Between the usage of the whole measured time and the highest one of eight seconds of it."""
    usage = [(line.at, line.fields["cpu_s"]) for line in planned.head.of("usage", since=start - 1)]
    averages = [
        (cpu_s - cpu_s_before) / (at - before) * 100
        for before, cpu_s_before in usage
        for at, cpu_s in usage
        if at - before >= 7.5
    ]
    assert min(averages) * 0.9 - 0.5 <= percent <= max(averages) * 1.2 + 2


def test_a_worker_that_joins_late_has_no_warm_up_of_its_own(aws: Aws, locust: Locust) -> None:
    """With a web UI, in which the test is judged when it stops."""
    slow = plan(
        {"fire": [["GET", "/", 900, 1, False], ["POST", "/", 900, 1, True]], "seconds": 3},
        {"fire": [["GET", "/", 5, 1, False], ["POST", "/", 8, 1, True]], "seconds": 600},
    )
    web = MasterWeb()
    fleet = Fleet(
        locust, *LIVE, *COUNTS, f"--cw-warmup={WARM_UP_S}", *web.options,
        workers=1, worker_env=dict(slow), locustfile="planned.py", headless=False,
    )  # fmt: skip
    web.wait_for_workers(1)
    web.swarm(2, HOST)
    wait_for_measured_time(Planned(fleet.master), 0)
    late = fleet.join(PLAN=STEADY["PLAN"])
    wait_until(lambda: Planned(late).count("fired") > 20, "the late worker works")
    web.stop()
    wait_until(lambda: any(event.is_event("check") for event in aws.cloudwatch.events()), "the test is judged")
    fleet.master.shut_down()
    fleet.wait()
    planned = Planned(*fleet.processes)
    start, load = measured_from(planned), planned.load
    certain, possible = planned.measured(load, start)
    receipt = fleet.master.receipt.check_delivered()
    check_counts(receipt["checks"], certain, possible)
    assert receipt["requests"]["observed"] == len(load) > len(possible) + 10


LIMIT = 200
PAUSE_S = 5
"""Workers report each second, and have the answer soon after."""


def test_the_number_of_request_names_is_limited_in_the_whole_run(aws: Aws, locust: Locust) -> None:
    """Each worker has names of its own, as many as the limit. The limit applies as soon as the workers have it."""
    once = {"fire": [["GET", "/{pid}/{}", 5, LIMIT, False], ["POST", "/", 8, 1, True], ["GET", "/", 5, 1, False]]}
    pause = {"fire": [], "seconds": PAUSE_S}
    fleet, planned = started(
        locust, "-u3", f"--cw-max-requests={LIMIT}", "--cw-check=POST /: failures == 6",
        workers=3, worker_env=plan(once, pause, once) | {"REPORTS": "1"},
    )  # fmt: skip
    planned.wait_for("planned", 3)
    end(fleet, *fleet.workers)
    load = planned.load
    first_round_at = min(each.at for each in load.requests)
    assert len({each.name for each in load.requests}) == 3 * LIMIT + 1
    receipt = fleet.master.receipt.check_delivered()
    assert receipt["requests"]["observed"] == len(load) == 3 * 2 * (LIMIT + 2)
    *results, pinned = receipt["checks"]
    check_counts(results, load, load)
    assert pinned["verdict"] == "passed"

    # The summary.
    summary = record_of(fleet.master)["summary"]
    totals = [row["summary"]["measured"]["requests"] for row in (*summary["requests"], {"summary": summary["others"]})]
    assert len({row["request"]["name"] for row in summary["requests"]}) == LIMIT
    assert sum(totals) == len(load)

    # CloudWatch.
    published: dict[str, float] = {}
    for call in aws.proxy.calls("PutMetricData"):
        for datum in call.params["MetricData"]:
            dimensions = {each["Name"]: each["Value"] for each in datum["Dimensions"]}
            if "Request" in dimensions:
                at = datum["Timestamp"].timestamp()
                published[dimensions["Request"]] = max(published.get(dimensions["Request"], 0), at)
    late = {name for name, at in published.items() if at > first_round_at + PAUSE_S / 2}
    print(f"{len(published)} names in CloudWatch, {len(late)} of them after the limit was known")
    assert published.keys() <= {each.name for each in load.requests} | {"(other)"}
    assert "(other)" in late
    assert len(late) <= LIMIT + 1
    assert aws.cloudwatch.sum("RequestCount", Host=HOST) == len(load)
