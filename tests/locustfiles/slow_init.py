"""Workers that get their first test before locust-cw's listener of `init` is called."""

from gevent.event import Event
from locust import events
from locust.env import Environment
from locust.runners import WorkerRunner

started = Event()
events.test_start.add_listener(lambda **_: started.set())


@events.init.add_listener
def dawdle(environment: Environment, **_: object) -> None:
    if isinstance(environment.runner, WorkerRunner):
        assert started.wait(30)


import locust_cw  # noqa: E402 - its listener has its turn after that one
from plain_walker import Walker  # noqa: E402

__all__ = ["Walker", "locust_cw"]
