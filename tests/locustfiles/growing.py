"""A load that has one more user each second, for ten seconds."""

from locust import FastHttpUser, LoadTestShape, constant, task

import locust_cw

__all__ = ["locust_cw"]


class Client(FastHttpUser):
    wait_time = constant(0.1)

    @task
    def page(self) -> None:
        self.client.get("/items/1")


class Growing(LoadTestShape):
    length_s = 10.0

    def tick(self) -> tuple[int, float] | None:
        run_time = self.get_run_time()  # type: ignore[no-untyped-call]
        return None if run_time > self.length_s else (int(run_time) + 1, 100)
