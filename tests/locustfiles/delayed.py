"""Users that call a service whose delays and failures are known."""

from locust import HttpUser, task

import locust_cw
from finite import FiniteUser


class Caller(FiniteUser, HttpUser):
    @task
    def call(self) -> None:
        for path in ("/slow/50", "/broken", "/ok", "/ok", "/ok"):
            self.client.get(path)
        self.round_over()


__all__ = ["Caller", "locust_cw"]
