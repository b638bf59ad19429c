"""Imported by other locustfiles: a master that waits for its workers' last reports, however busy the machine is.

Locust gives them half a second, after which its statistics lack what a late one tells.
"""

import time
from typing import Any

import gevent
from locust import events
from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner

PATIENCE = 5
"""Seconds, ten times Locust's."""

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
