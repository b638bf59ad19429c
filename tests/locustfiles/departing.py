"""A master that stays in `quitting` until the file `go-on` is in its folder, and a worker that may end at its start.

With EXIT_CODE, a worker calls `sys.exit` in `test_start`: Locust ends only the greenlet in which it receives messages.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

import gevent
from locust import User, constant, events, task
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

import locust_cw  # noqa: F401 - the order of the imports is that of the listeners
import patient  # noqa: F401 - the master is, with workers on a busy machine

TIMEOUT_S = 60


@events.test_start.add_listener
def leave(environment: Environment, **_: Any) -> None:
    if isinstance(environment.runner, WorkerRunner) and "EXIT_CODE" in os.environ:
        sys.exit(int(os.environ["EXIT_CODE"]))


@events.quitting.add_listener
def stay(environment: Environment, **_: Any) -> None:
    if isinstance(environment.runner, MasterRunner):
        deadline = time.monotonic() + TIMEOUT_S
        while not Path("go-on").exists() and time.monotonic() < deadline:
            gevent.sleep(0.05)


class Walker(User):
    wait_time = constant(0.05)

    @task
    def step(self) -> None:
        self.environment.events.request.fire(request_type="STEP", name="step", response_time=1.0, response_length=1)
