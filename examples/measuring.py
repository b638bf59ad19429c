"""Custom metrics and marks: the length of a queue, the tokens that a service has used, and the start of a deployment.

    locust -f examples/measuring.py --host https://service.example --cw-live --cw-dashboard

Each combination of dimension values costs as much as one metric. Without a run that is published, the functions do
nothing.
"""

import gevent
from locust import HttpUser, between, events, task
from locust.env import Environment
from locust.runners import WorkerRunner

import locust_cw


@events.test_start.add_listener
def watch_queue(environment: Environment, **_: object) -> None:
    """Read the length of the service's queue every five seconds: in a distributed test, in the master."""
    if not isinstance(environment.runner, WorkerRunner):
        gevent.spawn(read_queue_length, environment)


def read_queue_length(environment: Environment) -> None:
    """Publish the length until the test stops."""
    while environment.runner is not None and environment.runner.state not in ("stopping", "stopped"):
        length = 17  # for example, a call of the service's own API
        locust_cw.gauge("queue_length", length, unit="Count", pool="web")
        gevent.sleep(5)


@events.spawning_complete.add_listener
def begin_deployment(**_: object) -> None:
    """Mark the moment; here, a pipeline would start the deployment under load."""
    locust_cw.mark("deploy began")


class Reader(HttpUser):
    """A user whose requests cost tokens."""

    wait_time = between(0.2, 0.6)

    @task
    def ask(self) -> None:
        """Add up the tokens that the service reports."""
        with self.client.get("/", catch_response=True) as response:
            locust_cw.count("tokens", int(response.headers.get("x-tokens", 0)), model="small")
