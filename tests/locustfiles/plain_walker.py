"""A locustfile that knows nothing of locust-cw, with users that make no HTTP requests."""

from locust import User, constant, task


class Walker(User):
    wait_time = constant(0.02)

    @task
    def step(self) -> None:
        self.environment.events.request.fire(request_type="STEP", name="step", response_time=1.0, response_length=1)
