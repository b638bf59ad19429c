"""The record of a `Publisher`, with which `locust-cw verify` and `report` work for a program without Locust."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from locust_cw import Publisher
from locust_cw._runs.record import NoRecordError, Record
from support.commands import run as run_command
from support.fixtures import Aws
from support.programs import HOST, run


def publisher(folder: Path, run_id: str = "mine", **options: Any) -> Publisher:
    return Publisher(host=HOST, run_id=run_id, dry_run=True, spool_dir=str(folder), **options)


def recorded(folder: Path, run_id: str = "mine") -> dict[str, Any]:
    return Record.read(run_id, str(folder)).receipt


def test_verify_and_report_read_the_run_of_a_publisher(aws: Aws, tmp_path: Path) -> None:
    """The program imports neither Locust nor gevent."""
    (modules,) = run(
        tmp_path,
        aws,
        """
        with Publisher(run_id="mine", **options) as publisher:
            for i in range(20):
                publisher.record("GET", "/a", i + 0.5, 10)
            publisher.record("POST", "/b", 5, exception=OSError("broken"))
        print(json.dumps([name for name in ("gevent", "locust") if name in sys.modules]))
        """,
    )
    assert modules == []
    verified = json.loads(run_command(tmp_path, "verify", "mine", "--json"))
    assert (verified["complete"], verified["equal"]) == (True, True)
    report = json.loads(run_command(tmp_path, "report", "mine", "--json"))
    assert report["total"]["requests"] == 21
    assert {row["name"]: (row["requests"], row["failures"]) for row in report["names"]} == {"/a": (20, 0), "/b": (1, 1)}
    assert report["saturation"]["state"] == "unknown"


def test_publishers_that_share_a_run_at_the_same_time_have_one_record(aws: Aws, tmp_path: Path) -> None:
    run(
        tmp_path,
        aws,
        """
        publishers = [Publisher(run_id="mine", worker=f"w{number}", **options) for number in range(4)]
        for publisher in publishers:
            publisher.record("GET", "/a", 1.0)
        closing = [threading.Thread(target=publisher.close) for publisher in publishers]
        [thread.start() for thread in closing]
        [thread.join() for thread in closing]
        """,
    )
    verified = json.loads(run_command(tmp_path, "verify", "mine", "--json"))
    assert verified["complete"]
    held = {(number["what"], number["of"]): number["held"] for number in verified["numbers"]}
    assert held["RequestCount", f"Host={HOST}"] == 4


def test_the_metrics_that_publishers_share_cost_once(tmp_path: Path) -> None:
    with publisher(tmp_path) as one, publisher(tmp_path) as other:
        one.record("GET", "/a", 1.0)
        other.record("GET", "/a", 1.0)
        other.record("GET", "/b", 1.0)
        receipts = [json.loads(each.close().json) for each in (one, other)]
    both = recorded(tmp_path)
    assert both["requests"]["observed"] == 3
    assert both["requests"]["spooled"] == 3
    costs = [receipt["estimated_cost_usd"] for receipt in receipts]
    assert max(costs) < both["estimated_cost_usd"] < sum(costs)
    series = {each["dimensions"].get("Request"): each["requests"] for each in Record.read("mine", str(tmp_path)).series}
    assert series == {"/a": 2, "/b": 1, None: 3}


def test_a_later_publisher_with_the_same_run_id_replaces_the_record(tmp_path: Path) -> None:
    for requests in (3, 1):
        with publisher(tmp_path) as one:
            for _ in range(requests):
                one.record("GET", "/a", 1.0)
    assert recorded(tmp_path)["requests"]["observed"] == 1


def test_publishers_with_different_destinations_have_no_common_record(tmp_path: Path) -> None:
    with publisher(tmp_path) as one, publisher(tmp_path, namespace="Other") as other:
        one.record("GET", "/a", 1.0)
        other.record("GET", "/a", 1.0)
    assert recorded(tmp_path)["requests"]["observed"] == 1


def test_the_record_is_in_the_spool_folder_after_a_change_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    with Publisher(host="http://user:secret@service.example", run_id="mine", dry_run=True, spool_dir="spool"):
        monkeypatch.chdir(tmp_path / "elsewhere")
    record = Record.read("mine", str(tmp_path / "spool"))
    assert record.host == HOST
    assert record.stopped is not None
    assert record.started <= record.stopped


def test_a_record_that_cannot_be_written_does_not_affect_the_receipt(tmp_path: Path) -> None:
    (tmp_path / ".records").write_text("not a folder")
    with publisher(tmp_path) as one:
        one.record("GET", "/a", 1.0)
        receipt = one.close()
    assert json.loads(receipt.json)["requests"]["observed"] == 1


def test_a_disabled_publisher_leaves_no_record(tmp_path: Path) -> None:
    with publisher(tmp_path, disable=True) as one:
        one.record("GET", "/a", 1.0)
    with pytest.raises(NoRecordError):
        recorded(tmp_path)
    assert list(tmp_path.iterdir()) == []
