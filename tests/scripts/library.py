"""Locust used as a library: own environment and events, options as JSON, no command line.

    library.py OPTIONS_JSON TARGET_URL STATS_FILE [quit]

With `quit` the script fires the event as the command would; without it only `atexit` is left to deliver.
"""

import gevent.monkey

gevent.monkey.patch_all()

import json
import sys
from pathlib import Path

import gevent
from locust import FastHttpUser, constant, events, task
from locust.env import Environment
from locust.event import Events

import locust_cw

options, target, stats_file, *how = sys.argv[1:]


class Shopper(FastHttpUser):
    host = target
    wait_time = constant(0.01)

    @task
    def ok(self) -> None:
        self.client.get("/ok")

    @task
    def missing(self) -> None:
        self.client.get("/missing")


environment = Environment(user_classes=[Shopper], events=Events(), host=target)
assert environment.events is not events
locust_cw.attach(environment, **json.loads(options))
runner = environment.create_local_runner()
environment.events.init.fire(environment=environment, runner=runner, web_ui=None)
runner.start(4, spawn_rate=10)
while environment.stats.total.num_requests < 200:
    gevent.sleep(0.05)
runner.quit()
if how:
    environment.events.quit.fire(exit_code=0)
Path(stats_file).write_text(json.dumps(environment.stats.serialize_stats()))
print("the script is done", flush=True)
