"""Imported by other locustfiles: a master that has patience with its workers, as the machine may be busy.

It waits for their last reports. Locust gives these half a second, after which its statistics lack what a late one
tells. It gives a worker up that was not heard of for HEARTBEATS seconds rather than Locust's three. And it hears Ctrl-C
always: Locust's master drops one that comes in the very moment in which it reads a worker's message.
"""

import os
import time
from typing import Any

import gevent
from locust import events, runners
from locust.env import Environment
from locust.rpc import zmqrpc
from locust.runners import STATE_MISSING, MasterRunner

PATIENCE = 10
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
        deadline = time.monotonic() + PATIENCE
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
