"""The load: customers of the shop in `target.py`."""

import random

from locust import FastHttpUser, between, task

import locust_cw  # noqa: F401 - the one line


class Customer(FastHttpUser):
    """A customer who browses, searches and sometimes buys."""

    wait_time = between(0.05, 0.2)

    @task(5)
    def front_page(self) -> None:
        """Open the front page."""
        self.client.get("/")

    @task(4)
    def product(self) -> None:
        """Open one of many products. All products share one request name."""
        self.client.get(f"/product/{random.randint(1, 500)}", name="/product/[id]")

    @task(3)
    def search(self) -> None:
        """Search."""
        self.client.get("/search?q=lamp", name="/search")

    @task(2)
    def cart(self) -> None:
        """Add to the cart; sometimes fails."""
        self.client.post("/cart", json={"product": 17})

    @task(1)
    def checkout(self) -> None:
        """Check out; slow, and fails more often."""
        self.client.post("/checkout")
