"""The locustfile of `load.py`: users that report requests they never make, and users that make them.

It does not import locust_cw, so that it runs with and without. It makes the file named by `--started` once all users
are there. It writes to the file named by `--timings` how many requests there were, how long the test took, and how long
after its end everything was done. The process may be stopped and continued meanwhile. Of the first and the last time
that it was continued it writes how many requests there had been, and how much processor time Locust's own thread and
all threads had used; and the 99th percentile of the response times as Locust reports them, before its statistics round
them, of requests that began since it was continued last.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import signal
import time
from array import array
from pathlib import Path
from typing import TYPE_CHECKING

import gevent
from locust import FastHttpUser, User, constant, events, task

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from locust.env import Environment

TICK_S = 0.01
FAIL_EVERY = 49  # about 2 %, of each name in turn
NAMES = itertools.cycle([f"/path/{number}" for number in range(10)])
# A median of 20 ms and a long tail. Drawn ahead, so that drawing costs nothing.
TIMES_MS = itertools.cycle([random.lognormvariate(math.log(20), 0.6) for _ in range(9_973)])
FAILURES = itertools.cycle([*[None] * (FAIL_EVERY - 1), RuntimeError("500 Server Error for url: /path")])

marks: dict[str, float] = {"continued": math.inf}
continued: list[tuple[int, float, float]] = []
"""Each time that the process was: requests, seconds of processor time of Locust's own thread, and of all threads."""
times_ms = array("d")


class Reporter(User):
    """Reports requests: all there is to such a test is Locust and its listeners."""

    wait_time = constant(0)

    @task
    def report(self) -> None:
        """Report one request, or, at a given rate, what is due at each tick."""
        rate = self.environment.parsed_options.rate
        if not rate:
            self.report_one()
            return
        begun, reported = time.monotonic(), 0
        while True:
            due = int((time.monotonic() - begun) * rate)
            while reported < due:
                self.report_one()
                reported += 1
            gevent.sleep(TICK_S)

    def report_one(self) -> None:
        """Report a request that ends now, as an HTTP client of Locust's does."""
        response_time = next(TIMES_MS)
        self.environment.events.request.fire(
            request_type="GET",
            name=next(NAMES),
            response_time=response_time,
            response_length=6_000,
            response=None,
            context={},
            exception=next(FAILURES),
            start_time=time.time() - response_time / 1000,
            url="http://service.example/path",
        )


class Client(FastHttpUser):
    """Makes requests, as fast as they are answered."""

    wait_time = constant(0)

    @task
    def front_page(self) -> None:
        """Ask for the front page."""
        self.client.get("/")


@events.init_command_line_parser.add_listener
def add_options(parser: ArgumentParser, **_kwargs: object) -> None:
    """Add the rate, and the file for what is measured."""
    parser.add_argument("--rate", type=float, default=0, help="requests per second; 0 for as many as there can be")
    parser.add_argument("--timings", required=True, help="write what was measured to this file")
    parser.add_argument("--empty-listener", action="store_true", help="have a listener that does nothing")
    parser.add_argument("--started", required=True, help="make this file once all users are there")


@events.test_start.add_listener
def on_test_start(**_kwargs: object) -> None:
    """Remember when the test began."""
    marks["start"] = time.monotonic()


@events.test_stop.add_listener
def on_test_stop(**_kwargs: object) -> None:
    """Remember when the test ended."""
    marks["stop"] = time.monotonic()


@events.request.add_listener
def on_request(response_time: float, start_time: float, **_kwargs: object) -> None:
    """Keep the response time as it is reported, unless the process was stopped meanwhile."""
    if start_time > marks["continued"]:
        times_ms.append(response_time)


def ignore(**_kwargs: object) -> None:
    """Listen, and do nothing."""


@events.init.add_listener
def on_init(environment: Environment, **_kwargs: object) -> None:
    """Note whenever the process is continued, and write the timings at the very end, after all other listeners."""
    options = environment.parsed_options
    assert options is not None  # noqa: S101 - the command line has been parsed

    def on_continue(*_: object) -> None:
        marks["continued"] = time.time()
        continued.append((environment.stats.total.num_requests, time.thread_time(), time.process_time()))

    def on_spawned(**_kwargs: object) -> None:
        Path(options.started).touch()

    def on_quit(**_kwargs: object) -> None:
        timings = {
            "requests": environment.stats.total.num_requests,
            "seconds": marks["stop"] - marks["start"],
            "continued": [*continued[:1], *continued[-1:]],
            "p99_ms": sorted(times_ms)[int(len(times_ms) * 0.99)] if times_ms else None,
            "seconds_after": time.monotonic() - marks["stop"],
        }
        Path(options.timings).write_text(json.dumps(timings), encoding="utf-8")

    if options.empty_listener:
        environment.events.request.add_listener(ignore)
    signal.signal(signal.SIGCONT, on_continue)
    environment.events.spawning_complete.add_listener(on_spawned)
    environment.events.quit.add_listener(on_quit)
