"""Locust used as a library: a master and its workers, without a command line.

    library_fleet.py master PORT '[{"option": value}, ...]' [subclassed]
    library_fleet.py worker PORT '{"option": value}' [subclassed]

The master, which waits for one worker, makes a test with each of these options, and prints the receipts as JSON.
With `subclassed`, the runners are of a program's own classes.
"""

import gevent.monkey

gevent.monkey.patch_all()

import json
import sys

import gevent
from locust import User, constant, env, task
from locust.env import Environment
from locust.event import Events
from locust.runners import MasterRunner, WorkerRunner

import locust_cw

role, port, options = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])


class OwnMaster(MasterRunner):
    pass


class OwnWorker(WorkerRunner):
    pass


if sys.argv[4:] == ["subclassed"]:
    env.MasterRunner, env.WorkerRunner = OwnMaster, OwnWorker  # type: ignore[attr-defined]


class Walker(User):
    wait_time = constant(0.02)

    @task
    def step(self) -> None:
        self.environment.events.request.fire(request_type="STEP", name="step", response_time=1.0, response_length=1)


environment = Environment(user_classes=[Walker], events=Events(), host="http://walked.test")
if role == "worker":
    locust_cw.attach(environment, **options)
    worker = environment.create_worker_runner("127.0.0.1", port)
    worker.greenlet.join()
    environment.events.quit.fire(exit_code=0)
    sys.exit()

master = environment.create_master_runner("127.0.0.1", port)
while not master.worker_count:
    gevent.sleep(0.05)
for each in options:
    session = locust_cw.attach(environment, **each)
    master.start(2, spawn_rate=10)
    while environment.stats.total.num_requests < 50:
        gevent.sleep(0.05)
    master.stop()
    while master.state != "stopped":
        gevent.sleep(0.05)
try:
    locust_cw.attach(environment, namespace=":invalid")
    sys.exit("attach did not check the options of the next test")
except locust_cw.InvalidOptionError:
    pass
master.quit()
print(json.dumps([json.loads(receipt.json) for receipt in session.close()]))
