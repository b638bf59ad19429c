"""The listener of Locust's `request` event: what it reads of a request, and when."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import weakref
from pathlib import Path
from typing import Any

import pytest

from locust_cw import _core

HOST = "http://service.example"


class Recorded:
    """Log events and summary of a run without AWS."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self._folder = folder
        self.publisher = _core.Publisher(
            {"spool_dir": str(folder), "dry_run": True, **options}, run_id=_core.new_run_id(), worker="w", host=HOST
        )
        self.listener = self.publisher.request_listener()

    def events(self) -> list[dict[str, Any]]:
        """End the run, and return the events of its requests."""
        self.publisher.seal()
        while not self.publisher.progress().over:
            time.sleep(0.01)
        self.publisher.finish()
        events = [json.loads(line["message"]) for line in self.lines()]
        return [{**event, "time": None, "run_id": None} for event in events if "outcome" in event]

    def lines(self) -> list[dict[str, Any]]:
        """The log events in the spool."""
        files = sorted(self._folder.rglob("*-logs.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


class Watched:
    """A response that counts how often its status is read."""

    def __init__(self) -> None:
        self.reads = 0

    @property
    def status_code(self) -> int:
        self.reads += 1
        return 201


def request(**changes: Any) -> dict[str, Any]:
    """The keywords of the event, as `FastHttpUser` passes them."""
    return {
        "request_type": "GET",
        "name": "/a",
        "context": {},
        "response": None,
        "exception": None,
        "start_time": time.time() - 1,
        "url": f"{HOST}/a",
        "response_length": 6_000,
        "response_time": 12.5,
        **changes,
    }


def test_the_listener_records_what_the_method_does(tmp_path: Path) -> None:
    requests = [
        request(),
        request(response=Watched(), context={"user": 7}),
        request(exception=OSError("broken"), url="http://other.example/x?id=1"),
        request(status=404, response_time=None, another_argument=object()),
        {"request_type": "WS", "name": "connect"},
        # The names are other objects than those that Python interns.
        json.loads(json.dumps(request())),
        {},
    ]
    by_listener, by_method = Recorded(tmp_path / "listener"), Recorded(tmp_path / "method")
    for each in requests:
        by_listener.listener(**each)
        by_method.publisher.record(**each)
    events = by_listener.events()
    assert len(events) == len(requests)
    assert events == by_method.events()


@pytest.mark.parametrize(("logs", "reads"), [("all", 1), ("failures", 0), ("off", 0)])
def test_the_status_of_a_success_is_read_only_for_its_log_event(tmp_path: Path, logs: str, reads: int) -> None:
    """The first requests are the slowest so far, which a report may name: each later one is faster."""
    recorded = Recorded(tmp_path, logs=logs)
    for _ in range(10):
        recorded.listener(**request(response_time=100.0))
    wait_for(recorded, 10)
    success, slow, failed = Watched(), Watched(), Watched()
    recorded.listener(**request(response=success))
    recorded.listener(**request(response=slow, response_time=200.0))
    recorded.listener(**request(response=failed, exception=OSError("broken")))
    assert (success.reads, slow.reads, failed.reads) == (reads, 1, 1)


def test_a_response_is_not_kept_and_a_context_is_read_at_once(tmp_path: Path) -> None:
    """A response may hold a connection, and a user may go on to change the entries of a context."""
    recorded = Recorded(tmp_path)
    response, context = Watched(), {"step": 1}
    gone = weakref.ref(response)
    recorded.listener(**request(response=response))
    del response
    assert gone() is None
    recorded.listener(**request(context=context))
    context["step"] = 2
    first, second = recorded.events()
    assert (first["status"], second["context"]) == (201, {"step": 1})


class Step:
    """A name that changes from step to step."""

    def __init__(self) -> None:
        self.number = 1

    def __str__(self) -> str:
        return f"step {self.number}"


def test_a_value_with_code_of_the_user_is_converted_at_once(tmp_path: Path) -> None:
    recorded, step = Recorded(tmp_path), Step()
    recorded.listener(**request())
    recorded.listener(**request(name=step))
    step.number = 2
    assert [event["name"] for event in recorded.events()] == ["/a", "step 1"]


@pytest.mark.parametrize("number", [1, 63, 64, 65, 200])
def test_requests_that_wait_to_be_converted_are_recorded_in_order(tmp_path: Path, number: int) -> None:
    recorded = Recorded(tmp_path)
    for each in range(number):
        error = OSError("broken") if each % 50 == 40 else None
        recorded.listener(**request(response_length=each, exception=error))
    assert [event["response_bytes"] for event in recorded.events()] == list(range(number))


@pytest.mark.parametrize("settle", ["set_users", "drain", "progress", "flush", "series"])
def test_what_reads_or_sends_the_data_has_the_last_requests(tmp_path: Path, settle: str) -> None:
    """The receipt so far counts them. `set_users` is called ten times a second."""
    recorded = Recorded(tmp_path)
    recorded.listener(**request())
    arguments = [7] if settle == "set_users" else []
    getattr(recorded.publisher, settle)(*arguments)
    wait_for(recorded, 1)
    [event] = recorded.events()
    assert event["users"] == 0, "of the time before"


def test_the_time_of_a_request_without_a_start_is_that_of_its_event(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path, log_format="text")
    before = time.time()
    recorded.listener(**request(start_time=None))
    after = time.time()
    time.sleep(0.05)
    recorded.listener(**request(start_time=None, exception=OSError("broken")))
    recorded.publisher.finish()
    [line, _] = recorded.lines()
    assert before - 0.001 <= line["timestamp"] / 1000 <= after


def wait_for(recorded: Recorded, number: int) -> None:
    """Wait until the core has aggregated a number of requests."""
    flush = recorded.publisher.flush()
    while flush.settled is None:
        time.sleep(0.01)
    assert recorded.publisher.statistics.summary().all_requests([]).requests == number


def test_a_sampled_share_of_the_successes_is_logged(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path, log_sample=0.25)
    for number in range(1_000):
        recorded.listener(**request(response_length=number))
    assert [event["response_bytes"] for event in recorded.events()] == list(range(0, 1_000, 4))


def test_the_status_of_a_fast_response_is_that_of_its_property(tmp_path: Path) -> None:
    """With the real class, in a process of its own, because Locust patches the standard library."""
    program = tmp_path / "program.py"
    program.write_text(FAST_RESPONSES, encoding="utf-8")
    done = subprocess.run([sys.executable, str(program), str(tmp_path)], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == [202, None, None]


FAST_RESPONSES = """
import json, pathlib, sys, time
from locust.contrib.fasthttp import FastResponse
from locust_cw import _core

class Answer:
    def get_code(self):
        return 202

folder = pathlib.Path(sys.argv[1], "spool")
publisher = _core.Publisher({"spool_dir": str(folder), "dry_run": True}, run_id="r", worker="w", host="http://h")
listener = publisher.request_listener()
for answer in (Answer(), None, object()):
    response = object.__new__(FastResponse)
    response._response = answer
    listener(request_type="GET", name="/", response_time=1.0, response=response)
    if answer is not None and hasattr(answer, "get_code"):
        assert response.status_code == 202
publisher.seal()
while not publisher.progress().over:
    time.sleep(0.01)
publisher.finish()
lines = [line for file in folder.rglob("*-logs.jsonl") for line in file.read_text().splitlines()]
print(json.dumps([json.loads(json.loads(line)["message"]).get("status") for line in lines]))
"""
