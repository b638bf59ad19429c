"""Locust used as a library as its documentation shows it, with Locust's own events and `import locust_cw`.

    documented.py STATS_FILE

No command line is parsed, and nothing is attached: the options are those of the environment.
"""

import gevent.monkey

gevent.monkey.patch_all()

import json
import sys
from pathlib import Path

import gevent
from locust import User, constant, events, task
from locust.env import Environment

import locust_cw


class Walker(User):
    wait_time = constant(0.01)

    @task
    def step(self) -> None:
        self.environment.events.request.fire(request_type="STEP", name="step", response_time=1.0, response_length=1)


environment = Environment(user_classes=[Walker], events=events, host="http://walked.test")
runner = environment.create_local_runner()
environment.events.init.fire(environment=environment, runner=runner, web_ui=None)
runner.start(2, spawn_rate=10)
while environment.stats.total.num_requests < 50:
    gevent.sleep(0.05)
runner.quit()
Path(sys.argv[1]).write_text(json.dumps(environment.stats.serialize_stats()))
print("the script is done", flush=True)

__all__ = ["locust_cw"]
