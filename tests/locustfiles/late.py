"""Workers that start a test LATE seconds after the master's message."""

import os

import gevent
from locust import User, constant, events, task
from locust.env import Environment
from locust.runners import WorkerRunner


@events.test_start.add_listener
def dawdle(environment: Environment, **_: object) -> None:
    if isinstance(environment.runner, WorkerRunner):
        gevent.sleep(float(os.environ["LATE"]))


import locust_cw  # noqa: E402 - its listener has its turn after that one


class Walker(User):
    wait_time = constant(0.1)

    @task
    def step(self) -> None:
        self.environment.events.request.fire(
            request_type="STEP", name="step", response_time=1.0, response_length=1, exception=None
        )


__all__ = ["Walker", "locust_cw"]
