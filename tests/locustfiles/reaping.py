"""Starts child processes while the test runs, so that gevent reaps each child of this process."""

import subprocess
import sys

import gevent
from locust import User, task

import locust_cw
import patient  # noqa: F401 - the master is


class Reaping(User):
    fixed_count = 1

    @task
    def work(self) -> None:
        subprocess.run([sys.executable, "-c", ""], check=True)
        self.environment.events.request.fire(request_type="GET", name="/", response_time=1, response_length=1)
        gevent.sleep(0.05)


# The handler is there before locust-cw starts a process of its own.
subprocess.run([sys.executable, "-c", ""], check=True)

__all__ = ["Reaping", "locust_cw"]
