"""A worker at its end: whether it waits until its master has its last report."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest

from locust_cw._distributed import messages
from locust_cw._distributed import worker as _worker
from locust_cw._distributed.worker import Worker
from locust_cw._plugin.locust_fleet import MESSAGE
from support import status_reports

HEARTBEAT_TIMEOUT_S = 60


class Runner:
    """A worker's runner, whose master acknowledges the last report if it is there."""

    def __init__(self, *, last_heartbeat: float | None) -> None:
        self.custom_messages: dict[str, Any] = {}
        self.last_heartbeat_timestamp = last_heartbeat
        self.greenlet = [object()]
        self.client = None
        self.sent: list[dict[str, Any]] = []

    def register_message(self, name: str, listener: Any) -> None:
        self.custom_messages[name] = listener

    def send_message(self, _name: str, message: dict[str, Any], _client_id: str | None) -> None:
        self.sent.append(message)


class Waits:
    """Counts the worker's waits. After some of them, the master acknowledges."""

    def __init__(self, runner: Runner, acknowledged_after: int) -> None:
        self.number = 0
        self._runner = runner
        self._acknowledged_after = acknowledged_after

    def sleep(self, _seconds: float) -> None:
        self.number += 1
        if self.number == self._acknowledged_after:
            message = SimpleNamespace(node_id="master", data=messages.acknowledgement("r"))
            self._runner.custom_messages[MESSAGE](msg=message)


def run_of(runner: Runner, **sent_by_master: object) -> Any:
    """A run of which there is a last report."""
    statistics = SimpleNamespace(take_increments=list, take_last_increments=lambda: [b"all"], may_abort=False)
    options = {f"cw_master_{name}": value for name, value in sent_by_master.items()}
    return SimpleNamespace(
        run_id="r",
        environment=SimpleNamespace(runner=runner, parsed_options=SimpleNamespace(**options)),
        publisher=SimpleNamespace(statistics=statistics),
        status_report=lambda _remarks: status_reports.status_report("r", final=True),
    )


@pytest.mark.parametrize(
    ("age_of_heartbeat_s", "sent", "waits", "is_taken"),
    [
        pytest.param(0, {"disable": False}, 3, True, id="master acknowledges"),
        pytest.param(None, {"disable": False}, 3, True, id="no heartbeat so far"),
        pytest.param(HEARTBEAT_TIMEOUT_S + 1, {"disable": False}, 0, False, id="master sends no heartbeats"),
        pytest.param(0, {}, 0, False, id="master without locust-cw"),
    ],
)
def test_a_worker_waits_only_for_a_master_that_can_acknowledge(
    monkeypatch: pytest.MonkeyPatch,
    age_of_heartbeat_s: float | None,
    sent: dict[str, Any],
    waits: int,
    *,
    is_taken: bool,
) -> None:
    """In any case it sends the last report, with all increments that the master may lack."""
    monkeypatch.setitem(
        sys.modules,
        "locust.runners",
        SimpleNamespace(MASTER_HEARTBEAT_TIMEOUT=HEARTBEAT_TIMEOUT_S),
    )
    runner = Runner(last_heartbeat=None if age_of_heartbeat_s is None else time.time() - age_of_heartbeat_s)
    waiting = Waits(runner, acknowledged_after=3)
    monkeypatch.setattr(_worker, "gevent", waiting)
    role, run = Worker(), run_of(runner, **sent)
    role.on_start(run)
    last = run.status_report([])
    assert role.hand_over(run, last.receipt, []) is is_taken
    assert waiting.number == waits
    assert runner.sent[-1]["final"] is True
    assert runner.sent[-1][messages.INCREMENTS] == [b"all"]
