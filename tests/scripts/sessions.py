"""Tests of a program's own environment, one after another: `sessions.py WHAT OPTIONS`, with options as JSON.

What comes of it is printed as JSON. `names`: the run ids of two tests, where the first id is made twice. `closes`: of
three tests to be delivered, Ctrl-C ends the waiting for the first and the last, and the drain timeout the other.
`interrupted`: Ctrl-C while the exit handler delivers. `lingers`: the run id of one test, after whose end the program
goes on.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import time
from collections.abc import Callable
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


def close() -> dict[str, Any]:
    begun = time.monotonic()
    receipts = [json.loads(receipt.json) for receipt in session.close()]
    return {"run_ids": [each["run_id"] for each in receipts], "seconds": time.monotonic() - begun}


def names() -> Any:
    made = iter(["one", "one", "two"])
    _core.new_run_id = lambda: next(made)
    test()
    test()
    return close()["run_ids"]


def wait_for(condition: Callable[[], bool]) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + 20
    while not (met := condition()) and time.monotonic() < deadline:
        gevent.sleep(0.05)
    return met


def ctrl_c_is_pythons_own() -> bool:
    return signal.getsignal(signal.SIGINT) is signal.default_int_handler


def press_ctrl_c_while_it_waits() -> None:
    gevent.sleep(0.3)
    wait_for(lambda: not ctrl_c_is_pythons_own())
    os.kill(os.getpid(), signal.SIGINT)


def closes() -> Any:
    closes = []
    for drain_timeout, pressed in ((30, True), (3, False), (30, True)):
        locust_cw.attach(environment, **options, drain_timeout=drain_timeout)
        test()
        if pressed:
            gevent.spawn(press_ctrl_c_while_it_waits)
        closes.append(close())
    return {"closes": closes, "default": wait_for(ctrl_c_is_pythons_own)}


def interrupted() -> Any:
    def interrupt() -> Any:
        raise KeyboardInterrupt

    test()
    session._session.close = interrupt  # type: ignore[method-assign]  # noqa: SLF001 - what the exit handler calls


def many() -> Any:
    used = []
    for _ in range(20):
        test()
        gevent.sleep(0.3)
        used.append(psutil.Process().num_fds())
    test()

    def left() -> dict[str, Any]:
        gc.collect()
        there = gc.get_objects()
        return {
            "files": [used[0], psutil.Process().num_fds()],
            "greenlets": sum(isinstance(each, gevent.Greenlet) and not each.dead for each in there),
            "publishers": sum(isinstance(each, _core.Publisher) for each in there),
        }

    # What is delivered in the background is let go soon after.
    wait_for(lambda: left()["greenlets"] <= 2 and left()["publishers"] == 1)
    return {**left(), **close()}


def lingers() -> Any:
    test()
    run_ids = close()["run_ids"]
    gevent.sleep(2.5)
    return run_ids


ways = {"names": names, "many": many, "closes": closes, "interrupted": interrupted, "lingers": lingers}
print(json.dumps(ways[what]()))
