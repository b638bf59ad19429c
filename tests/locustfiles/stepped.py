"""A load in steps through and past a target's capacity, by requests of which one has a hostile name."""

from typing import ClassVar

from locust import FastHttpUser, LoadTestShape, constant, task

import locust_cw

__all__ = ["locust_cw"]

HOSTILE = "<img src=x onerror=alert(1)>"


class Client(FastHttpUser):
    wait_time = constant(0.1)

    @task(9)
    def page(self) -> None:
        self.client.get("/page")

    @task(1)
    def hostile(self) -> None:
        self.client.get("/hostile", name=HOSTILE)


class Steps(LoadTestShape):
    step_s = 4.0
    users: ClassVar[tuple[int, ...]] = (4, 8, 12, 16, 20, 28)

    def tick(self) -> tuple[int, float] | None:
        step = int(self.get_run_time() // self.step_s)  # type: ignore[no-untyped-call]
        return None if step >= len(self.users) else (self.users[step], 100)
