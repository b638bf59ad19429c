"""Users that record custom metrics and marks a known number of times, and hooks that record them at any time.

Each user counts `ROUNDS` times. Tasks also pass what cannot be recorded: no exception may reach them.
"""

from typing import Any

import gevent
from locust import User, constant, events, task
from locust.env import Environment
from locust.runners import LocalRunner, WorkerRunner

import locust_cw

ROUNDS = 20
TOKENS = 3


@events.init.add_listener
def before_the_test(environment: Environment, **_: Any) -> None:
    """There is no run yet."""
    locust_cw.count("early")
    locust_cw.mark("too early")
    if isinstance(environment.runner, LocalRunner):
        gevent.spawn(quit_when_all_are_done, environment.runner)


@events.test_start.add_listener
def begin(**_: Any) -> None:
    """In every process."""
    locust_cw.mark("deploy began")


@events.test_stop.add_listener
def end(environment: Environment, **_: Any) -> None:
    if not isinstance(environment.runner, WorkerRunner):
        locust_cw.mark("deploy ended, see http://ci.test/?token=s3cr3t")


class Shopper(User):
    wait_time = constant(0.02)
    number = 0
    done = 0
    idle = 0

    def on_start(self) -> None:
        Shopper.number += 1
        self.number = Shopper.number
        locust_cw.gauge("queue_depth", 10 * self.number, unit="Count", pool="web")

    @task
    def buy(self) -> None:
        if self.done == ROUNDS:
            Shopper.idle += self.done == ROUNDS
            self.done += 1
            return
        if self.done > ROUNDS:
            return
        self.done += 1
        locust_cw.count("tokens", TOKENS, model="small")
        locust_cw.count("orders")
        locust_cw.gauge("주문", 1)
        locust_cw.gauge("queue_depth", "deep")  # type: ignore[arg-type]
        locust_cw.gauge("UserCount", 1_000_000)
        locust_cw.mark("  ")


def quit_when_all_are_done(runner: LocalRunner) -> None:
    while runner.state != "running" or Shopper.idle < runner.target_user_count:
        gevent.sleep(0.02)
    runner.quit()
