"""After any order of events, everything is delivered once, and Locust's statistics and exit code are unchanged."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from support.checks import check_delivered_run, check_log_events, check_metrics, receipts_printed
from support.fixtures import Aws, Locust
from support.locust_run import LocustRun
from support.proxy import hang
from support.servers import Target, wait_until
from support.web import Web

HOST = "http://walked.test"
WALK = ["-u", "5", "-r", "100", "--host", HOST]
LIVE = ["--cw-live", "--cw-flush-interval=1"]


def walking(locust: Locust, *args: str, order: str = "", **how: Any) -> LocustRun:
    """A running test that has made some requests, unless it ends by itself."""
    run = locust.start("orders.py", *WALK, *args, env={"ORDER": order}, **how)
    if "-t" not in args:
        run.wait_for("20 steps")
    return run


@pytest.mark.parametrize("live", [LIVE, []], ids=["live", "end"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_ends_the_test_and_all_is_delivered(
    aws: Aws, locust: Locust, number: signal.Signals, live: list[str]
) -> None:
    """Ctrl-C and SIGTERM, after which Locust fires `quitting` before `test_stop`."""
    run = walking(locust, *live)
    run.shut_down(number)
    assert run.exit_code == 0
    check_delivered_run(aws.cloudwatch, run, HOST)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, None], ids=["SIGINT", "SIGTERM", "time"])
@pytest.mark.parametrize("order", ["yielding quit", "double test_stop", "double quit"])
def test_events_that_come_twice_count_once(aws: Aws, locust: Locust, order: str, number: signal.Signals | None) -> None:
    """SIGTERM, with a `quit` handler that yields, fires `quitting` and `quit` twice.

    A worker's Ctrl-C fires `test_stop` twice.
    """
    run = walking(locust, *(["-t", "2s"] if number is None else []), order=order)
    if number:
        run.shut_down(number)
    assert run.exit_code == 0
    check_delivered_run(aws.cloudwatch, run, HOST)


def test_a_task_may_quit_the_runner(aws: Aws, locust: Locust) -> None:
    """In the greenlet of the only user, which Locust kills at the next yield, so `test_stop` must not yield.

    With more users, Locust 2.47 hangs also without locust-cw.
    """
    run = walking(locust, "-u", "1", order="quit in a task")
    assert run.exit_code == 0
    check_delivered_run(aws.cloudwatch, run, HOST)


def test_an_exception_in_a_task_has_the_same_effect_as_without_locust_cw(aws: Aws, locust: Locust) -> None:
    """Locust catches the exception, continues, and exits with 1."""
    run = walking(locust, *LIVE, order="task error")
    run.signal(signal.SIGTERM)
    assert run.exit_code == 1
    assert "stumbled" in run.err
    check_delivered_run(aws.cloudwatch, run, HOST)


def test_a_broken_locustfile_fails_as_without_locust_cw(aws: Aws, locust: Locust) -> None:
    """Locust shows the exception and sets the exit code. AWS gets no call."""
    run = locust.run("orders.py", *WALK, env={"ORDER": "import error"})
    assert run.exit_code == 1
    assert "the locustfile is broken" in run.err
    assert not aws.proxy.calls()
    assert not run.has_receipt


def test_a_second_ctrl_c_stops_waiting(aws: Aws, locust: Locust) -> None:
    """While AWS hangs, the process ends at once, and the receipt counts everything as spooled."""
    aws.proxy.on("*", hang)
    run = walking(locust, *LIVE, "--cw-drain-timeout=100")
    wait_until(aws.proxy.calls, "a call that hangs")
    run.shut_down(signal.SIGINT)
    run.wait_for("quit begins")
    run.signal(signal.SIGINT)
    run.wait()
    receipt = run.receipt.check()
    assert receipt["requests"]["spooled"] == receipt["requests"]["observed"] >= 20
    assert receipt["requests"]["observed"] == run.stats.requests.total()
    assert receipts_printed(run) == 1
    assert run.listener_errors == 0


# The web UI


@pytest.mark.parametrize("live", [LIVE, []], ids=["live", "end"])
def test_stop_and_start_in_the_web_ui_are_two_runs(aws: Aws, locust: Locust, target: Target, live: list[str]) -> None:
    """Each has its run ID, stream, receipt and totals."""
    web = Web(locust, "shop.py", *live, "--cw-dimensions=RunId")
    totals = []
    for users in (4, 6):
        web.swarm(users, target.url)
        target.wait_for(100)
        totals.append(web.stats_at_stop())
        wait_until(
            lambda: sum(event.is_event("test_stop") for event in aws.cloudwatch.events()) == len(totals),
            "the run is published when it stops, not when Locust quits",
        )
    web.run.shut_down()
    web.run.wait()
    events = sorted(aws.cloudwatch.events(), key=lambda event: event.timestamp)
    runs = list(dict.fromkeys(event.stream.split("/")[1] for event in events))
    assert len(runs) == len(aws.cloudwatch.streams()) == 2
    for run_id, stats in zip(runs, totals, strict=True):
        check_log_events(aws.cloudwatch.events(f"load-generator/{run_id}/"), stats)
        assert aws.cloudwatch.sum("RequestCount", RunId=run_id) == stats.requests.total()
        assert aws.cloudwatch.sum("FailureCount", RunId=run_id) == stats.failures.total()
        assert run_id in web.run.output
    everything = sum(stats.requests.total() for stats in totals)
    assert aws.cloudwatch.sum("RequestCount", Host=target.url) == everything
    assert receipts_printed(web.run) == 2
    last = web.run.receipt.check_delivered()
    assert last["run_id"] == runs[-1]
    assert last["requests"]["observed"] == totals[-1].requests.total()


def test_requests_between_start_and_quit_of_the_web_ui_are_delivered(aws: Aws, locust: Locust, target: Target) -> None:
    """Ctrl-C while the test runs, without **Stop**."""
    web = Web(locust, "shop.py", *LIVE)
    web.swarm(5, target.url)
    target.wait_for(100)
    web.run.shut_down(signal.SIGINT)
    web.run.wait()
    receipt = web.run.receipt.check_delivered()
    assert receipt["requests"]["observed"] == aws.cloudwatch.sum("RequestCount", Host=target.url) >= 100


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_quitting_the_web_ui_without_a_test_does_nothing(aws: Aws, locust: Locust, number: signal.Signals) -> None:
    """Locust fires `test_stop` without `test_start`. There is no call, receipt or message."""
    web = Web(locust, "shop.py", *LIVE)
    web.run.shut_down(number)
    assert web.run.exit_code == 0
    assert not aws.proxy.calls()
    assert not web.run.has_receipt
    assert web.run.listener_errors == 0
    assert web.run.logged_problems() == []


def test_locusts_statistics_are_those_of_a_run_without_locust_cw(aws: Aws, locust: Locust) -> None:
    """With a fixed number of requests, Locust counts the same if locust-cw is disabled."""
    runs = [
        locust.run("orders.py", *WALK, "-u", "1", *args, env={"ORDER": "quit in a task"})
        for args in ([], ["--cw-disable"])
    ]
    assert runs[0].exit_code == runs[1].exit_code == 0
    for run in runs:
        assert run.stats.requests["step"] >= 50
    check_metrics(aws.cloudwatch, runs[0].stats, HOST)
