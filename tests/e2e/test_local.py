"""Tests with `--cw-local`, `--cw-dry-run` or `--cw-disable` do not call AWS, also in fleets and programs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from support import library_fleet
from support.fixtures import Aws, Locust
from support.fleet import Fleet
from support.locust_run import NO_CREDENTIALS
from support.scripted import HOST
from support.servers import Target, wait_until

NOT_ON_WINDOWS = pytest.mark.skipif(sys.platform == "win32", reason="Locust forks its workers")


def test_local_starts_and_stops_a_cloudwatch(locust: Locust, target: Target) -> None:
    """A test starts MiniStack, publishes to it and stops it. It needs no credentials."""
    run = locust.start(
        "shop.py", "-t", "5s", "--host", target.url, "--cw-local", "--cw-live", options=[], env=NO_CREDENTIALS
    )

    children = wait_until(psutil.Process(run.process.pid).children, "a child process runs")
    run.wait()
    run.receipt.check_delivered()
    wait_until(lambda: not any(child.is_running() for child in children), "the child process is ended")


PROCESSES = pytest.param(["--processes=2"], id="fleet", marks=NOT_ON_WINDOWS)


@pytest.mark.parametrize("processes", [pytest.param([], id="alone"), PROCESSES])
def test_local_does_not_change_the_options_of_the_user(locust: Locust, processes: list[str]) -> None:
    """All processes know the address, and it does not count as an option that the user has set."""
    args = ("-u", "2", "-r", "100", "-t", "6s", "--host", HOST)
    run = locust.run("attached_late.py", *processes, *args, "--cw-local", "--cw-live", options=[])
    assert run.output.count("attached late") == max(len(processes) * 3, 1), run.output
    assert run.listener_errors == 0, run.err
    run.receipt.check_delivered()


@pytest.mark.parametrize(
    ("attached", "fate"),
    [
        ({"local": True}, "delivered"),
        ({"local": True, "dry_run": True}, "spooled"),
        ({"dry_run": True}, "spooled"),
        ({"disable": True}, None),
    ],
    ids=str,
)
def test_workers_do_not_call_aws_if_the_program_of_the_master_opts_out(
    aws: Aws, locust: Locust, attached: dict[str, bool], fate: str | None
) -> None:
    """The workers get this from the master, and their own options do not change it."""
    env: dict[str, str | None] = {"AWS_ENDPOINT_URL": aws.proxy.url}
    fleet = Fleet(
        locust, "--cw-live", "-u2", "-t3", "--host", HOST, "--exit-code-on-error=0", workers=1, options=[],
        locustfile="attached_fleet.py", worker_env=env, env={**env, "ATTACH": json.dumps(attached)},
    )  # fmt: skip
    fleet.wait()
    fired = fleet.fired.requests.total()
    assert fired > 0
    assert not aws.proxy.calls(), "AWS, for all that the workers know"
    assert [run.logged_problems() for run in fleet.processes] == [[], []]
    if fate is None:
        assert not fleet.master.has_receipt
        assert not any((run.folder / "state").exists() for run in fleet.processes)
    else:
        assert fleet.master.receipt.check()["requests"][fate] == fired


@pytest.mark.long
@pytest.mark.parametrize("own", [{}, {"local": True}], ids=str)
def test_the_master_of_a_library_sends_the_options_of_each_test(aws: Aws, tmp_path: Path, own: dict[str, bool]) -> None:
    """Also without a command line, whose options Locust would send. The next test has its own options."""
    tests: list[dict[str, Any]] = [{"local": True}, {"disable": True}, {"dry_run": True}]
    fates = ["delivered", "spooled"]
    if not own:
        tests = [{"namespace": aws.cloudwatch.namespace}, {"disable": True}, *tests]
        fates = ["delivered", *fates]
    receipts = library_fleet.receipts(tmp_path, aws, tests, own)
    for receipt, fate in zip(receipts, fates, strict=True):
        assert receipt["requests"][fate] == receipt["requests"]["observed"] >= 50
        # Locust may lack a worker's last report, and has at least 50 of each test.
        assert receipt["requests"]["observed"] < receipt["locust"]["requests"] + 45, "and nothing of another test"
    streams = {call.params["logStreamName"].split("/")[1] for call in aws.proxy.calls("PutLogEvents")}
    assert streams == (set() if own else {receipts[0]["run_id"]})


def test_locust_does_not_start_if_the_local_cloudwatch_cannot_start(locust: Locust) -> None:
    """Locust exits. An exception in the listener would let the test continue without publishing."""
    run = locust.run("no_python.py", "-t", "3s", "--host", HOST, "--cw-local", options=[], receipt=False)
    assert run.exit_code == 2
    assert "could not be started" in run.err
    assert run.listener_errors == 0
