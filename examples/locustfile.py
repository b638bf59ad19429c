"""An ordinary locustfile, and the one line that publishes it to CloudWatch.

    locust -f examples/locustfile.py --host https://service.example --cw-live

Without an AWS account, add `--cw-local`.
"""

from locust import HttpUser, between, task

import locust_cw  # noqa: F401 - the one line: it registers the hooks and the options


class Visitor(HttpUser):
    """Someone who looks at the front page and now and then at one article."""

    wait_time = between(1, 3)

    @task(3)
    def front_page(self) -> None:
        """Ask for the front page."""
        self.client.get("/")

    @task
    def article(self) -> None:
        """Ask for an article; all of them count as one request name, and so as one series."""
        self.client.get("/article?id=17", name="/article")
