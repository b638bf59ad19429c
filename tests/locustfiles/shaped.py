"""A load in steps, of user classes that change with them."""

from typing import ClassVar

from locust import FastHttpUser, LoadTestShape, constant, task
from locust.runners import LocalRunner

from finite import FiniteUser, all_are_done


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
    stages: ClassVar[list[tuple[int, list[type]]]] = [(2, [Regular]), (5, [Regular, Guest]), (6, [Guest])]
    stage = 0

    def tick(self) -> tuple[int, float, list[type]] | None:
        runner = self.runner
        assert isinstance(runner, LocalRunner)
        # Not by the clock: each run does the same, however busy the machine is.
        if runner.state == "running" and runner.user_count == self.stages[self.stage][0] and all_are_done(runner):
            self.stage += 1
        if self.stage == len(self.stages):
            return None
        users, classes = self.stages[self.stage]
        return users, 100, classes
