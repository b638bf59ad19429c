"""A load in steps, of user classes that change with them."""

from typing import ClassVar

from locust import FastHttpUser, LoadTestShape, constant, task

from finite import FiniteUser


class Regular(FiniteUser, FastHttpUser):
    wait_time = constant(0.01)

    @task
    def ok(self) -> None:
        self.client.get("/ok")
        self.round_over()


class Guest(FiniteUser, FastHttpUser):
    wait_time = constant(0.01)

    @task
    def item(self) -> None:
        self.client.get("/items/1")
        self.round_over()


class Steps(LoadTestShape):
    stages: ClassVar[list[tuple[float, int, list[type]]]] = [
        (1.0, 2, [Regular]),
        (2.0, 5, [Regular, Guest]),
        (3.5, 6, [Guest]),
    ]

    def tick(self) -> tuple[int, float, list[type]] | None:
        now = self.get_run_time()  # type: ignore[no-untyped-call]
        for end, users, classes in self.stages:
            if now < end:
                return users, 100, classes
        return None
