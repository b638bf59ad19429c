"""Two kinds of users that fire request events; each process keeps a journal of what it did, true even if it is killed.

With ITERATIONS each user fires so many and stops. With REPORTS there are so many seconds between two reports of a
worker.
"""

import itertools
import os
import time
from typing import Any

import gevent
from locust import User, constant, events, runners, task
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import MasterRunner

import locust_cw
import patient  # noqa: F401 - the master is
from journal import note
from uninterrupted import uninterrupted

ITERATIONS = int(os.environ.get("ITERATIONS", "0"))

runners.WORKER_REPORT_INTERVAL = float(os.environ.get("REPORTS", runners.WORKER_REPORT_INTERVAL))

numbers = itertools.count()


@events.test_start.add_listener
def started(**_: Any) -> None:
    note("started")


@events.report_to_master.add_listener
def reported(client_id: str, **_: Any) -> None:
    note("reported", client_id=client_id)


@events.init.add_listener
def watch(environment: Environment, **_: Any) -> None:
    if isinstance(environment.runner, MasterRunner):
        gevent.spawn(note_users, environment.runner)


def note_users(runner: MasterRunner) -> None:
    """How many users Locust knows of, whenever that changes, and when this process had no turn for a while."""
    before, turn = -1, time.time()
    while True:
        if (number := runner.user_count) != before:
            note("users", number=number, by_class=dict(runner.reported_user_classes_count))
            before = number
        gevent.sleep(0.02)
        before_that, turn = turn, time.time()
        if turn - before_that > 0.3:
            note("late", since=before_that)


class Trader(User):
    abstract = True
    wait_time = constant(0.02)
    done = 0

    def on_start(self) -> None:
        note("user", name=type(self).__name__)

    @task
    def trade(self) -> None:
        number = next(numbers)
        # By the user's own count, so that a number of iterations always gives the same.
        name, failed = f"/{type(self).__name__}/{self.done % 3}", self.done % 10 == 9
        with uninterrupted():
            self.environment.events.request.fire(
                request_type="TRADE",
                name=name,
                response_time=1 + number * 7919 % 9973 / 10,
                response_length=number % 1000,
                exception=RuntimeError("as every tenth") if failed else None,
            )
            note("fired", name=name, failed=failed)
        self.done += 1
        if self.done == ITERATIONS:
            raise StopUser


class Buyer(Trader):
    weight = 2


class Seller(Trader):
    weight = 1


__all__ = ["Buyer", "Seller", "locust_cw"]
