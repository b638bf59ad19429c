"""A master at the end of a test: it receives its workers' last reports when Locust no longer does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.pool import Group
from gevent.queue import Queue

from locust_cw._distributed import messages
from locust_cw._distributed.master import Master
from locust_cw._plugin.locust_fleet import MESSAGE
from support import status_reports

DEADLINE_S = 10


class Runner:
    """A master's runner. Like Locust's, it receives in a greenlet, and `quit` ends this greenlet after a wait."""

    def __init__(self) -> None:
        self.custom_messages: dict[str, Any] = {}
        self.inbox: Queue[Any] = Queue()
        self.server = SimpleNamespace(recv_from_client=self.receive_for_master)
        self.is_asked_by_master = False
        self.may_quit = Event()
        self.acknowledged: Queue[Any] = Queue()
        self.greenlet = Group()
        self.greenlet.spawn(self.listen)

    def start(self) -> None: ...

    def listen(self) -> None:
        while True:
            message = self.inbox.get()
            if message.type == "quit":
                self.quit()
            else:
                self.custom_messages[message.type](msg=message)

    def receive_for_master(self) -> tuple[str, Any]:
        self.is_asked_by_master = True
        return "worker", self.inbox.get()

    def quit(self) -> None:
        self.may_quit.wait()
        self.greenlet.kill(block=True)

    def register_message(self, name: str, listener: Any) -> None:
        self.custom_messages[name] = listener

    def send_message(self, _name: str, message: Any, client_id: str | None) -> None:
        if messages.acknowledged_run(message) is not None:
            self.acknowledged.put((client_id, messages.acknowledged_run(message)))

    def deliver(self, kind: str, run_id: str = "", *, final: bool = False) -> None:
        """A message of the only worker arrives."""
        data = status_reports.message(run_id, final=final) if kind == MESSAGE else None
        self.inbox.put(SimpleNamespace(type=kind, node_id="worker", data=data))


def start(role: Master, environment: SimpleNamespace, run_id: str) -> Runner:
    """Start a test with a new runner, whose worker reports."""
    runner = environment.runner = Runner()
    environment.parsed_options = SimpleNamespace()
    role.prepare(environment, {"disable": False, "dry_run": False})  # type: ignore[arg-type]
    run: Any = SimpleNamespace(
        run_id=run_id,
        environment=environment,
        options={"source": "workers"},
        publisher=SimpleNamespace(statistics=SimpleNamespace()),
    )
    role.on_start(run)
    runner.deliver(MESSAGE, run_id)
    gevent.sleep(0)
    return runner


def acknowledged(runner: Runner, run_id: str) -> bool:
    return bool(runner.acknowledged.get(timeout=DEADLINE_S) == ("worker", run_id))


@pytest.mark.parametrize("by_worker", [True, False], ids=["last worker quits", "program quits"])
def test_a_master_acknowledges_reports_that_arrive_after_locust_has_stopped_receiving(*, by_worker: bool) -> None:
    role, environment = Master(), SimpleNamespace(runner=None)
    # A program may use several runners, one after another.
    for run_id in ("first", "second"):
        runner = start(role, environment, run_id)
        if by_worker:
            runner.deliver("quit")
        else:
            runner.may_quit.set()
            runner.quit()
        runner.deliver(MESSAGE, run_id, final=True)
        assert acknowledged(runner, run_id)
        runner.may_quit.set()
    with role.receiving():
        pass


def test_a_master_leaves_messages_to_locust_while_that_receives() -> None:
    role, environment = Master(), SimpleNamespace(runner=None)
    runner = start(role, environment, "first")
    with role.receiving():
        runner.deliver(MESSAGE, "first", final=True)
        assert acknowledged(runner, "first")
    assert not runner.is_asked_by_master
