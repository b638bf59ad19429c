"""Locust used as a library with a web UI, made before or after `attach`: on until killed.

web_library.py OPTIONS_JSON PORT before|after
"""

import gevent.monkey

gevent.monkey.patch_all()

import json
import sys

from locust import User, constant, task
from locust.env import Environment
from locust.event import Events

import locust_cw

options, port, order = sys.argv[1:]


class Walker(User):
    wait_time = constant(0.02)

    @task
    def step(self) -> None:
        self.environment.events.request.fire(request_type="STEP", name="step", response_time=1.0, response_length=1)


environment = Environment(user_classes=[Walker], events=Events(), host="http://walked.test")
environment.create_local_runner()
if order == "after":
    locust_cw.attach(environment, **json.loads(options))
web_ui = environment.create_web_ui("127.0.0.1", int(port))
if order == "before":
    locust_cw.attach(environment, **json.loads(options))
assert web_ui.greenlet
web_ui.greenlet.join()
