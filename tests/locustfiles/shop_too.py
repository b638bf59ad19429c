"""A second locustfile with the line, this time before Locust's import."""

import locust_cw  # isort: skip
from locust import FastHttpUser, constant, task


class Visitor(FastHttpUser):
    wait_time = constant(0.05)

    @task
    def ok(self) -> None:
        self.client.get("/ok", name="/visit")


__all__ = ["Visitor", "locust_cw"]
