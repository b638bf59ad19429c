"""Imported by other locustfiles: a user with several request names, successes and failures, over real HTTP."""

import json
import random
import time
from typing import Any

from locust import FastHttpUser, HttpUser, constant, events, task
from locust.env import Environment


class Shopper(FastHttpUser):
    """The usual user."""

    wait_time = constant(0.01)

    @task(4)
    def ok(self) -> None:
        self.client.get("/ok")

    @task(4)
    def item(self) -> None:
        self.client.get(f"/items/{random.randrange(50)}", name="/items/[id]", context={"shop": "north"})

    @task(2)
    def missing(self) -> None:
        self.client.get("/missing")

    @task(1)
    def broken(self) -> None:
        self.client.post("/broken", data="x")


class SlowShopper(HttpUser):
    """The same through the other HTTP client."""

    wait_time = constant(0.05)
    fixed_count = 1

    @task
    def ok(self) -> None:
        self.client.get("/ok", name="/slow")


@events.test_stop.add_listener
def tell(environment: Environment, **_: Any) -> None:
    fields = ("name", "num_requests", "num_failures")  # Locust's own `serialize_stats` would reset them
    stats = [{field: getattr(entry, field) for field in fields} for entry in environment.stats.entries.values()]
    print(f"test_stop at {time.time()}: {json.dumps(stats)}", flush=True)
