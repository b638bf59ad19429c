"""`locust-cw baseline`: a name for a run, which other machines know by the log group."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from locust_cw._runs.shared_baselines import STREAM
from support.fixtures import Aws
from support.in_process import Done, command
from support.proxy import error, passing
from support.recorded_runs import machine, recorded_run

RUN, LATER = "20261122T110301Z-7f3a", "20261122T120301Z-0001"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A machine with the records of two runs."""
    folder = tmp_path / "here"
    for run_id in (RUN, LATER):
        recorded_run(folder / "spool", run_id, seconds=20)
    return folder


@pytest.fixture
def group(aws: Aws) -> str:
    """The log group, which a test has created."""
    aws.cloudwatch.logs.create_log_group(logGroupName=aws.cloudwatch.log_group)
    return aws.cloudwatch.log_group


def baseline(aws: Aws, folder: Path, *args: str, **env: str) -> Done:
    return command(folder, "baseline", *args, env=machine(aws, folder) | env)


def listed(aws: Aws, folder: Path, *args: str) -> dict[str, Any]:
    """The run of each baseline that a machine knows."""
    done = baseline(aws, folder, "list", "--json", *args)
    assert (done.exit_code, done.err) == (0, "")
    return {each["name"]: each["run_id"] for each in json.loads(done.out)}


@pytest.mark.usefixtures("group")
def test_other_machines_know_a_baseline_and_its_run(aws: Aws, here: Path, tmp_path: Path) -> None:
    """Also if the run did not log to CloudWatch Logs, because its record is written with the baseline."""
    elsewhere = tmp_path / "elsewhere"
    done = baseline(aws, here, "set", RUN)
    assert (done.exit_code, done.err) == (0, "")
    assert done.out.startswith(f"The baseline default is run {RUN} of 20")
    assert ": 400 requests, p95 1" in done.out
    assert baseline(aws, here, "set", LATER, "feature/ü x").exit_code == 0
    assert listed(aws, here) == listed(aws, elsewhere) == {"default": RUN, "feature/ü x": LATER}
    checked = command(elsewhere, "check", RUN, "requests == 400", env=machine(aws, elsewhere))
    assert (checked.exit_code, checked.err) == (0, "")
    text = baseline(aws, elsewhere, "list").out.splitlines()
    assert text[0].split() == ["run", "set", "known", "to", "name"]
    assert [line.split("  ")[-1] for line in text[1:]] == ["default", "feature/ü x"]
    assert all("  all machines  " in line for line in text[1:])


@pytest.mark.usefixtures("group")
def test_the_newest_entry_counts_on_all_machines(aws: Aws, here: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    recorded_run(elsewhere / "spool", "ci-17", seconds=20)
    assert baseline(aws, here, "set", RUN, "main").exit_code == 0
    assert baseline(aws, elsewhere, "set", "ci-17", "main").exit_code == 0
    assert listed(aws, here) == listed(aws, elsewhere) == {"main": "ci-17"}
    # Moved to a run of another machine.
    assert baseline(aws, elsewhere, "set", RUN, "main").exit_code == 0
    assert listed(aws, here) == {"main": RUN}
    assert json.loads(baseline(aws, elsewhere, "remove", "main", "--json").out) == {"name": "main", "removed": True}
    assert listed(aws, here) == listed(aws, elsewhere) == {}
    gone = baseline(aws, here, "remove", "main")
    assert gone.exit_code == 1
    assert "there is no baseline main: 'locust-cw baseline list' lists all" in gone.err
    assert baseline(aws, here, "list").out == "There are no baselines.\n"
    assert baseline(aws, here, "set", RUN, "main").exit_code == 0
    assert listed(aws, elsewhere) == {"main": RUN}


@pytest.mark.usefixtures("group")
def test_a_local_baseline_calls_no_aws_and_takes_precedence_here(aws: Aws, here: Path, tmp_path: Path) -> None:
    assert baseline(aws, here, "set", RUN, "main").exit_code == 0
    before = len(aws.proxy.calls())
    done = baseline(aws, here, "set", LATER, "main", "--local", "--json")
    assert (done.exit_code, done.err) == (0, "")
    assert {**json.loads(done.out), "set": 0} == {"name": "main", "run_id": LATER, "set": 0, "local": True}
    assert listed(aws, here, "--local") == {"main": LATER}
    assert len(aws.proxy.calls()) == before
    assert listed(aws, here) == {"main": LATER}
    assert listed(aws, tmp_path / "elsewhere") == {"main": RUN}
    assert "this machine" in baseline(aws, here, "list").out
    # Without it, the one of all machines counts again.
    assert baseline(aws, here, "remove", "main", "--local").out == "Removed the baseline main.\n"
    assert listed(aws, here) == {"main": RUN}


def test_without_a_log_group_only_this_machine_can_have_a_baseline(aws: Aws, here: Path) -> None:
    refused = baseline(aws, here, "set", RUN, "main")
    assert refused.exit_code == 1
    assert f"there is no log group {aws.cloudwatch.log_group} in this account and Region" in refused.err
    assert "--local" in refused.err
    assert listed(aws, here) == {}
    assert baseline(aws, here, "set", RUN, "main", "--local").exit_code == 0
    assert listed(aws, here) == {"main": RUN}


@pytest.mark.usefixtures("group")
def test_a_missing_permission_is_an_error_and_changes_nothing(aws: Aws, here: Path) -> None:
    refuse = error("AccessDeniedException", 400, "not authorized to perform: logs:PutLogEvents")
    aws.proxy.on("PutLogEvents", refuse)
    done = baseline(aws, here, "set", RUN, "main")
    assert done.exit_code == 1
    assert "the baselines in CloudWatch Logs could not be read or written: " in done.err
    assert "logs:PutLogEvents" in done.err
    assert done.err.endswith("add --local\n")
    aws.proxy.on("PutLogEvents", passing)
    assert listed(aws, here) == {}
    assert baseline(aws, here, "set", RUN, "main").exit_code == 0
    aws.proxy.on("GetLogEvents", error("AccessDeniedException", 400))
    done = baseline(aws, here, "list")
    # Those that this machine has set are listed.
    assert done.exit_code == 1
    assert done.out.endswith("  all machines  main\n")
    assert "could not be read or written" in done.err


@pytest.mark.usefixtures("group")
def test_a_log_group_of_the_class_infrequent_access_is_read_with_queries(aws: Aws, here: Path, tmp_path: Path) -> None:
    baseline(aws, here, "set", RUN, "main")
    baseline(aws, here, "set", LATER, "main")
    aws.proxy.on("GetLogEvents", error("InvalidOperationException", 400))
    assert listed(aws, tmp_path / "elsewhere") == {"main": LATER}


@pytest.mark.usefixtures("group")
def test_foreign_and_damaged_events_are_ignored(aws: Aws, here: Path) -> None:
    baseline(aws, here, "set", RUN, "main")
    (event,) = aws.cloudwatch.events(STREAM)
    messages = ["", "{", "[]", '{"event":"baseline"}', '{"event":"baseline","name":"x","run_id":"a b","time":1}']
    messages += [json.dumps(event.fields | {"event": "other", "run_id": LATER})]
    stamped = [
        {"timestamp": event.timestamp + 1 + number, "message": text or " "} for number, text in enumerate(messages)
    ]
    aws.cloudwatch.logs.put_log_events(logGroupName=aws.cloudwatch.log_group, logStreamName=STREAM, logEvents=stamped)
    assert listed(aws, here) == {"main": RUN}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("set",), "the command is: locust-cw baseline set RUN [NAME]"),
        (("set", RUN, "a", "b"), "the command is: locust-cw baseline set RUN [NAME]"),
        (("remove",), "the command is: locust-cw baseline remove NAME"),
        (("list", "x"), "the command is: locust-cw baseline list"),
        (("set", RUN, ""), "argument --name: must not be empty"),
        (("set", RUN, LATER), f"{LATER} is a run ID, and not a name"),
        (("remove", "a\nb"), "has a character that cannot be shown"),
        (("move", RUN), "invalid choice: 'move'"),
    ],
)
def test_a_wrong_argument_sets_exit_code_2(aws: Aws, here: Path, args: tuple[str, ...], words: str) -> None:
    done = baseline(aws, here, *args)
    assert (done.exit_code, done.out) == (2, "")
    assert words in done.err


@pytest.mark.usefixtures("group")
def test_a_run_that_is_not_known_or_has_not_ended_cannot_be_a_baseline(aws: Aws, here: Path) -> None:
    unknown = baseline(aws, here, "set", "unknown")
    assert unknown.exit_code == 1
    assert "there is no record of a run unknown" in unknown.err
    recorded_run(here / "spool", "young", seconds=20, stopped=False, age_s=60)
    running = baseline(aws, here, "set", "young")
    assert running.exit_code == 1
    assert "the run young has not ended: set the baseline when it has" in running.err
    # A test that was killed has numbers up to its last minute.
    recorded_run(here / "spool", "killed", seconds=20, stopped=False)
    assert baseline(aws, here, "set", "killed").exit_code == 0


@pytest.mark.parametrize("option", ["DISABLE", "DRY_RUN"])
@pytest.mark.usefixtures("group")
def test_an_opt_out_writes_nothing_to_aws(aws: Aws, here: Path, option: str) -> None:
    refused = baseline(aws, here, "set", RUN, **{f"LOCUST_CW_{option}": "true"})
    assert refused.exit_code == 1
    assert f"the baseline was not changed, because LOCUST_CW_{option} is set" in refused.err
    assert baseline(aws, here, "set", RUN, "--local", **{f"LOCUST_CW_{option}": "true"}).exit_code == 0
    assert not aws.proxy.calls("PutLogEvents")
