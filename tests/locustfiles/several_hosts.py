"""User classes with a host each, and one that calls another host by its whole URL."""

import os

from locust import FastHttpUser, HttpUser, task

from finite import FiniteUser

FRONT = os.environ["TARGET"]
BACK = FRONT.replace("127.0.0.1", "localhost")


class Visitor(FiniteUser, HttpUser):
    host = FRONT

    @task
    def visit(self) -> None:
        self.client.get("/ok")
        self.client.get(f"{BACK}/items/3", name="/items")
        self.round_over()


class Clerk(FiniteUser, FastHttpUser):
    host = BACK

    @task
    def look(self) -> None:
        self.client.get("/ok", name="/office")
        with self.client.get("/missing", catch_response=True) as response:
            if response.status_code == 404:
                response.success()
        self.round_over()
