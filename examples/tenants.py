"""Dimensions and log fields of one's own: the stage on every metric, the tenant and the product in every log event.

    locust -f examples/tenants.py --host https://service.example --cw-live \
        --cw-dimension Stage=perf --cw-dimensions Host,Request,Method

A dimension makes a metric of its own for each value, and each is charged: it is for what has few values. What has many,
such as users, orders or products, belongs into the `context` of a request, and so into the log, where it costs nothing
but its bytes. In Logs Insights:

    filter outcome = "failure" | stats count() by context.tenant, name
"""

import itertools
import random

from locust import HttpUser, between, task

import locust_cw  # noqa: F401 - the one line

TENANTS = itertools.cycle(["acme", "globex", "initech"])


class Customer(HttpUser):
    """A customer of one of the tenants."""

    wait_time = between(0.2, 0.6)

    def on_start(self) -> None:
        """Belong to a tenant."""
        self.tenant = next(TENANTS)

    def context(self) -> dict[str, object]:
        """What Locust adds to each request of this user."""
        return {"tenant": self.tenant}

    @task
    def product(self) -> None:
        """Look at a product: one request name for all, the number in the log."""
        number = random.randint(1, 500)
        self.client.get(f"/product?id={number}", name="/product", context={"product": number})
