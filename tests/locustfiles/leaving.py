"""Leaves the process by the way that LEAVE names, such as `sys.exit in quitting`, within a listener of Locust's."""

import os
import sys
from typing import Any

from gevent.monkey import get_original
from locust import User, constant, events, task

import locust_cw

WAY, _, EVENT = os.environ["LEAVE"].partition(" in ")
CODE = 7


class Walker(User):
    wait_time = constant(0.02)

    @task
    def step(self) -> None:
        self.environment.events.request.fire(request_type="STEP", name="step", response_time=1.0, response_length=1)
        if EVENT == "a task" and self.environment.stats.total.num_requests == 1:
            leave()


def leave(**_: Any) -> None:
    if WAY == "fork":
        child = os.fork()
        if not child:
            sys.exit(CODE)
        # gevent's would let the test end meanwhile.
        wait = get_original("os", "waitpid")
        print(f"the child ended with {os.waitstatus_to_exitcode(wait(child, 0)[1])}", flush=True)
        return
    sys.exit(CODE)


if EVENT != "a task":
    getattr(events, EVENT).add_listener(leave)

__all__ = ["Walker", "locust_cw"]
