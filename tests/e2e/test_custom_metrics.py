"""`locust_cw.gauge`, `count` and `mark` in tasks and hooks: in one process, and in fleets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.dashboards import lines, stored
from support.fixtures import Aws, Locust
from support.fleet import Fleet

HOST = "http://shop.test"
USERS, ROUNDS, TOKENS = 4, 20, 3
LOAD = ["-u", str(USERS), "-r", "100", "--host", HOST]
LIVE = ["--cw-live", "--cw-record", "local"]
INVALID_PER_ROUND = 4
MARKS = ["deploy began", "deploy ended, see http://ci.test/?token=..."]


def record_in(folder: Path) -> dict[str, Any]:
    [path] = folder.rglob(".records/*.json")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def marks_logged(aws: Aws) -> list[str]:
    return sorted(event.fields["text"] for event in aws.cloudwatch.events() if event.is_event("mark"))


def check_sums(aws: Aws) -> None:
    """CloudWatch has what the tasks of all processes counted."""
    assert aws.cloudwatch.sum("tokens", Host=HOST, model="small") == USERS * ROUNDS * TOKENS
    assert aws.cloudwatch.sum("orders", Host=HOST) == USERS * ROUNDS
    assert {metric for metric in ("early", "주문") if aws.cloudwatch.series(metric)} == set()


@pytest.mark.parametrize("how", [LIVE, LIVE[1:]], ids=["live", "at the end"])
def test_a_test_in_one_process(aws: Aws, locust: Locust, how: list[str]) -> None:
    """Sums, values and marks arrive; invalid ones are logged once per kind, and disturb no task."""
    run = locust.run("measuring.py", *LOAD, *how, "-t", "30s")
    receipt = run.receipt.check_delivered()
    check_sums(aws)
    depth = aws.cloudwatch.statistics("queue_depth", Host=HOST, pool="web")
    assert (depth.count, depth.min, depth.max, depth.sum) == (USERS, 10, 40, 100)
    assert marks_logged(aws) == MARKS
    record = record_in(run.folder)
    assert [text for _, text in record["marks"]] == MARKS
    assert record["started"] - 1 <= record["marks"][0][0] <= record["stopped"]
    assert receipt["user_errors"] == 0
    assert run.err.count("locust-cw ignores a custom metric or mark: ") == INVALID_PER_ROUND
    assert f"{USERS * ROUNDS * INVALID_PER_ROUND:,} values of custom metrics or marks were ignored" in run.err


@pytest.mark.parametrize("processes", ["2"])
def test_processes_of_one_program(aws: Aws, locust: Locust, processes: str) -> None:
    run = locust.run("measuring.py", *LOAD, *LIVE, "-t", "6s", "--processes", processes, new_interpreter=True)
    run.receipt.check_delivered()
    check_sums(aws)
    # The hook of the start runs in the master and in each worker.
    assert marks_logged(aws) == ["deploy began"] * 3 + MARKS[1:]
    assert [text for _, text in record_in(run.folder)["marks"]] == MARKS


def test_a_master_and_two_workers(aws: Aws, locust: Locust) -> None:
    """Counts add up, and a gauge keeps the values of each process."""
    fleet = Fleet(locust, *LIVE, *LOAD, "-t", "6s", locustfile="measuring.py", workers=2)
    fleet.wait()
    fleet.master.receipt.check_delivered()
    check_sums(aws)
    depth = aws.cloudwatch.statistics("queue_depth", Host=HOST, pool="web")
    # Two users in each worker: 10 and 20.
    assert (depth.count, depth.min, depth.max, depth.sum) == (USERS, 10, 20, 60)
    assert marks_logged(aws) == ["deploy began"] * 3 + MARKS[1:]
    assert [text for _, text in record_in(fleet.master.folder)["marks"]] == MARKS


@pytest.mark.parametrize("workers", [0, 2], ids=["one process", "fleet"])
def test_the_dashboard_has_marks_and_custom_metrics_of_all_processes(aws: Aws, locust: Locust, workers: int) -> None:
    options = [*LIVE, *LOAD, "--cw-dashboard"]
    if workers:
        Fleet(locust, *options, "-t", "5s", locustfile="measuring.py", workers=workers).wait()
    else:
        locust.run("measuring.py", *options, "-t", "30s")
    body = stored(aws, aws.cloudwatch.namespace)
    drawn = [line.partition(" mark: ")[2] for line in lines(body) if " mark: " in line]
    assert drawn == MARKS
    shown = json.dumps(body)
    assert all(f"Custom metric {name}" in shown for name in ("orders", "queue_depth", "tokens"))


def test_a_master_that_publishes_has_what_its_workers_record(aws: Aws, locust: Locust) -> None:
    """The workers make no calls. A mark that all processes make at once is one log event, of the master."""
    options = [*LIVE, *LOAD, "-t", "6s", "--cw-source=master", "--cw-dashboard"]
    fleet = Fleet(locust, *options, locustfile="measuring.py", workers=2)
    fleet.wait()
    fleet.master.receipt.check_delivered()
    check_sums(aws)
    depth = aws.cloudwatch.statistics("queue_depth", Host=HOST, pool="web")
    # Two users in each worker: 10 and 20.
    assert (depth.count, depth.min, depth.max, depth.sum) == (USERS, 10, 20, 60)
    assert marks_logged(aws) == MARKS
    record = record_in(fleet.master.folder)
    assert [text for _, text in record["marks"]] == MARKS
    assert {metric["name"] for metric in record["custom_metrics"]} == {"orders", "queue_depth", "tokens"}
    drawn = [line.partition(" mark: ")[2] for line in lines(stored(aws, aws.cloudwatch.namespace)) if " mark: " in line]
    assert drawn == MARKS
    for worker in fleet.workers:
        assert worker.err.count("locust-cw ignores a custom metric or mark: ") == INVALID_PER_ROUND
        assert not list(worker.folder.rglob("*.json"))
    assert f"{USERS * ROUNDS * INVALID_PER_ROUND:,} values of custom metrics or marks were ignored" in fleet.master.err


@pytest.mark.parametrize(
    "option", [["--cw-disable"], ["--cw-dry-run"], ["--cw-logs", "off"]], ids=["disabled", "dry run", "no logs"]
)
def test_without_publishing_nothing_is_disturbed(aws: Aws, locust: Locust, option: list[str]) -> None:
    run = locust.run("measuring.py", *LOAD, *LIVE, *option, "-t", "30s")
    assert run.exit_code == 0
    assert not marks_logged(aws)
    records = [json.loads(path.read_text(encoding="utf-8")) for path in run.folder.rglob(".records/*.json")]
    assert [[text for _, text in record["marks"]] for record in records] == [MARKS] * (option != ["--cw-disable"])
    assert bool(aws.cloudwatch.series("tokens")) == (option == ["--cw-logs", "off"])
