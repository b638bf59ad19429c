"""Custom dimensions and log fields: the stage on every metric, the tenant and the product in every log event.

    locust -f examples/tenants.py --host https://service.example --cw-live \
        --cw-dimension Stage=perf --cw-dimensions Host,Request,Method

AWS charges for each value of a dimension as a separate metric, so use dimensions for fields with few values. Put fields
with many values, such as users, orders or products, into the `context` of a request: they become fields of log events,
which cost only their bytes. In Logs Insights:

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
        """Choose a tenant."""
        self.tenant = next(TENANTS)

    def context(self) -> dict[str, object]:
        """Return the context that Locust adds to each request of this user."""
        return {"tenant": self.tenant}

    @task
    def product(self) -> None:
        """Open a product. All products share one request name; the log events have the number."""
        number = random.randint(1, 500)
        self.client.get(f"/product?id={number}", name="/product", context={"product": number})
