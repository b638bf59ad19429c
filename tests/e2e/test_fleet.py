"""A fleet publishes as one test: the workers publish their requests, and the master the users and one receipt.

The fleets are real processes on this machine: a master and its workers, `--processes`, and workers of other programs.
"""

from __future__ import annotations

import signal
import time
from typing import Any

import psutil
import pytest

from support.checks import check_metrics
from support.commands import replay
from support.fixtures import Aws, Locust
from support.fleet import (
    HOST,
    Fleet,
    MasterWeb,
    check_delivered_fleet,
    check_one_receipt,
    interrupt_all,
    journals,
    requests_in,
    slowly,
    stats_of,
    timeline,
)
from support.fleet_checks import (
    HEALTH,
    LIVE,
    USERS,
    check_everything_fired,
    check_exit_code,
    check_health,
    check_users,
    while_they_ran,
)
from support.proxy import hang
from support.servers import wait_until

# The usual fleet


def test_workers_publish_and_the_master_accounts(aws: Aws, locust: Locust) -> None:
    """Totals, streams, users and health of a fleet agree in metrics, log events, receipt and Locust."""
    fleet = Fleet(locust, *LIVE, "-u", "6", "-r", "2", "--host", HOST)
    fleet.wait_for(100)
    wait_until(lambda: [6] in timeline(aws.proxy.calls(), "UserCount", Host=HOST).values(), "all users are counted")
    for metric in HEALTH:
        wait_until(
            lambda: 4 in map(len, timeline(aws.proxy.calls(), metric, Host=HOST).values()),  # noqa: B023 - called at once
            f"a second with {metric} of all processes",
        )
    fleet.master.signal(signal.SIGTERM)
    receipt = check_delivered_fleet(aws.cloudwatch, fleet)
    assert fleet.exit_codes == [1, 0, 0, 0], "as always when requests failed"
    assert receipt["api_calls"]["PutMetricData"] == len(aws.proxy.calls("PutMetricData"))
    assert receipt["api_calls"]["PutLogEvents"] == len(aws.proxy.calls("PutLogEvents"))
    check_users(aws, fleet, peak=6)
    check_health(aws, processes=4)
    assert set(while_they_ran(aws, fleet.journals, "WorkerCount")) == {3}


def test_locusts_results_are_those_of_a_fleet_without_locust_cw(locust: Locust) -> None:
    """With a fixed number of requests, statistics and exit codes are the same if locust-cw is disabled."""
    how: dict[str, Any] = {"env": {"ITERATIONS": "20"}, "worker_env": {"ITERATIONS": "20"}}
    fleets = [Fleet(locust, *LIVE, *USERS, "-t", "10s", *args, **how) for args in ([], ["--cw-disable"])]
    for fleet in fleets:
        fleet.wait()
    stats = [fleet.master.stats for fleet in fleets]
    assert stats[0].requests.total() == 6 * 20
    assert stats[0] == stats[1]
    assert fleets[0].exit_codes == fleets[1].exit_codes == [1, 0, 0, 0]


# Other ways to start and to end


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_to_the_master_ends_the_fleet_and_all_is_delivered(
    aws: Aws, locust: Locust, number: signal.Signals
) -> None:
    fleet = Fleet(locust, *LIVE, *USERS)
    fleet.wait_for(60)
    fleet.master.shut_down(number)
    check_delivered_fleet(aws.cloudwatch, fleet)
    check_exit_code(fleet.master)
    assert fleet.exit_codes[1:] == [0, 0, 0]


def test_ctrl_c_for_all_processes_loses_nothing(aws: Aws, locust: Locust) -> None:
    """Locust's workers then exit without their last report. CloudWatch has more requests than Locust's statistics."""
    fleet = Fleet(locust, *LIVE, *USERS)
    fleet.wait_for(60)
    interrupt_all(fleet.processes)
    fleet.wait()
    check_everything_fired(aws, fleet.processes)


@pytest.mark.parametrize("end", ["time", "SIGINT", "SIGINT for all", "SIGTERM"])
def test_processes_deliver_on_every_core(aws: Aws, locust: Locust, end: str) -> None:
    """`--processes 2`: the last results of the children arrive. Locust's parent process does not wait for them."""
    args = ["-t", "3s"] if end == "time" else []
    run = locust.start(
        "traders.py", "--processes=2", *LIVE, *USERS, *args, "--cw-receipt=receipt.json", json_file=False,
        new_interpreter=True,
    )  # fmt: skip
    if end != "time":
        wait_until(
            lambda: sum(len(journal.of("fired")) >= 60 for journal in journals([run])) == 2, "both children work"
        )
        if end == "SIGINT for all":
            interrupt_all([run])
        else:
            run.shut_down(signal.Signals[end])
    run.wait()
    check_exit_code(run)
    check_everything_fired(aws, [run], has_stats=False)
    if end == "time":
        run.receipt.check_delivered()
    assert run.listener_errors == 0
    assert run.logged_problems() == []


def test_all_processes_of_a_trial_publish_to_one_local_cloudwatch(locust: Locust) -> None:
    run = locust.run("traders.py", "--processes=2", "--cw-local", *LIVE, *USERS, "-t", "3s", options=[])
    run.receipt.check_delivered()
    assert run.err.count("A local CloudWatch listens at") == 1


def test_every_worker_delivers_its_data_when_a_test_without_live_stops(aws: Aws, locust: Locust) -> None:
    """AWS is slow, and only the master shows progress."""
    aws.proxy.on("*", slowly(1))
    fleet = Fleet(locust, *USERS)
    fleet.wait_for(40)
    assert not aws.proxy.publishing()
    fleet.master.signal(signal.SIGTERM)
    check_delivered_fleet(aws.cloudwatch, fleet)
    assert "results left" in fleet.master.output
    for worker in fleet.workers:
        assert "results left" not in worker.output


def lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_the_parent_of_processes_waits_for_a_slow_drain(aws: Aws, locust: Locust) -> None:
    """Its children have exited before it exits, and everything is delivered."""
    aws.proxy.on("*", slowly(1))
    run = locust.start(
        "traders.py",
        "--processes=2",
        *USERS,
        "-t",
        "3s",
        "--cw-receipt=receipt.json",
        json_file=False,
        new_interpreter=True,
    )
    children: set[psutil.Process] = set()
    while run.process.poll() is None:
        try:
            children |= set(psutil.Process(run.process.pid).children())
        except psutil.NoSuchProcess:
            break
        time.sleep(0.05)
    assert len(children) == 2
    assert not [child for child in children if lives(child)], "the parent left its children behind"
    run.receipt.check_delivered()
    check_everything_fired(aws, [run], has_stats=False)


def test_the_end_is_bounded_and_the_receipt_names_the_spools(aws: Aws, locust: Locust) -> None:
    """While AWS hangs, every worker leaves its results in its spool, and `replay` sends them."""
    aws.proxy.on("*", hang)
    fleet = Fleet(locust, *LIVE, *USERS, "--cw-drain-timeout=2", "--exit-code-on-error=0", "--cw-fail-on-loss")
    fleet.wait_for(10)
    begun = time.monotonic()
    fleet.master.signal(signal.SIGTERM)
    fleet.wait()
    assert time.monotonic() - begun < 30
    assert fleet.master.exit_code == 1, "as --cw-fail-on-loss asks"
    receipt = fleet.master.receipt.check()
    assert receipt["requests"]["spooled"] == receipt["requests"]["observed"] == fleet.fired.requests.total()
    assert receipt["log_events"]["spooled"] == receipt["log_events"]["observed"]
    check_one_receipt(fleet.processes)

    aws.proxy.stop_faults()
    for run in fleet.processes:
        assert replay(run.folder, "--all").exit_code == 0
    check_metrics(aws.cloudwatch, fleet.master.stats, HOST)
    assert len(aws.cloudwatch.events()) == receipt["log_events"]["observed"]


def test_stop_and_start_in_the_web_ui_are_two_runs(aws: Aws, locust: Locust) -> None:
    """Each has one run ID on all workers, its own totals and its own receipt."""
    web = MasterWeb()
    fleet = Fleet(locust, *LIVE, "--cw-dimensions=RunId", *web.options, headless=False)
    web.wait_for_workers(3)
    totals = []
    for users in (3, 6):
        begun = time.time()
        web.swarm(users, HOST)
        fleet.wait_for(40)
        web.stop()
        lines = [line for journal in fleet.journals for line in journal.of("fired", since=begun)]
        totals.append(stats_of(lines))
        wait_until(lambda: +web.stats.requests == totals[-1].requests, "Locust has the workers' last reports")
        enough = sum(each.requests.total() for each in totals)
        wait_until(
            lambda: aws.cloudwatch.sum("RequestCount", Host=HOST) == enough,  # noqa: B023 - called at once
            "the run is published when it stops, not when Locust quits",
        )
    fleet.master.shut_down()
    fleet.wait()
    events = sorted(aws.cloudwatch.events(), key=lambda event: event.timestamp)
    runs = list(dict.fromkeys(event.stream.split("/")[1] for event in events))
    assert len(runs) == 2
    clients = {journal.client_id for journal in fleet.journals}
    for run_id, stats in zip(runs, totals, strict=True):
        of_run = [event for event in events if event.stream.startswith(f"load-generator/{run_id}/")]
        logged = requests_in(of_run)
        assert (logged.requests, logged.failures) == (stats.requests, stats.failures)
        assert {event.stream.rsplit("/", 1)[1] for event in of_run if event.is_request} == clients
        assert aws.cloudwatch.sum("RequestCount", RunId=run_id) == stats.requests.total()
        assert aws.cloudwatch.sum("FailureCount", RunId=run_id) == stats.failures.total()
        assert run_id in fleet.master.output
    check_one_receipt(fleet.processes, receipts=2)
    last = fleet.master.receipt.check_delivered()
    assert last["run_id"] == runs[-1]
    assert last["requests"]["observed"] == totals[-1].requests.total()
