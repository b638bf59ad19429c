"""The shop with the odd event order that ORDER names."""

import os
from typing import Any

import gevent
from locust import User, constant, events, task
from locust.env import Environment


@events.quit.add_listener
def told_first(**_: Any) -> None:
    """Registered before locust-cw's own."""
    print("quit begins", flush=True)


import locust_cw  # noqa: E402 - after the listener above
import patient  # noqa: E402, F401 - a master is
from uninterrupted import uninterrupted  # noqa: E402 - after the listener above

ORDER = os.environ.get("ORDER", "")

if ORDER == "import error":
    raise RuntimeError("the locustfile is broken")


once: set[str] = set()


class Walker(User):
    wait_time = constant(0.02)

    @task
    def step(self) -> None:
        with uninterrupted():  # otherwise, Locust may count a request and not notify its other listeners
            self.environment.events.request.fire(
                request_type="STEP", name="step", response_time=1.0, response_length=1, context={}
            )
        if self.environment.stats.total.num_requests == 20:
            print("20 steps", flush=True)

    @task
    def stumble(self) -> None:
        assert self.environment.runner
        if ORDER == "task error":
            raise RuntimeError("stumbled")
        if ORDER == "quit in a task" and self.environment.stats.total.num_requests >= 50:
            self.environment.runner.quit()


@events.test_stop.add_listener
def stop_again(environment: Environment, **_: Any) -> None:
    if ORDER == "double test_stop" and "test_stop" not in once:
        once.add("test_stop")
        environment.events.test_stop.fire(environment=environment)


@events.quit.add_listener
def quit_again(exit_code: int, **_: Any) -> None:
    if ORDER == "double quit" and "quit" not in once:
        once.add("quit")
        events.quit.fire(exit_code=exit_code)
    if ORDER == "yielding quit":
        gevent.sleep(0.2)


__all__ = ["Walker", "locust_cw"]
