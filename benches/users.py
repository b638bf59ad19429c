"""The locustfile of `load.py`: users that report requests without making them, and users that make them.

It does not import locust_cw, so that it runs with and without. It creates the file of `--started` once all users run.
It writes to the file of `--timings`: the number of requests, the duration of the test, and the time from its end until
everything was done. The process can be stopped and continued. For each time that it was continued, the file has the
number of requests so far, and the CPU time of Locust's own thread and of all threads. It also has the 99th percentile
of the response times, before Locust's statistics round them, of requests that started after the last time.
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
FAIL_EVERY = 49  # about 2 %, in turn over all names
NAMES = itertools.cycle([f"/path/{number}" for number in range(10)])
# A median of 20 ms and a long tail, drawn in advance.
TIMES_MS = itertools.cycle([random.lognormvariate(math.log(20), 0.6) for _ in range(9_973)])
FAILURES = itertools.cycle([*[None] * (FAIL_EVERY - 1), RuntimeError("500 Server Error for url: /path")])

marks: dict[str, float] = {"continued": math.inf}
continued: list[tuple[int, float, float, float]] = []
"""Each time that the process was continued: requests, CPU seconds of Locust's thread and of all threads, the time."""
times_ms = array("d")


class Reporter(User):
    """Reports requests without making them, so that only Locust and its listeners run."""

    wait_time = constant(0)

    @task
    def report(self) -> None:
        """Report one request, or with a rate, the requests that are due."""
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
        """Report a request that ends now, as an HTTP client of Locust does."""
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
    """Makes requests as fast as the service responds."""

    wait_time = constant(0)

    @task
    def front_page(self) -> None:
        """Request the front page."""
        self.client.get("/")


@events.init_command_line_parser.add_listener
def add_options(parser: ArgumentParser, **_kwargs: object) -> None:
    """Add the options for the rate and the output files."""
    parser.add_argument("--rate", type=float, default=0, help="requests per second; 0 for the maximum")
    parser.add_argument("--timings", required=True, help="output file")
    parser.add_argument("--empty-listener", action="store_true", help="add an empty listener")
    parser.add_argument("--started", required=True, help="create this file once all users run")


@events.test_start.add_listener
def on_test_start(**_kwargs: object) -> None:
    """Store the start of the test."""
    marks["start"] = time.monotonic()


@events.test_stop.add_listener
def on_test_stop(**_kwargs: object) -> None:
    """Store the end of the test."""
    marks["stop"] = time.monotonic()


@events.request.add_listener
def on_request(response_time: float, start_time: float, **_kwargs: object) -> None:
    """Store the reported response time, unless the process was stopped during the request."""
    if start_time > marks["continued"]:
        times_ms.append(response_time)


def ignore(**_kwargs: object) -> None:
    """An empty listener."""


@events.init.add_listener
def on_init(environment: Environment, **_kwargs: object) -> None:
    """Record each time that the process is continued, and write the timings after all other listeners of `quit`."""
    options = environment.parsed_options
    assert options is not None  # noqa: S101 - the command line has been parsed

    def on_continue(*_: object) -> None:
        marks["continued"] = time.time()
        used = time.thread_time(), time.process_time()
        continued.append((environment.stats.total.num_requests, *used, time.monotonic()))

    def on_spawned(**_kwargs: object) -> None:
        Path(options.started).touch()

    def on_quit(**_kwargs: object) -> None:
        timings = {
            "requests": environment.stats.total.num_requests,
            "seconds": marks["stop"] - marks["start"],
            "noted": continued,
            "p99_ms": sorted(times_ms)[int(len(times_ms) * 0.99)] if times_ms else None,
            "seconds_after": time.monotonic() - marks["stop"],
        }
        Path(options.timings).write_text(json.dumps(timings), encoding="utf-8")

    if options.empty_listener:
        environment.events.request.add_listener(ignore)
    signal.signal(signal.SIGCONT, on_continue)
    environment.events.spawning_complete.add_listener(on_spawned)
    environment.events.quit.add_listener(on_quit)
