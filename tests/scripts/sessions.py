"""Tests of a program's own environment, one after another: `sessions.py WHAT OPTIONS`, with options as JSON.

What comes of it is printed as JSON. `names`: the run ids of two tests, where the first id is made twice. `closes`: of
three tests to be delivered, Ctrl-C ends the waiting for the first and the last. `interrupted`: Ctrl-C while the exit
handler delivers. `lingers`: the run id of one test, after whose end the program goes on.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import time
from typing import Any

import gevent
import psutil
from locust.env import Environment
from locust.event import Events

import locust_cw
from locust_cw import _core

what, options = sys.argv[1], json.loads(sys.argv[2])
environment = Environment(events=Events(), host="http://in.turn.test")
session = locust_cw.attach(environment, **options)


def test() -> None:
    environment.events.test_start.fire(environment=environment)
    environment.events.request.fire(request_type="GET", name="/", response_time=1.0, response_length=1)
    environment.events.test_stop.fire(environment=environment)


def close(**told: Any) -> dict[str, Any]:
    begun = time.monotonic()
    receipts = [json.loads(receipt.json) for receipt in session.close()]
    return {"run_ids": [each["run_id"] for each in receipts], "seconds": time.monotonic() - begun, **told}


def names() -> Any:
    made = iter(["one", "one", "two"])
    _core.new_run_id = lambda: next(made)
    test()
    test()
    return close()["run_ids"]


def closes() -> Any:
    told = []
    for after in (0.3, None, 0.3):
        test()
        if after is not None:
            gevent.spawn_later(after, os.kill, os.getpid(), signal.SIGINT)
        told.append(close(after=after))
    gevent.sleep(1.5)
    return {"closes": told, "default": signal.getsignal(signal.SIGINT) is signal.default_int_handler}


def interrupted() -> Any:
    def interrupt() -> Any:
        raise KeyboardInterrupt

    test()
    session.close = interrupt  # type: ignore[method-assign]


def many() -> Any:
    used = []
    for _ in range(20):
        test()
        gevent.sleep(0.3)
        used.append(psutil.Process().num_fds())
    test()
    gevent.sleep(2.5)
    gc.collect()
    companions = [each for each in gc.get_objects() if isinstance(each, gevent.Greenlet) and not each.dead]
    publishers = [each for each in gc.get_objects() if isinstance(each, _core.Publisher)]
    return {
        "files": [used[0], psutil.Process().num_fds()],
        "greenlets": len(companions),
        "publishers": len(publishers),
        **close(),
    }


def lingers() -> Any:
    test()
    run_ids = close()["run_ids"]
    gevent.sleep(2.5)
    return run_ids


ways = {"names": names, "many": many, "closes": closes, "interrupted": interrupted, "lingers": lingers}
print(json.dumps(ways[what]()))
