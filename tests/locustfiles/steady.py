"""Sees whether all goes on: quits after 3,000 requests, 200 steps of a greenlet beside them and 200 of a thread.

Meant for a CloudWatch that hangs: the counting begins with the file GO, made when a call is known to hang.
"""

import os
from pathlib import Path

import gevent
from gevent import monkey
from locust import User, task

import locust_cw

start_thread = monkey.get_original("_thread", "start_new_thread")
sleep_thread = monkey.get_original("time", "sleep")
steps = {"thread": 0, "greenlet": 0}


def count_in_a_thread() -> None:
    while True:
        sleep_thread(0.001)
        steps["thread"] += 1


def count_in_a_greenlet() -> None:
    while True:
        gevent.sleep(0.001)
        steps["greenlet"] += 1


class Steady(User):
    fixed_count = 1

    def fire(self, pause: float) -> None:
        self.environment.events.request.fire(request_type="GET", name="/", response_time=1, response_length=1)
        gevent.sleep(pause)

    @task
    def work(self) -> None:
        while not Path(os.environ["GO"]).exists():
            self.fire(0.001)
        start_thread(count_in_a_thread, ())
        gevent.spawn(count_in_a_greenlet)
        done = 0
        while done < 3000 or min(steps.values()) < 200:
            # At full speed for as long as the queue has room, even if its thread has no turn on a busy machine.
            self.fire(0 if done < 3000 else 0.001)
            done += 1
        print("all went on", flush=True)
        assert self.environment.runner
        self.environment.runner.quit()


__all__ = ["Steady", "locust_cw"]
