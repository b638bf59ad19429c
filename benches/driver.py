"""Drives a run of the core without Locust: synthetic requests, published to a sink."""

from __future__ import annotations

import itertools
import math
import random
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import sink
from locust_cw import _core

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "http://service.example"
FAIL_EVERY = 49  # about 2 %, in turn over all names
POLL_S = 0.002

# A median of 20 ms and a long tail, drawn in advance.
TIMES_MS = [random.Random(1).lognormvariate(math.log(20), 0.6) for _ in range(9_973)]  # noqa: S311 - a simulation
ERROR = RuntimeError("500 Server Error for url: /path")


@contextmanager
def run(url: str, *, measured_from: float | None = None, **options: object) -> Iterator[_core.Publisher]:
    """A run that publishes to a sink, with its own spool. With `measured_from`, it is that of a worker."""
    with tempfile.TemporaryDirectory(prefix="locust-cw-bench-") as spool:
        yield _core.Publisher(
            {**sink.OPTIONS, "endpoint_url": url, "spool_dir": spool, "spool_max_mb": 8_192, **options},
            run_id=_core.new_run_id(),
            worker="bench",
            host=HOST,
            measured_from=measured_from,
        )


class Load:
    """Requests with a number of names, in turn."""

    def __init__(self, publisher: _core.Publisher, names: int) -> None:
        """Start with the first name."""
        self.recorded = 0
        self._publisher = publisher
        self._names = itertools.cycle([f"/path/{number}" for number in range(names)])
        self._times_ms = itertools.cycle(TIMES_MS)
        self._failures = itertools.cycle([*[None] * (FAIL_EVERY - 1), ERROR])

    def record(self, number: int) -> None:
        """Record requests that end now; wait if the queue is full."""
        record = self._publisher.record
        for _ in range(number):
            while not self._publisher.has_room:
                time.sleep(POLL_S)
            response_time = next(self._times_ms)
            record(
                request_type="GET",
                name=next(self._names),
                response_time=response_time,
                response_length=6_000,
                exception=next(self._failures),
                context={},
                start_time=time.time() - response_time / 1000,
                url=f"{HOST}/path",
            )
        self.recorded += number


def hold(loads: dict[Load, float], seconds: float, tick_s: float = 0.01) -> None:
    """Hold each load at its rate, in requests per second, for a time."""
    begun = time.monotonic()
    already = {load: load.recorded for load in loads}
    while (elapsed := time.monotonic() - begun) < seconds:
        for load, rate in loads.items():
            due = int(rate * elapsed) - (load.recorded - already[load])
            load.record(max(due, 0))
        time.sleep(tick_s)


def deliver(publisher: _core.Publisher, deadline_s: float = 120) -> float:
    """Close the run, wait until everything is delivered, and return the time that it took."""
    begun = time.monotonic()
    publisher.seal()
    while not publisher.progress().over:
        if time.monotonic() - begun > deadline_s:
            raise TimeoutError(
                f"The sink did not get everything within {deadline_s:g} s: {publisher.progress().left} are left"
            )
        time.sleep(POLL_S)
    return time.monotonic() - begun
