"""Processes that meet the same names in different orders: each begins with another. Every 50th request fails."""

from itertools import count

from locust import User, constant, task
from locust.runners import WorkerRunner

import locust_cw
import patient  # noqa: F401 - a master is

NAMES = 5
numbers = count()


class Walker(User):
    wait_time = constant(0.01)

    @task
    def step(self) -> None:
        runner, number = self.environment.runner, next(numbers)
        first = runner.worker_index if isinstance(runner, WorkerRunner) else 0
        self.environment.events.request.fire(
            request_type="STEP",
            name=f"/{(first + number) % NAMES}",
            response_time=1.0,
            response_length=1,
            exception=RuntimeError("as every 50th") if number % 50 == 49 else None,
        )


__all__ = ["Walker", "locust_cw"]
