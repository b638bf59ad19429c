"""Load from start to stop many times in one process: `cycles.py WHAT OPTIONS CYCLES`, with options as JSON.

`tests`: of one environment, one after another. `environments`: each with one of its own. `publishers`: without Locust.
After a few, and after each third of the others, a line of JSON tells what the process holds.
"""

from __future__ import annotations

import gevent.monkey

gevent.monkey.patch_all()

import ctypes
import gc
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import gevent
import psutil
from locust import User, constant, task
from locust.env import Environment
from locust.event import EventHook, Events

import locust_cw

what, options, cycles = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
WARM_UP = 10
REQUESTS = 20


class Walker(User):
    wait_time = constant(0)

    @task
    def step(self) -> None:
        events = self.environment.events
        events.request.fire(request_type="STEP", name="step", response_time=1.0, response_length=1, exception=None)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("waited in vain")
        gevent.sleep(0.01)


def walk(environment: Environment) -> None:
    """One test."""
    runner = environment.runner or environment.create_local_runner()
    environment.stats.reset_all()
    runner.start(2, spawn_rate=100)
    wait_until(lambda: environment.stats.total.num_requests >= REQUESTS)
    assert is_monitored()
    runner.stop()


def tests() -> Iterator[None]:
    environment = Environment(user_classes=[Walker], events=Events(), host="http://walked.test")
    session = locust_cw.attach(environment, **options)
    while True:
        walk(environment)
        session.close()
        yield


def environments() -> Iterator[None]:
    while True:
        environment = Environment(user_classes=[Walker], events=Events(), host="http://walked.test")
        session = locust_cw.attach(environment, **options)
        walk(environment)
        session.close()
        assert environment.runner
        environment.runner.quit()
        del environment, session
        yield


def publishers() -> Iterator[None]:
    while True:
        with locust_cw.Publisher(host="http://walked.test", **options) as publisher:
            for _ in range(REQUESTS):
                publisher.record("STEP", "step", 1.0)
        yield


def is_monitored() -> bool:
    """Whether a greenlet of ours still monitors a test. One does until its test has ended and the next has begun."""
    return any("monitor_loop" in repr(each) for each in gc.get_objects() if is_running(each))


def is_quiet() -> bool:
    """Whether no greenlet of a finished test is left, and no thread."""
    monitored = is_monitored()
    before = psutil.Process().num_threads()
    gevent.sleep(0.2)
    return not monitored and psutil.Process().num_threads() == before


def is_running(thing: object) -> bool:
    return isinstance(thing, gevent.Greenlet) and not thing.dead


def give_back() -> None:
    """Make the allocator return free memory to the system, if it can."""
    gc.collect()
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def held() -> dict[str, Any]:
    """What there is of all that a process can have too much of."""
    wait_until(is_quiet)
    give_back()
    there = gc.get_objects()
    process = psutil.Process()
    ours = Counter(type(each).__name__ for each in there if str(type(each).__module__).startswith("locust_cw."))
    return {
        "files": process.num_fds(),
        "threads": process.num_threads(),
        "greenlets": sum(map(is_running, there)),
        "listeners": sum(len(each._handlers) for each in there if isinstance(each, EventHook)),  # noqa: SLF001
        "ours": ours,
        "bytes": process.memory_full_info().uss,
    }


cycle = {"tests": tests, "environments": environments, "publishers": publishers}[what]()
next(cycle)
for number in range(2, cycles + 1):
    next(cycle)
    if number in [WARM_UP + (cycles - WARM_UP) * third // 3 for third in range(4)]:
        print(json.dumps(held()), flush=True)
