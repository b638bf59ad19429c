"""Statistics reported by hand: a client of one's own, a whole flow as one result, results without a time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from locust import FastHttpUser, User, events, task
from locust.env import Environment

from finite import FiniteUser


class QueueClient:
    """Something that is not HTTP."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def __getattr__(self, operation: str) -> Any:
        def call(*args: object) -> None:
            failed = not args
            self._environment.events.request.fire(
                request_type="queue",
                name=operation,
                response_time=3,
                response_length=len(args),
                exception=ValueError("nothing to do") if failed else None,
            )

        return call


@contextmanager
def reported(name: str) -> Iterator[None]:
    """The block's time and outcome as one result."""
    begun = time.perf_counter()
    exception: Exception | None = None
    try:
        yield
    except LookupError as error:
        exception = error
    events.request.fire(
        request_type="manual",
        name=name,
        response_time=(time.perf_counter() - begun) * 1000,
        response_length=0,
        exception=exception,
        context={},
    )


class Worker(FiniteUser, User):
    def on_start(self) -> None:
        self.queue = QueueClient(self.environment)

    @task
    def work(self) -> None:
        self.queue.push("job")
        self.queue.pop()
        with reported("search"):
            raise KeyError("not there")
        # A result of which no time is known, and one with nothing more than must be.
        fire = self.environment.events.request.fire
        fire(request_type="manual", name="untimed", response_time=None, response_length=0, exception=None)
        fire(request_type=None, name="bare", response_time=1, response_length=0)
        self.round_over()


class Buyer(FiniteUser, FastHttpUser):
    @task
    def flow(self) -> None:
        with reported("flow"):
            self.client.get("/ok", name="first step")
            with self.client.get("/ok", name="second step", catch_response=True) as response:
                if response.text == "fine":
                    response.failure("too fine")
        self.round_over()
