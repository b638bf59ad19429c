"""Tasks with tags, of which the command line chooses."""

from locust import FastHttpUser, TaskSet, tag, task

from finite import FiniteUser


class Tagged(FiniteUser, FastHttpUser):
    @tag("read")
    @task
    def read(self) -> None:
        self.client.get("/ok", name="read")
        self.round_over()

    @tag("read", "slow")
    @task
    def read_slowly(self) -> None:
        self.client.get("/ok", name="read slowly")
        self.round_over()

    @tag("write")
    @task
    def write(self) -> None:
        self.client.post("/ok", name="write")
        self.round_over()

    @task
    class Within(TaskSet):
        user: "Tagged"

        @tag("write")
        @task
        def write(self) -> None:
            self.client.post("/ok", name="write within")
            self.user.round_over()
            self.interrupt()  # type: ignore[no-untyped-call]
