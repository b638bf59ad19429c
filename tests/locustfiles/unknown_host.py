"""The host of one user class stands on the class, that of the other only its users know."""

import os

from locust import FastHttpUser, constant, task

import locust_cw
from class_host import Guest


class Clerk(FastHttpUser):
    wait_time = constant(0.02)

    @property
    def host(self) -> str:  # type: ignore[override]
        return os.environ["CLASS_HOST"].replace("127.0.0.1", "localhost")

    @task
    def ok(self) -> None:
        self.client.get("/ok")


__all__ = ["Clerk", "Guest", "locust_cw"]
