"""`attach` once a test runs, for options of the next."""

from typing import Any

from locust import events
from locust.env import Environment

import locust_cw
from orders import Walker


@events.spawning_complete.add_listener
def attach(**_: Any) -> None:
    locust_cw.attach(environments[0], flush_interval=2)
    print("attached late", flush=True)


environments: list[Environment] = []


@events.init.add_listener
def note(environment: Environment, **_: Any) -> None:
    environments.append(environment)


__all__ = ["Walker", "locust_cw"]
