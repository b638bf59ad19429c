"""Imported by other locustfiles: users that do a fixed number of rounds, and a test that is over when all have.

So two runs make the same requests however fast the machine is; a single user also chooses its tasks alike. In a
distributed test, and with a shape, the users are idle until the test ends by itself.
"""

import random
from typing import Any

import gevent
from locust import User, events
from locust.env import Environment
from locust.runners import LocalRunner

ROUNDS = 12

random.seed(7)

done: list[User] = []


class FiniteUser(User):
    abstract = True
    rounds_done = 0

    def round_over(self) -> None:
        self.rounds_done += 1
        if self.rounds_done == ROUNDS:
            done.append(self)
            while True:
                gevent.sleep(60)


@events.init.add_listener
def end_when_all_are_done(environment: Environment, **_: Any) -> None:
    if isinstance(environment.runner, LocalRunner) and environment.shape_class is None:
        gevent.spawn(wait_and_quit, environment.runner)


def all_are_done(runner: LocalRunner) -> bool:
    """Whether each user that runs now has done its rounds."""
    return all(greenlet.args[0].rounds_done >= ROUNDS for greenlet in runner.user_greenlets)


def wait_and_quit(runner: LocalRunner) -> None:
    while runner.state != "running" or len(done) < runner.target_user_count:
        gevent.sleep(0.02)
    runner.quit()
