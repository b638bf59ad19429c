"""Locust used as a library: a master whose test is refused, started by the program's main greenlet.

refused_master.py OPTIONS_JSON PORT
"""

import gevent.monkey

gevent.monkey.patch_all()

import json
import sys

import gevent
from locust import User, constant, task
from locust.env import Environment
from locust.event import Events

import locust_cw

options, port = sys.argv[1:]


class Walker(User):
    wait_time = constant(0.02)

    @task
    def step(self) -> None:
        print("a step", flush=True)


environment = Environment(user_classes=[Walker], events=Events(), host="http://walked.test")
locust_cw.attach(environment, **json.loads(options))
runner = environment.create_master_runner("127.0.0.1", int(port))
worker = Environment(user_classes=[Walker], events=Events()).create_worker_runner("127.0.0.1", int(port))
while not runner.worker_count:
    gevent.sleep(0.05)
try:
    runner.start(2, spawn_rate=10)
except gevent.GreenletExit:
    print("refused", flush=True)
assert worker.user_count == 0
print("the script is done", flush=True)
