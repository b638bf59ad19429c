"""Requests that all processes have in common, and requests with the name of the process. At most ROUNDS of each."""

import os

import gevent
from locust import User, task
from locust.exception import StopUser

import locust_cw

NAMES = 6
ROUNDS = 30


class Caller(User):
    done = 0

    @task
    def call(self) -> None:
        for name in ("/shared", *(f"/{os.getpid()}/{number}" for number in range(NAMES))):
            self.environment.events.request.fire(
                request_type="GET", name=name, response_time=5 + self.done, response_length=100
            )
        gevent.sleep(0.05)
        self.done += 1
        if self.done == ROUNDS:
            raise StopUser


__all__ = ["Caller", "locust_cw"]
