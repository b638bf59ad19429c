"""Imported by other locustfiles: a user with several request names, successes and failures, over real HTTP."""

import json
import random
import time
from typing import Any

from locust import FastHttpUser, HttpUser, constant, events, task
from locust.env import Environment

from uninterrupted import uninterrupted

fire = events.request.fire


def fire_uninterrupted(**fields: Any) -> None:
    """Ctrl-C could make Locust count a request for which other listeners are not called."""
    with uninterrupted():
        fire(**fields)  # type: ignore[no-untyped-call]


events.request.fire = fire_uninterrupted  # type: ignore[method-assign]


class Shopper(FastHttpUser):
    """The usual user."""

    wait_time = constant(0.01)

    def on_start(self) -> None:
        """Each task once: which comes next is by chance, and on a busy machine there are few."""
        self.ok()
        self.item()
        self.missing()
        self.broken()

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
