"""Compact log events: nothing is lost, and everything that reads events understands them next to full ones."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from locust_cw import Publisher
from support.cloudwatch import LogEvent
from support.commands import run as command
from support.fixtures import Aws, Locust
from support.fleet import HOST, Fleet
from support.locust_run import LocustRun
from support.scripted import HOST as SCRIPTED_HOST
from support.scripted import play
from support.servers import REGION, wait_until

LIVE = ("--cw-live", "--cw-flush-interval=1")
REPEATED = {"time", "run_id", "worker", "host"}


def own_host_in(events: list[LogEvent]) -> str:
    """The host of a stream. Requests of compact events have it until an event of the life cycle has it."""
    events = sorted(events, key=lambda event: event.fields["seq"])
    first = next(number for number, event in enumerate(events) if not event.is_request)
    host = str(events[first].fields["host"])
    assert all(event.fields["host"] == host for event in events[:first])
    assert all("host" not in event.fields for event in events[first:] if event.is_request)
    return host


def test_a_compact_event_leaves_out_only_what_is_said_elsewhere(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    """Stream, timestamp and `test_start` have it. Events of the life cycle have all fields."""
    same = []
    for log_fields in ("full", "compact"):
        receipt = play(locust, tmp_path, f"--cw-log-fields={log_fields}").receipt.check_delivered()
        events = aws.cloudwatch.events(f"load-generator/{receipt['run_id']}/")
        (start,) = (event.fields for event in events if event.is_event("test_start"))
        requests = [event for event in events if event.is_request]
        assert all(event.fields.keys() > REPEATED for event in events if event not in requests)
        for event in requests:
            assert event.stream.endswith(f"/{start['run_id']}/{start['worker']}")
            if log_fields == "compact":
                assert event.fields.keys() & REPEATED <= {"host"}
                assert 0 < event.fields.get("time_us", 1) < 1000
            else:
                assert event.fields.keys() > REPEATED
                assert "time_us" not in event.fields
        if log_fields == "compact":
            assert own_host_in(events) == SCRIPTED_HOST
        passing = REPEATED | {"time_us", "seq"}
        same.append(Counter(json.dumps({k: v for k, v in e.fields.items() if k not in passing}) for e in requests))
    assert same[0] == same[1]
    assert same[0].total() == 45


def test_a_fleet_with_compact_events_is_read_by_all_commands(aws: Aws, locust: Locust) -> None:
    """The same log group has the full events of another fleet."""
    fleets = {}
    for log_fields in ("full", "compact"):
        # CloudWatch adds up the metrics of two runs in the same second.
        own = (f"--cw-namespace={aws.cloudwatch.namespace}-{log_fields}", f"--cw-log-fields={log_fields}")
        fleet = Fleet(locust, *LIVE, "-u", "4", "-r", "4", "--host", HOST, *own)
        fleet.wait_for(100)
        fleet.master.signal(signal.SIGTERM)
        fleet.wait()
        fleets[log_fields] = fleet
    for log_fields, fleet in fleets.items():
        receipt = fleet.master.receipt.check_delivered()
        events = aws.cloudwatch.events(f"load-generator/{receipt['run_id']}/")
        assert len(events) == receipt["log_events"]["observed"]
        requests = [event for event in events if event.is_request]
        assert all(("worker" in event.fields) == (log_fields == "full") for event in requests)
        # Stream and number identify an event, and the stream is that of the worker.
        assert len({(event.stream, event.fields["seq"]) for event in events}) == len(events)
        fired = {journal.client_id: len(journal.of("fired")) for journal in fleet.journals}
        assert Counter(event.stream.rsplit("/", 1)[1] for event in requests) == fired
        if log_fields == "compact":
            streams = {event.stream for event in requests}
            assert {own_host_in([each for each in events if each.stream == stream]) for stream in streams} == {HOST}
        check_commands(fleet.master)
        check_query(aws, receipt["run_id"], events)


def check_commands(run: LocustRun) -> None:
    """`verify` compares each name, `report` and `check` have the requests of the run."""
    receipt = run.receipt
    requests, failures = (receipt[group]["observed"] for group in ("requests", "failures"))
    run_id = str(receipt["run_id"])
    result = json.loads(command(run.folder, "verify", run_id, "--json"))
    held = Counter[str]()
    for each in result["numbers"]:
        held[each["what"]] += each["held"]
    assert result["equal"]
    assert (held["logged success"], held["logged failure"]) == (requests - failures, failures)
    report = json.loads(command(run.folder, "report", run_id, "--json", "--out", str(run.folder / "report")))
    assert report["run_id"] == run_id
    judged = json.loads(command(run.folder, "check", run_id, "requests > 50", "--json"))
    assert judged["verdict"] == "passed"


def check_query(aws: Aws, run_id: str, events: list[LogEvent]) -> None:
    """The documented query selects the events of one run."""
    started = aws.cloudwatch.logs.start_query(
        logGroupName=aws.cloudwatch.log_group,
        queryString=f"fields @message | filter @logStream like /{run_id}/ | limit 10000",
        startTime=int(time.time()) - 3600,
        endTime=int(time.time()) + 60,
    )

    def rows() -> list[list[dict[str, str]]] | None:
        answer = aws.cloudwatch.logs.get_query_results(queryId=started["queryId"])
        found: list[list[dict[str, str]]] = answer["results"]
        return found if answer["status"] == "Complete" else None

    messages = Counter(each["value"] for row in wait_until(rows, "the query ends") or [] for each in row)
    assert Counter(event.message for event in events) <= messages
    assert not any('"outcome"' in message for message in messages - Counter(event.message for event in events))


def test_events_of_a_program_have_the_host_until_an_event_of_its_own_has_it(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program without Locust has no event `test_start`."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with Publisher(
        **aws.in_python, region=REGION, host=HOST, log_fields="compact", spool_dir=str(tmp_path)
    ) as publisher:
        publisher.record("GET", "/before", 5)
        assert publisher.flush()
        publisher.event("deploy")
        assert publisher.flush()
        publisher.record("GET", "/after", 5)
        publisher.record("GET", "/elsewhere", 5, url="https://pay.example/card")
    hosts = {event.fields.get("name"): event.fields.get("host") for event in aws.cloudwatch.events()}
    assert hosts == {"/before": HOST, None: HOST, "/after": None, "/elsewhere": "https://pay.example"}
