"""An ordinary locustfile with the one line that publishes its results to CloudWatch.

    locust -f examples/locustfile.py --host https://service.example --cw-live

Without an AWS account, add `--cw-local`.
"""

from locust import HttpUser, between, task

import locust_cw  # noqa: F401 - the one line: it registers hooks and options


class Visitor(HttpUser):
    """A visitor who opens the front page, and sometimes an article."""

    wait_time = between(1, 3)

    @task(3)
    def front_page(self) -> None:
        """Open the front page."""
        self.client.get("/")

    @task
    def article(self) -> None:
        """Open an article. All articles share one request name, and so one series."""
        self.client.get("/article?id=17", name="/article")
