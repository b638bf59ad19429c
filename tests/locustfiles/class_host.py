"""The host stands on the user class, not on the environment."""

import os

from locust import FastHttpUser, constant, task

import locust_cw


class Guest(FastHttpUser):
    host = os.environ["CLASS_HOST"]
    wait_time = constant(0.02)

    @task
    def ok(self) -> None:
        self.client.get("/ok")


__all__ = ["Guest", "locust_cw"]
