"""Locust as a library: a program with its own `Environment`, published to CloudWatch.

python examples/library.py https://service.example
python examples/library.py http://127.0.0.1:8000 --local    # without an AWS account
"""

import sys

import gevent
from locust import HttpUser, between, task
from locust.env import Environment

import locust_cw

RUN_TIME_S = 10


class Visitor(HttpUser):
    """A visitor who opens the front page."""

    wait_time = between(0.1, 0.5)

    @task
    def front_page(self) -> None:
        """Open the front page."""
        self.client.get("/")


def main(host: str, *, local: bool) -> None:
    """Load `host` for ten seconds."""
    environment = Environment(user_classes=[Visitor], host=host)
    # Options have the names of the command line in Python form: --cw-flush-interval is flush_interval.
    locust_cw.attach(environment, live=True, flush_interval=2, local=local)
    runner = environment.create_local_runner()
    environment.events.init.fire(environment=environment, runner=runner, web_ui=None)

    runner.start(user_count=5, spawn_rate=5)
    gevent.sleep(RUN_TIME_S)
    runner.quit()
    # The command `locust` fires this event when it exits. locust-cw delivers the rest and prints the receipt.
    environment.events.quit.fire(exit_code=0)


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "--local"]
    if len(arguments) != 1:
        sys.exit(__doc__)
    main(arguments[0], local="--local" in sys.argv)
