"""Users that fire events without any HTTP, each RATE a second. Every tenth of a second has a burst of them."""

import itertools
import os

from locust import User, constant_throughput, task

import locust_cw

BURST = int(os.environ["RATE"]) // 10
NUMBERS = itertools.count()


class Firehose(User):
    wait_time = constant_throughput(10)

    @task
    def fire(self) -> None:
        for _ in range(BURST):
            number = next(NUMBERS)
            self.environment.events.request.fire(
                request_type="GET",
                name=f"/{number % 5}",
                response_time=1 + number * 7919 % 99991 / 100,
                response_length=number % 1000,
            )


__all__ = ["Firehose", "locust_cw"]
