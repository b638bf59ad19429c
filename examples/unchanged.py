"""A locustfile that knows nothing of CloudWatch: it is published all the same when `locust_cw` runs it.

    python -m locust_cw -f examples/unchanged.py --host https://service.example --cw-live

Every option of Locust works as usual.
"""

from locust import FastHttpUser, between, task


class Visitor(FastHttpUser):
    """Someone who looks at the front page."""

    wait_time = between(0.5, 1.5)

    @task
    def front_page(self) -> None:
        """Ask for the front page."""
        self.client.get("/")
