"""A locustfile without CloudWatch in it. `python -m locust_cw` publishes its results.

    python -m locust_cw -f examples/unchanged.py --host https://service.example --cw-live

Every option of Locust works as usual.
"""

from locust import FastHttpUser, between, task


class Visitor(FastHttpUser):
    """A visitor who opens the front page."""

    wait_time = between(0.5, 1.5)

    @task
    def front_page(self) -> None:
        """Open the front page."""
        self.client.get("/")
