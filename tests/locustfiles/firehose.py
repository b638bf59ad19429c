"""Users that fire events without any HTTP: each RATE a second, or as fast as they can."""

import itertools
import os

from locust import User, constant, constant_throughput, task

import locust_cw

RATE = float(os.environ.get("RATE", "0"))
NUMBERS = itertools.count()


class Firehose(User):
    wait_time = constant_throughput(RATE) if RATE else constant(0)

    @task
    def fire(self) -> None:
        for _ in range(1 if RATE else 50):
            number = next(NUMBERS)
            self.environment.events.request.fire(
                request_type="GET",
                name=f"/{number % 5}",
                response_time=1 + number * 7919 % 99991 / 100,
                response_length=number % 1000,
            )


__all__ = ["Firehose", "locust_cw"]
