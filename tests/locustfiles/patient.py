"""Imported by other locustfiles: a master with longer timeouts, because the machine may be busy.

It waits ten seconds for the last reports of its workers: Locust waits half a second, and its statistics then lack the
reports that are late. A worker is missing after HEARTBEATS seconds without a message, instead of Locust's three. And
Ctrl-C always ends it: Locust's master ignores a Ctrl-C that arrives while it reads a message of a worker.
"""

import os
import time
from typing import Any

import gevent
from locust import events, runners
from locust.env import Environment
from locust.rpc import zmqrpc
from locust.runners import STATE_MISSING, MasterRunner

LAST_REPORTS_TIMEOUT_S = 10
"""Seconds, twenty times Locust's."""

runners.HEARTBEAT_LIVENESS = int(os.environ.get("HEARTBEATS", "30"))

recv_from_client: Any = zmqrpc.Server.recv_from_client


def recv_or_be_interrupted(server: zmqrpc.Server) -> Any:
    try:
        return recv_from_client(server)
    except KeyboardInterrupt as interrupt:
        gevent.get_hub().handle_system_error(KeyboardInterrupt, interrupt)
        raise  # `client_listener` takes this one, and goes on


zmqrpc.Server.recv_from_client = recv_or_be_interrupted  # type: ignore[assignment,method-assign]

awaited: set[str] = set()
"""The workers that may have had users since they last reported."""


def known(runner: MasterRunner) -> set[str]:
    """The workers that have not gone, said so or not."""
    return {client.id for client in runner.clients.all if client.state != STATE_MISSING}


@events.init.add_listener
def be_patient(environment: Environment, **_: Any) -> None:
    runner = environment.runner
    if not isinstance(runner, MasterRunner):
        return
    kill = runner.greenlet.kill

    def kill_after_the_reports(*args: Any, **how: Any) -> None:
        deadline = time.monotonic() + LAST_REPORTS_TIMEOUT_S
        while awaited & known(runner) and time.monotonic() < deadline:
            gevent.sleep(0.02)
        kill(*args, **how)

    runner.greenlet.kill = kill_after_the_reports  # type: ignore[method-assign]


@events.test_stop.add_listener
def ended(environment: Environment, **_: Any) -> None:
    runner = environment.runner
    if isinstance(runner, MasterRunner):
        awaited.update(known(runner))


@events.worker_report.add_listener
def reported(client_id: str, data: dict[str, Any], **_: Any) -> None:
    if data.get("user_count") == 0:
        awaited.discard(client_id)
