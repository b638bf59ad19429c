"""Successive tests in one process: each is a separate run, and uses no resources after its delivery."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.commands import run
from support.fixtures import Aws, Locust
from support.fleet import Fleet, MasterWeb, receipts_printed
from support.locust_run import run_library
from support.paced import HOST, LIVE, PACED
from support.paths import SCRIPTS
from support.proxy import error
from support.servers import wait_until
from support.web import Web, whole_run

SCRIPT = SCRIPTS / "sessions.py"
LOCUSTFILE, *OPTIONS = PACED


def run_script(folder: Path, what: str, **options: object) -> tuple[Any, str]:
    """The output of `scripts/sessions.py` as JSON, and its standard error."""
    done = run_library(folder, SCRIPT, what, json.dumps(options))
    assert done.exit_code == 0, done.err
    return json.loads(done.out), done.err


# Names


def test_the_longest_run_id_can_get_a_number(locust: Locust) -> None:
    web = Web(locust, LOCUSTFILE, "--cw-dry-run", f"--cw-run-id={'x' * 64}", *OPTIONS)
    for run_id in ("x" * 64, "x" * 62 + "-2", "x" * 62 + "-3"):
        web.swarm(1, HOST)
        wait_until(lambda: whole_run(web).get("observed"), "requests are observed")
        assert whole_run(web)["process"] == f"{run_id}, dry run"
        web.run.wait_for(f"Run {run_id}, dry run")
        web.stop()
    web.run.shut_down()
    assert web.run.exit_code == 0
    assert web.run.logged_problems() == []


def test_a_generated_run_id_is_not_used_twice(tmp_path: Path) -> None:
    assert run_script(tmp_path, "names", dry_run=True)[0] == ["one", "two"]


def test_a_test_that_cannot_be_published_counts_as_a_loss(locust: Locust) -> None:
    """With an invalid run ID in the form. The exit code shows that nothing of the test was delivered."""
    web = Web(locust, LOCUSTFILE, "--cw-fail-on-loss", *OPTIONS)
    web.swarm(1, HOST, cw_run_id="bad id")
    web.run.wait_for("locust-cw does not publish this test: .*bad id")
    assert whole_run(web)["health"] == "off"
    web.stop()
    web.run.shut_down()
    assert web.run.exit_code == 1
    assert "some results were not delivered, and --cw-fail-on-loss is set" in web.run.err


def test_a_worker_that_could_not_publish_a_test_respects_the_opt_out_of_the_next(locust: Locust) -> None:
    """It does not try, because the master has opted out of the next test."""
    web = MasterWeb()
    fleet = Fleet(
        locust, *web.options, *LIVE, workers=1, headless=False, json_file=False,
        locustfile="attached_fleet.py", worker_env={"ATTACH": '{"local": true}'}, env={},
    )  # fmt: skip
    (worker,) = fleet.workers
    web.wait_for_workers(1)
    for options in ({}, {"cw_disable": "true"}):
        web.swarm(2, HOST, **options)
        fleet.wait_for(20)
        web.stop()
    fleet.master.shut_down()
    fleet.wait()
    assert [problem.partition(":")[0] for problem in worker.logged_problems()] == [
        "locust-cw does not publish this test"
    ]
    assert receipts_printed(fleet.master) == 1


def test_a_run_id_in_the_form_does_not_change_that_of_late_workers(aws: Aws, locust: Locust) -> None:
    """They join the running test with the run ID of the master."""
    web = MasterWeb()
    fleet = Fleet(locust, *web.options, *LIVE, workers=1, headless=False, json_file=False)
    web.wait_for_workers(1)
    web.swarm(2, HOST, cw_run_id="one")
    fleet.wait_for(20)
    web.swarm(4, HOST, cw_run_id="two")
    web.wait_for_users(4)
    fleet.join()
    web.wait_for_workers(2)
    fleet.wait_for(20)
    web.stop()
    fleet.master.shut_down()
    fleet.wait()
    assert {event.stream.split("/")[1] for event in aws.cloudwatch.events()} == {"one"}
    assert len(aws.cloudwatch.streams()) == 3
    assert fleet.master.receipt.check_delivered()["run_id"] == "one"
    assert [run.logged_problems() for run in fleet.processes] == [[], [], []]


# What is delivered


def test_the_receipt_of_a_delivered_test_is_printed_when_the_next_starts(locust: Locust) -> None:
    """The process keeps nothing of the test: no file and no spool. The last test has its receipt at the end."""
    web = Web(locust, LOCUSTFILE, *LIVE, *OPTIONS)
    process = psutil.Process(web.run.process.pid)
    files = []
    for number in range(1, 6):
        web.swarm(1, HOST)
        wait_until(lambda: whole_run(web).get("delivered"), "requests are delivered")
        web.stop()
        wait_until(lambda: whole_run(web)["health"] == "complete", "all is delivered")
        wait_until(lambda: receipts_printed(web.run) == number - 1, "the tests before have their receipts")  # noqa: B023 - called at once
        files.append(process.num_fds())
    # Connections that are about to close may be open for a moment.
    wait_until(lambda: process.num_fds() <= files[1] + 3, "the files of the tests before are closed")
    assert len(list((web.run.folder / "state" / "locust-cw").glob("2*"))) <= 1
    web.run.shut_down()
    assert web.run.exit_code == 0
    assert receipts_printed(web.run) == len(re.findall("all delivered", web.run.err)) == 5
    web.run.receipt.check_delivered()


def test_ctrl_c_during_a_receipt_waits_until_it_is_printed(locust: Locust) -> None:
    """The next test has started. It is delivered and counted as after any other Ctrl-C."""
    web = Web(locust, "interrupted.py", *LIVE, *OPTIONS)
    web.swarm(1, HOST)
    wait_until(lambda: whole_run(web).get("delivered"), "requests are delivered")
    web.stop()
    wait_until(lambda: whole_run(web)["health"] == "complete", "all is delivered")
    web.swarm(1, HOST)
    assert web.run.exit_code == 0
    assert len(re.findall("all delivered", web.run.err)) == 2
    assert web.run.logged_problems() == []


def test_close_returns_all_receipts_and_nothing_else_is_kept(tmp_path: Path) -> None:
    """The oldest receipt comes first."""
    result, err = run_script(tmp_path, "many", dry_run=True)
    before, after = result["files"]
    assert after <= before + 10, "of 20 tests; the first one's files may not have been open yet"
    assert result["publishers"] == 1
    assert result["greenlets"] <= 2
    printed = re.findall(r"^CloudWatch receipt for run (\S+):", err, re.MULTILINE)
    assert sorted(printed) == sorted(result["run_ids"])
    assert len(printed) == 21
    seconds = [run_id.partition("-")[0] for run_id in result["run_ids"]]
    assert seconds == sorted(seconds)


@pytest.mark.long
def test_a_master_waits_for_the_rest_of_the_previous_test(aws: Aws, locust: Locust) -> None:
    """The receipt is printed during the next test, and counts everything."""
    web = MasterWeb()
    fleet = Fleet(locust, *web.options, *LIVE, workers=2, headless=False, json_file=False)
    web.wait_for_workers(2)
    web.swarm(2, HOST)
    fleet.wait_for(50)
    aws.proxy.on("*", error("ServiceUnavailable", 503))
    web.stop()
    web.swarm(2, HOST)
    begun = time.monotonic()
    wait_until(lambda: time.monotonic() > begun + 10, "vanished workers would be given up by now")
    assert receipts_printed(fleet.master) == 0
    aws.proxy.stop_faults()
    wait_until(lambda: receipts_printed(fleet.master) == 1, "the first test has its receipt")
    assert fleet.master.process.poll() is None
    assert len(re.findall("all delivered", fleet.master.err)) == 1
    web.stop()
    fleet.master.shut_down()
    fleet.wait()
    assert receipts_printed(fleet.master) == len(re.findall("all delivered", fleet.master.err)) == 2


# Ctrl-C


def test_a_program_that_continues_after_the_end_gets_one_receipt(tmp_path: Path) -> None:
    run_ids, err = run_script(tmp_path, "lingers", dry_run=True)
    assert re.findall(r"CloudWatch receipt for run (\S+):", err) == run_ids
    assert "Traceback" not in err


def test_ctrl_c_ends_the_present_wait_and_no_later_one(tmp_path: Path) -> None:
    """After a moment, Ctrl-C has its usual effect again."""
    where = {"endpoint_url": "http://127.0.0.1:9", "region": "eu-north-1"}
    result, err = run_script(tmp_path, "closes", **where)
    waited = [close["seconds"] for close in result["closes"]]
    assert waited[0] < 25
    assert waited[1] >= 2.9
    assert waited[2] < 25
    assert all(len(close["run_ids"]) == 1 for close in result["closes"])
    assert result["default"]
    assert "Traceback" not in err


def test_ctrl_c_while_the_exit_handler_delivers_shows_no_traceback(tmp_path: Path) -> None:
    assert "Traceback" not in run_script(tmp_path, "interrupted", dry_run=True)[1]


# Records


def test_a_run_of_the_web_ui_can_be_verified_while_locust_runs(locust: Locust) -> None:
    """The receipt is printed at the end of the process or with the next test.

    The record is written as soon as the run is delivered.
    """
    web = Web(locust, LOCUSTFILE, "--cw-live", "--cw-flush-interval=1", *OPTIONS)
    web.swarm(1, HOST)
    wait_until(lambda: whole_run(web).get("observed"), "requests are observed")
    web.stop()
    records = Path(web.run.folder, "state", "locust-cw", ".records")
    wait_until(lambda: list(records.glob("*.json")), "the record is written")
    result = json.loads(run(web.run.folder, "verify", "--json"))
    assert result["complete"], result
    assert web.run.process.poll() is None
    assert "CloudWatch receipt" not in web.run.err
    web.run.shut_down()
    web.run.wait()
    assert web.run.receipt.check_delivered()["run_id"] == result["run_id"]
