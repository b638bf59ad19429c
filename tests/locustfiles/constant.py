"""Users that call a service five times a second each, however long it takes to answer: DELAY milliseconds."""

import os

from locust import HttpUser, constant_throughput, task

import locust_cw

DELAY = os.environ["DELAY"]


class Constant(HttpUser):
    wait_time = constant_throughput(5)

    @task
    def call(self) -> None:
        self.client.get(f"/slow/{DELAY}", name="/")


__all__ = ["Constant", "locust_cw"]
