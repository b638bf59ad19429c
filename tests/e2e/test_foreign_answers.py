"""If another server than AWS answers, the test reports the loss, and its replay delivers everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.commands import replay
from support.fixtures import Aws, Locust
from support.locust_run import LocustRun
from support.paced import HOST, PACED, wait_for_more
from support.proxy import Answer
from support.spools import files_in, spool_of

HTML = Answer(200, {"Content-Type": "text/html; charset=utf-8"}, b"<html><title>Sign in</title></html>")
WALK = (*PACED, "--cw-fail-on-loss", "--cw-drain-timeout=10")


def contents(spool: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in files_in(spool)}


@pytest.mark.parametrize("live", [True, False], ids=["live", "end"])
def test_the_exit_code_shows_the_loss_and_a_replay_delivers_everything_later(
    aws: Aws, locust: Locust, *, live: bool
) -> None:
    aws.proxy.on("*", lambda _: HTML)
    run: LocustRun = locust.start(*WALK, *(["--cw-live", "--cw-flush-interval=1"] if live else []), "-t", "4s")
    wait_for_more(run, 20)
    assert run.exit_code == 1, run.err
    receipt = run.receipt.check()
    requests = receipt["requests"]
    assert requests["spooled"] == requests["observed"] > 0
    logged_problems = [each for each in run.logged_problems() if "Exit code 1" not in each]
    assert len(logged_problems) == 1, logged_problems
    spool = spool_of(run)
    before = contents(spool)
    refused = replay(run.folder, "--all")
    assert refused.exit_code == 1
    assert contents(spool) == before
    aws.proxy.stop_faults()
    assert replay(run.folder, "--all").exit_code == 0
    assert not files_in(spool)
    assert aws.cloudwatch.sum("RequestCount", Host=HOST) == requests["observed"]


def test_strict_refuses_the_test(aws: Aws, locust: Locust) -> None:
    aws.proxy.on("*", lambda _: HTML)
    run = locust.run(*PACED, "--cw-live", "--cw-strict", "-t", "30s")
    assert run.exit_code == 1
    assert run.stats.requests.total() == 0
    refused = [
        each
        for each in run.logged_problems()
        if each.startswith("The test was not started: --cw-strict requires a successful first call: ")
    ]
    assert len(refused) == 1
    assert "was not answered by AWS" in refused[0]
