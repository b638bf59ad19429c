"""A program that has its master publish locally, and says nothing of that to the workers."""

from typing import Any

from locust import events
from locust.env import Environment
from locust.runners import WorkerRunner

import locust_cw
from orders import Walker


@events.init.add_listener
def attach(environment: Environment, **_: Any) -> None:
    if not isinstance(environment.runner, WorkerRunner):
        locust_cw.attach(environment, local=True)


__all__ = ["Walker", "locust_cw"]
