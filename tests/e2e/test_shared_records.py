"""Records of runs in CloudWatch Logs: a machine lists, judges and charts what another one has tested."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.fixtures import Aws, Locust
from support.in_process import Done, command
from support.locust_run import LocustRun
from support.servers import Target, wait_until

SHARED: dict[str, str | None] = {"LOCUST_CW_RECORD": None}
"""The default of the option."""

STALE_S = 200


def on_other_machine(aws: Aws, folder: Path, *args: str) -> Done:
    """Run the command with another home folder, and with the options that a test there would have."""
    folder.mkdir(exist_ok=True)
    env = {"LOCUST_CW_ENDPOINT_URL": aws.proxy.url, "LOCUST_CW_LOG_GROUP": aws.cloudwatch.log_group}
    return command(folder, *args, env=env)


def heads(aws: Aws) -> list[dict[str, Any]]:
    """The heads of all records in the log group."""
    events = [event.fields for event in aws.cloudwatch.events("runs/")]
    return [fields for fields in events if fields["event"] == "run_record"]


def started(aws: Aws, locust: Locust, target: Target, *args: str) -> LocustRun:
    """A live test whose record is in CloudWatch Logs."""
    env = SHARED | {"GITHUB_ACTIONS": "true", "GITHUB_REF_NAME": "main", "GITHUB_SHA": "4b1d"}
    run = locust.start("paced.py", "--cw-live", "--host", target.url, "--cw-tag", "size=small", *args, env=env)
    wait_until(lambda: heads(aws), "the first record is in CloudWatch Logs")
    return run


def test_another_machine_lists_reports_and_checks_a_killed_test(
    aws: Aws, locust: Locust, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started(aws, locust, target, "-u", "5", "-r", "5", "-t", "10m", "--cw-check", "p95 < 30s")
    run.signal(signal.SIGKILL)
    run.process.wait()
    elsewhere = tmp_path / "elsewhere"

    listed = json.loads(on_other_machine(aws, elsewhere, "runs", "--json").out)
    (entry,) = listed
    assert (entry["state"], entry["stopped"], entry["users"], entry["checks"]) == ("running", None, 5, "passed")
    assert entry["tags"] == {"branch": "main", "commit": "4b1d", "size": "small"}
    assert entry["requests"] > 0
    assert 0 <= entry["p95_ms"] < 30_000
    # Three minutes later.
    later = SimpleNamespace(time=lambda: time.time() + STALE_S)
    monkeypatch.setattr("locust_cw._runs.entry.time", later)
    done = on_other_machine(aws, elsewhere, "runs", "--tag", "branch=main")
    assert (done.exit_code, done.err) == (0, "")
    assert f"{entry['run_id']}  " in done.out
    assert "  killed  " in done.out
    assert on_other_machine(aws, elsewhere, "runs", "--tag", "branch=other").out == "There are no such runs.\n"

    checked = on_other_machine(aws, elsewhere, "check", entry["run_id"], "p95 < 30s", "requests > 0", "--json")
    assert (checked.exit_code, checked.err) == (0, "")
    assert json.loads(checked.out)["verdict"] == "passed"
    report = on_other_machine(aws, elsewhere, "report", entry["run_id"], "--json")
    assert report.exit_code == 0, report.err
    # What was not delivered when the test was killed is in its spool, on the machine of the test.
    assert json.loads(report.out)["total"]["requests"] > 0
    assert (elsewhere / f"report-{entry['run_id']}" / "report.html").is_file()


def test_a_finished_run_is_verified_on_another_machine(
    aws: Aws, locust: Locust, target: Target, tmp_path: Path
) -> None:
    """Its last update has the receipt, also if the test makes no calls before its end."""
    run = locust.run("paced.py", "-t", "2s", "--host", target.url, env=SHARED)
    run.receipt.check_delivered()
    (head,) = heads(aws)
    assert (head["phase"], head["requests"]) == ("end", run.receipt["requests"]["observed"])
    done = on_other_machine(aws, tmp_path / "elsewhere", "verify", head["run_id"], "--json")
    assert (done.exit_code, done.err) == (0, "")
    assert json.loads(done.out)["complete"]
    (entry,) = json.loads(on_other_machine(aws, tmp_path / "elsewhere", "runs", "--json").out)
    assert (entry["state"], entry["run_id"]) == ("finished", head["run_id"])
    assert entry["stopped"] > entry["started"]


@pytest.mark.parametrize("options", [["--cw-record", "local"], ["--cw-logs", "off"], ["--cw-dry-run"]], ids=str)
def test_a_record_is_only_shared_if_the_run_logs_to_cloudwatch_logs(
    aws: Aws, locust: Locust, target: Target, options: list[str]
) -> None:
    run = locust.run("paced.py", "--cw-live", "-t", "2s", "--host", target.url, *options, env=SHARED)
    assert not [stream for stream in aws.cloudwatch.streams() if stream.startswith("runs/")]
    assert list(run.folder.glob("state/locust-cw/.records/*.json"))


def test_without_records_no_file_is_written(aws: Aws, locust: Locust, target: Target) -> None:
    run = locust.run("paced.py", "-t", "2s", "--host", target.url, "--cw-record", "off", env=SHARED)
    run.receipt.check_delivered()
    assert not heads(aws)
    assert not list(run.folder.rglob("*.json.part"))
    assert not list(run.folder.glob("state/locust-cw/.records/*.json"))
