"""Tasks in a given order, nested, left with `interrupt`, and started and ended with methods of their own."""

from locust import FastHttpUser, SequentialTaskSet, TaskSet, task

from finite import FiniteUser


class Checkout(SequentialTaskSet):
    user: "Customer"

    def on_start(self) -> None:
        self.client.get("/ok", name="1 log in")

    @task
    def add(self) -> None:
        self.client.post("/ok", name="2 add")

    @task(3)
    def look(self) -> None:
        self.client.get("/items/2", name="3 look")

    @task
    class Pay(TaskSet):
        user: "Customer"

        @task
        def pay(self) -> None:
            self.client.post("/broken", name="4 pay")
            self.interrupt(reschedule=False)  # type: ignore[no-untyped-call]

    @task
    def leave(self) -> None:
        self.interrupt()  # type: ignore[no-untyped-call]

    def on_stop(self) -> None:
        self.client.get("/ok", name="5 log out")
        self.user.round_over()


class Customer(FiniteUser, FastHttpUser):
    tasks = [Checkout]  # noqa: RUF012 - Locust's own way
