"""Records of runs in CloudWatch Logs: a machine lists, judges and charts what another one has tested."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from support.fixtures import Aws, Locust
from support.fleet import Fleet
from support.in_process import Done, command
from support.locust_run import LocustRun
from support.proxy import error
from support.report_page import ReportPage
from support.servers import Target, wait_until

SHARED: dict[str, str | None] = {"LOCUST_CW_RECORD": None}
"""The default of the option."""


def on_other_machine(aws: Aws, folder: Path, *args: str) -> Done:
    """Run the command with another home folder, and with the options that a test there would have."""
    folder.mkdir(exist_ok=True)
    env = {"LOCUST_CW_ENDPOINT_URL": aws.proxy.url, "LOCUST_CW_LOG_GROUP": aws.cloudwatch.log_group}
    return command(folder, *args, env=env)


def heads(aws: Aws) -> list[dict[str, Any]]:
    """The heads of all records in the log group."""
    events = [event.fields for event in aws.cloudwatch.events("runs/")]
    return [fields for fields in events if fields["event"] == "run_record"]


def has_requests(aws: Aws) -> bool:
    """Whether CloudWatch has metrics of requests, and not only of users."""
    return bool(aws.cloudwatch.series("RequestCount"))


def started(aws: Aws, locust: Locust, target: Target, *args: str) -> LocustRun:
    """A live test whose record is in CloudWatch Logs."""
    env = SHARED | {"GITHUB_ACTIONS": "true", "GITHUB_REF_NAME": "main", "GITHUB_SHA": "4b1d"}
    run = locust.start("paced.py", "--cw-live", "--host", target.url, "--cw-tag", "size=small", *args, env=env)
    wait_until(lambda: heads(aws), "the first record is in CloudWatch Logs")
    wait_until(lambda: has_requests(aws), "CloudWatch has requests")
    return run


@pytest.mark.long
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
    # As if three minutes had passed.
    for module in ("entry", "record"):
        monkeypatch.setattr(f"locust_cw._runs.{module}.STALE_S", 0)
    done = on_other_machine(aws, elsewhere, "runs", "--tag", "branch=main")
    assert (done.exit_code, done.err) == (0, "")
    assert f"{entry['run_id']}  " in done.out
    assert "  killed  " in done.out
    assert on_other_machine(aws, elsewhere, "runs", "--tag", "branch=other").out == "There are no such runs.\n"

    checked = on_other_machine(aws, elsewhere, "check", entry["run_id"], "p95 < 30s", "requests > 0", "--json")
    assert (checked.exit_code, checked.err) == (0, "")
    assert json.loads(checked.out)["verdict"] == "passed"
    # Too little of the run is known for a verdict.
    args = ("compare", entry["run_id"], entry["run_id"], "--json")
    compared = on_other_machine(aws, elsewhere, *args)
    assert (compared.exit_code, compared.err) == (0, "")
    assert json.loads(compared.out)["verdict"] == "undecided"
    on_other_machine(aws, elsewhere, "baseline", "set", entry["run_id"], "killed")
    (baseline,) = json.loads(on_other_machine(aws, elsewhere, "baseline", "list", "--json").out)
    assert (baseline["name"], baseline["run_id"]) == ("killed", entry["run_id"])
    report = on_other_machine(aws, elsewhere, "report", entry["run_id"], "--json")
    assert report.exit_code == 0, report.err
    # What was not delivered when the test was killed is in its spool, on the machine of the test.
    assert json.loads(report.out)["total"]["requests"] > 0
    page = ReportPage.read(elsewhere / f"report-{entry['run_id']}" / "report.html")
    page.check_self_contained()
    assert page.headings[0] == f"Load test {entry['run_id']} killed"
    assert any(note.startswith("The run was killed") for note in page.notes)
    verified = on_other_machine(aws, elsewhere, "verify", entry["run_id"])
    assert "- the run was killed" in verified.out


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


def test_a_log_group_of_the_class_infrequent_access_is_read_with_queries(
    aws: Aws, locust: Locust, target: Target, tmp_path: Path
) -> None:
    """It refuses GetLogEvents and FilterLogEvents."""
    locust.run("paced.py", "-t", "2s", "--host", target.url, env=SHARED)
    for operation in ("GetLogEvents", "FilterLogEvents"):
        aws.proxy.on(operation, error("InvalidOperationException", 400))
    (entry,) = json.loads(on_other_machine(aws, tmp_path / "elsewhere", "runs", "--json").out)
    assert (entry["state"], entry["checks"]) == ("finished", None)
    done = on_other_machine(aws, tmp_path / "elsewhere", "check", entry["run_id"], "requests > 0")
    assert (done.exit_code, done.err) == (0, "")
    unknown = on_other_machine(aws, tmp_path / "elsewhere", "check", "unknown", "requests > 0")
    assert unknown.exit_code == 1
    assert f"the log group {aws.cloudwatch.log_group} has no complete record of a run unknown" in unknown.err


def test_a_record_that_aws_refuses_is_one_warning_and_disturbs_nothing(
    aws: Aws, locust: Locust, target: Target, tmp_path: Path
) -> None:
    aws.proxy.on("CreateLogStream", _refuse_records)
    run = locust.run("paced.py", "-t", "2s", "--host", target.url, env=SHARED)
    run.receipt.check_delivered()
    (warning,) = run.logged_problems()
    assert "could not be written to CloudWatch Logs" in warning
    aws.proxy.on("DescribeLogStreams", error("AccessDeniedException", 400))
    listed = on_other_machine(aws, tmp_path / "elsewhere", "runs")
    assert listed.exit_code == 1
    assert "the runs of other machines could not be read" in listed.err
    assert listed.err.endswith("locust-cw runs --local\n")


def _refuse_records(exchange: Any) -> Any:
    if exchange.call.params["logStreamName"].startswith("runs/"):
        return error("AccessDeniedException", 400)(exchange)
    return exchange.forward(exchange.call)


def test_a_master_writes_the_record_of_its_fleet(aws: Aws, locust: Locust, target: Target, tmp_path: Path) -> None:
    """While the workers work, it has their requests and their series."""
    env: dict[str, str | None] = {"LOCUST_CW_RECORD": "cloudwatch"}
    fleet = Fleet(locust, "--cw-live", "--host", target.url, "-u4", "-r4", "-t", "10m", workers=2, worker_env=env)
    # On a busy machine, no worker has reported before the first record, and the next one follows a minute later.
    wait_until(lambda: any(head["requests"] for head in heads(aws)), "the record has requests", 150)
    wait_until(lambda: has_requests(aws), "CloudWatch has requests")
    for run in fleet.processes:
        run.signal(signal.SIGKILL)
        run.process.wait()
    head = heads(aws)[-1]
    done = on_other_machine(aws, tmp_path / "elsewhere", "report", head["run_id"], "--json")
    assert (done.exit_code, done.err) == (0, "")
    assert json.loads(done.out)["names"]
