"""Records of runs: their text, their log events, their entries in the list, and tags."""

from __future__ import annotations

import json
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from locust_cw import _core
from locust_cw._runs.entry import Entry
from locust_cw._runs.fleet_series import series_of
from locust_cw._runs.neighbours import neighbours
from locust_cw._runs.record import NoRecordError, Record
from locust_cw._runs.record_events import PART_BYTES, Assembler, batches_of, events_of
from locust_cw._runs.tags import parse_tags, tags_of_pipeline, tags_of_run

HOST = "http://shop.test"
STARTED = 1.8e9
COUNTS = {"observed": 7, "delivered": 7, "spooled": 0, "rejected": 0, "dropped": 0}
RECEIPT: dict[str, Any] = {"requests": COUNTS, "failures": COUNTS, "log_events": COUNTS, "uncertain": 0}


def summary_of(names: int, blocks: int, folder: Path) -> _core.Summary:
    """The summary of a run with this many names, and with requests in this many minutes."""
    publisher = _core.Publisher(
        {"dry_run": True, "spool_dir": str(folder)}, run_id="r", worker="w", host=HOST, measured_from=STARTED
    )
    randomness = random.Random(7)
    for block in range(blocks):
        for name in range(names):
            ms = randomness.lognormvariate(5, 0.8)
            publisher.record("GET", f"/{name}", ms, 10, start_time=STARTED + block * 60 + 30 - ms / 1000)
    publisher.finish()
    return publisher.statistics.summary()


def record(**fields: Any) -> Record:
    return Record("r", {"namespace": "Shop"}, STARTED, receipt=RECEIPT, **fields)


def assembled(events: list[dict[str, Any]]) -> str | None:
    assembler = Assembler()
    assembler.add(events)
    return assembler.text()


# The text.


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    summary = summary_of(3, 2, tmp_path).to_json()
    written = replace(record(summary=summary, tags={"branch": "main"}), options={"spool_dir": str(tmp_path)})
    written.write()
    assert Record.read("r", str(tmp_path)) == written
    head = Record.read("r", str(tmp_path), with_summary=False)
    assert head == replace(written, summary="")
    # Other programs can read the file as JSON.
    file = tmp_path / ".records" / "r.json"
    assert json.loads(file.read_text())["summary"] == json.loads(summary)
    assert file.stat().st_mode & 0o077 == 0


def test_a_record_of_an_older_version_is_read(tmp_path: Path) -> None:
    """It was one line of JSON, or indented, without the new fields."""
    summary = json.loads(summary_of(1, 1, tmp_path).to_json())
    old = {"run_id": "r", "options": {}, "started": STARTED, "stopped": STARTED + 9, "receipt": RECEIPT}
    for text in (json.dumps(old | {"summary": summary}), json.dumps(old | {"summary": summary}, indent=2)):
        found = Record.from_text(text, "here")
        assert (found.stopped, found.updated, found.tags) == (STARTED + 9, None, {})
        assert found.load_summary().requests([])[0].name == "/0"
    with pytest.raises(NoRecordError, match="has no summary"):
        Record.from_text(json.dumps(old), "here").load_summary()


def test_a_record_of_a_newer_version_is_read_as_far_as_it_is_known() -> None:
    text = record().to_text().replace('"format": 2', '"format": 3, "colour": "blue"')
    assert Record.from_text(text, "here") == record()


def test_neighbours_are_found_without_their_summaries(tmp_path: Path) -> None:
    series = [{"dimensions": {"Host": HOST}, "requests": 7, "failures": 0}]
    options = {"spool_dir": str(tmp_path)}
    one = Record("one", options, STARTED, series=series, receipt=RECEIPT)
    one.write()
    Record("other", options, STARTED, series=series, receipt=RECEIPT, summary='{"not": "read"').write()
    assert [(each.run_id, each.summary) for each in neighbours(one)] == [("other", "")]


def test_the_end_of_a_killed_run_is_the_last_update() -> None:
    now = time.time()
    assert record(stopped=STARTED + 5, updated=STARTED + 9).end(now) == STARTED + 5
    assert record(updated=now - 200).end(now) == now - 200
    assert record(updated=now - 20).end(now) == now


# The log events.


def test_a_large_record_is_divided_and_assembled_from_any_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """200 names and 8 hours."""
    written = record(summary=summary_of(200, 480, tmp_path).to_json())
    monkeypatch.setattr("locust_cw._runs.record_events.PART_BYTES", PART_BYTES // 10)
    events = events_of(written, "update", 1_800_000_000_000)
    assert len(events) > 2
    assert all(len(event["message"]) < PART_BYTES // 10 + 1000 for event in events)
    assert [event for batch in batches_of(events) for event in batch] == events
    assert all(sum(len(event["message"]) for event in batch) < 1_000_000 for batch in batches_of(events))
    random.Random(3).shuffle(events)
    text = assembled(events)
    assert text is not None
    assert Record.from_text(text, "here") == written


def test_the_newest_complete_update_counts() -> None:
    updates = [
        events_of(record(updated=STARTED + second), "update", round(STARTED + second) * 1000) for second in range(3)
    ]
    newest = assembled([event for update in updates for event in update])
    assert newest is not None
    assert Record.from_text(newest, "here").updated == STARTED + 2
    # A part of the last update is missing.
    without_part = assembled([*updates[0], *updates[1], *updates[2][1:]])
    assert without_part is not None
    assert Record.from_text(without_part, "here").updated == STARTED + 1
    assert assembled(updates[0][1:]) is None


@pytest.mark.parametrize("change", ['"data":"AAAA"', '"data":"%"', '"data":5', '"part":1', '"part":null'], ids=str)
def test_a_damaged_part_is_noticed(change: str) -> None:
    part, head = events_of(record(), "end", 1_800_000_000_000)
    fields = json.loads(part["message"]) | json.loads(f"{{{change}}}")
    assert assembled([part | {"message": json.dumps(fields)}, head]) is None


@pytest.mark.parametrize(
    "message", ["", "[]", "5", "{}", '{"event":"run_record"}', '{"event":"run_record","sha256":"x"}']
)
def test_other_events_of_the_stream_are_left_out(message: str) -> None:
    events = events_of(record(), "end", 1_800_000_000_000)
    assert assembled([{"timestamp": 1_900_000_000_000, "message": message}, *events]) == record().to_text()


def test_a_shared_record_has_no_secrets() -> None:
    url = "http://u:CANARY@aws.test/?k=CANARY"
    options = {"external_id": "CANARY", "spool_dir": "/home/CANARY", "endpoint_url": url}
    destination = {"cloudwatch_url": url, "logs_url": url, "region": "r"}
    shared = replace(record(), options=options, destination=destination).for_other_machines()
    assert "CANARY" not in shared.to_text()
    assert shared.options["endpoint_url"] == "http://aws.test/"
    assert shared.destination == {"cloudwatch_url": "http://aws.test/", "logs_url": "http://aws.test/", "region": "r"}


# The list.


def test_an_entry_is_read_as_it_was_written() -> None:
    entry = Entry.of(record(tags={"a": "b"}, users=5, p95_ms=212.5, updated=1.7e9))
    assert Entry.from_fields(json.loads(json.dumps(entry.as_fields())) | {"newer": 1}) == entry
    assert (entry.requests, entry.failures, entry.checks, entry.state(time.time())) == (7, 7, None, "killed")


@pytest.mark.parametrize(
    "change",
    [{"started": "x"}, {"started": 1e300}, {"tags": {"a": 5}}, {"run_id": 5}, {"checks": "x"}, {"users": "x"}],
    ids=str,
)
def test_an_invalid_entry_is_left_out(change: dict[str, Any]) -> None:
    fields = Entry.of(record()).as_fields()
    assert Entry.from_fields(fields | change) is None
    assert Entry.from_fields({"run_id": "r"}) is None


# Series of a fleet.


def test_the_series_of_a_fleet_follow_from_its_summary(tmp_path: Path) -> None:
    options = _core.default_options() | {"run_id": "r", "dimension": ["Stage=perf"], "dimensions": "Host,Request,RunId"}
    summary = summary_of(2, 3, tmp_path)
    found = {tuple(each["dimensions"].items()): each["requests"] for each in series_of(summary, HOST, options)}
    shared = (("Host", HOST), ("Stage", "perf"))
    assert found == {
        shared: 6,
        (*shared, ("Request", "/0"), ("RunId", "r")): 3,
        (*shared, ("Request", "/1"), ("RunId", "r")): 3,
    }
    assert series_of(summary, None, options) == []


# Tags.

SYSTEMS: dict[str, dict[str, str]] = {
    "GitHub Actions": {
        "GITHUB_ACTIONS": "true",
        "GITHUB_REF_NAME": "main",
        "GITHUB_SHA": "4b1d",
        "GITHUB_REPOSITORY": "shop/api",
        "GITHUB_SERVER_URL": "https://ci.test",
        "GITHUB_RUN_ID": "17",
    },
    "GitLab CI/CD": {
        "GITLAB_CI": "true",
        "CI_COMMIT_REF_NAME": "main",
        "CI_COMMIT_SHA": "4b1d",
        "CI_PROJECT_PATH": "shop/api",
        "CI_PIPELINE_URL": "https://ci.test/shop/api/-/pipelines/17",
    },
    "CodeBuild": {
        "CODEBUILD_BUILD_ID": "shop:17",
        "CODEBUILD_WEBHOOK_HEAD_REF": "refs/heads/main",
        "CODEBUILD_RESOLVED_SOURCE_VERSION": "4b1d",
        "CODEBUILD_SOURCE_REPO_URL": "https://user:CANARY@ci.test/shop/api?token=CANARY",
    },
    "Bitbucket": {
        "BITBUCKET_BUILD_NUMBER": "17",
        "BITBUCKET_BRANCH": "main",
        "BITBUCKET_COMMIT": "4b1d",
        "BITBUCKET_REPO_FULL_NAME": "shop/api",
        "BITBUCKET_GIT_HTTP_ORIGIN": "https://x:CANARY@ci.test/shop/api",
    },
    "Jenkins": {
        "JENKINS_URL": "https://ci.test/",
        "GIT_BRANCH": "origin/main",
        "GIT_COMMIT": "4b1d",
        "GIT_URL": "https://x:CANARY@ci.test/shop/api",
        "BUILD_URL": "https://ci.test/job/17/",
    },
}


@pytest.mark.parametrize("variables", SYSTEMS.values(), ids=SYSTEMS)
def test_the_variables_of_a_pipeline_become_tags(variables: dict[str, str]) -> None:
    found = tags_of_pipeline(variables | {"GITHUB_TOKEN": "CANARY", "CI_JOB_TOKEN": "CANARY", "PASSWORD": "CANARY"})
    assert (found["branch"], found["commit"]) == ("main", "4b1d")
    assert found["repository"].endswith("shop/api")
    assert "17" in found["pipeline"]
    assert "CANARY" not in json.dumps(found)


def test_given_tags_take_precedence_over_those_of_a_pipeline() -> None:
    found = tags_of_run(["branch=mine", "size=a=b"], SYSTEMS["GitHub Actions"])
    assert (found["branch"], found["size"], found["commit"]) == ("mine", "a=b", "4b1d")
    assert tags_of_run(None, {}) == {}


@pytest.mark.parametrize("tag", ["", "=", "=x", "name", "n" * 129 + "=x", "n=" + "x" * 257])
def test_a_malformed_tag_is_refused(tag: str) -> None:
    with pytest.raises(_core.InvalidOptionError, match="--cw-tag"):
        parse_tags([tag])
