"""Simulates the API calls of a distributed test, without AWS and with the same result in every run.

    python benches/fleet.py [--workers 1 10 100 1000] [--rate 500] [--names 20] [--minutes 5] [--seed 1]

Each worker publishes as `src/delivery/lane.rs` does: two lanes, metrics and logs, each with its own jittered flush
interval, up to four calls at once, and the pauses of `src/delivery/retry.rs` after a throttled call. Locust starts and
stops all workers of a test within moments. A master publishes too. In each second, the account accepts as many calls as
its quota allows, and throttles the rest. The first tables are for tests with `--cw-live`, with the defaults and with
one change each. The last table is for tests that publish at their end.
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import count

# From src/delivery/pacing.rs, src/delivery/limits.rs, src/delivery/retry.rs and src/ingest/worker.rs.
FLUSH_INTERVAL_S = 5.0
JITTER = 0.1
CALLS_AT_ONCE = 4
DATUMS_PER_CALL = 1_000
METRICS_CALL_BYTES = 999_000
EVENTS_PER_CALL = 10_000
LOGS_CALL_BYTES = 1_048_576
THROTTLED_BASE_S, THROTTLED_CAP_S = 1.0, 20.0
GRACE_S = 0.02

# Quotas of an account: calls per second in a Region.
QUOTAS = {"PutMetricData": 500, "PutLogEvents": 5_000, "CreateLogStream": 50}
ANSWER_S = 0.1

# USD as of 2026-11: a call, a GB of logs (Standard, us-east-1), a metric per month in the first tier.
PUT_METRIC_DATA = 0.01 / 1000
LOGS_PER_GB = 0.50
METRIC_PER_HOUR = 0.30 / 730
GB = 1024**3

# Bytes of a datum and of a log event, as they count towards the limits.
DATUM_BYTES = 500
EVENT_BYTES = 300
FULL_DATUM_VALUES = 150
METRICS_PER_SERIES = 5
HEALTH_DATUMS = 2
FAILING_NAMES = 0.25

START_WITHIN_S = 0.5
"""Locust sends its first message to all workers, one after the other."""

WARM_UP_S = 60.0
"""End of the start phase; the steady state follows."""


class Lane(Enum):
    """A kind of data with its own calls."""

    METRICS = "PutMetricData"
    LOGS = "PutLogEvents"


@dataclass(frozen=True)
class Load:
    """The load of one worker."""

    requests_per_s: float
    names: int

    @property
    def items_per_s(self) -> dict[Lane, float]:
        """Datums and log events per second."""
        # One datum per metric with data; the response times of the roll-up need several.
        roll_up = (
            METRICS_PER_SERIES - 1 + math.ceil(min(self.requests_per_s, 3 * FULL_DATUM_VALUES) / FULL_DATUM_VALUES)
        )
        busy = min(self.names, self.requests_per_s)
        datums = busy * (METRICS_PER_SERIES - 1 + FAILING_NAMES) + roll_up + HEALTH_DATUMS
        return {Lane.METRICS: datums, Lane.LOGS: self.requests_per_s}

    @property
    def metrics(self) -> float:
        """Number of metrics that AWS charges for, regardless of the number of workers."""
        of_the_master = 2
        return (self.names + 1) * METRICS_PER_SERIES + HEALTH_DATUMS + of_the_master


ITEMS_PER_CALL = {
    Lane.METRICS: min(DATUMS_PER_CALL, METRICS_CALL_BYTES // DATUM_BYTES),
    Lane.LOGS: min(EVENTS_PER_CALL, LOGS_CALL_BYTES // EVENT_BYTES),
}
FULL_ITEMS = {Lane.METRICS: METRICS_CALL_BYTES / DATUM_BYTES, Lane.LOGS: LOGS_CALL_BYTES / EVENT_BYTES}
"""Items of a full call, which a worker sends at once with `--cw-live`."""


@dataclass(frozen=True)
class Fleet:
    """The processes of a test, and how they publish."""

    workers: int
    load: Load
    seconds: float
    interval: float | None = FLUSH_INTERVAL_S
    jitter: float = JITTER
    first_flush_anywhere: bool = True


@dataclass(eq=False)
class Queue:
    """One lane of one process."""

    lane: Lane
    items_per_s: float
    windows: int
    """Number of windows that are already counted."""
    waiting: float = 0.0
    due: float = 0.0
    under_way: int = 0
    failures: int = 0
    not_before: float = 0.0
    has_stream: bool = False
    next_flush: float = 0.0

    def fill(self, now: float) -> None:
        """Add the items of closed windows, which close with the clock's second on every machine."""
        ended = math.floor(now - GRACE_S)
        self.waiting += self.items_per_s * (ended - self.windows)
        self.windows = ended

    def full_at(self) -> float:
        """Time at which there is enough for a full call, which is sent at once with `--cw-live`."""
        lacking = (FULL_ITEMS[self.lane] - self.waiting) / self.items_per_s
        # Sums of many equal parts have rounding errors, and so do sums of times.
        return self.windows + max(math.ceil(lacking - 1e-9), 1) + GRACE_S + 1e-6

    def take(self) -> float:
        """Take the items of one call."""
        items = min(self.due, ITEMS_PER_CALL[self.lane])
        self.waiting -= items
        self.due -= items
        return items

    def put_back(self, items: float) -> None:
        """Return the items of a throttled call."""
        self.waiting += items
        self.due += items


@dataclass
class Outcome:
    """The result of a simulation."""

    fleet: Fleet
    tried: dict[str, Counter[int]] = field(default_factory=lambda: {operation: Counter() for operation in QUOTAS})
    taken: dict[str, Counter[int]] = field(default_factory=lambda: {operation: Counter() for operation in QUOTAS})
    last_s: float = 0.0

    def calls(self, operation: str, begin: float, end: float) -> list[int]:
        """Calls in each second of a period, including throttled ones."""
        return [self.tried[operation][second] for second in range(int(begin), max(math.ceil(end), int(begin) + 1))]

    def mean(self, operation: str) -> float:
        """Accepted calls per second in the steady state."""
        seconds = range(int(WARM_UP_S), int(self.fleet.seconds))
        return sum(self.taken[operation][second] for second in seconds) / len(seconds)

    def peaks(self, operation: str) -> tuple[int, int, int]:
        """Calls in the worst second of the start, the steady state and the end."""
        seconds = self.fleet.seconds
        steady_end = seconds - 1
        return (
            max(self.calls(operation, 0, WARM_UP_S)),
            max(self.calls(operation, WARM_UP_S, steady_end)),
            max(self.calls(operation, steady_end, self.last_s)),
        )

    @property
    def throttled(self) -> int:
        """Throttled calls of all operations."""
        return sum(self.tried[operation].total() - self.taken[operation].total() for operation in QUOTAS)

    @property
    def seconds_after(self) -> float:
        """Seconds from the end of the test to the last delivery."""
        return self.last_s - self.fleet.seconds

    @property
    def logs_per_hour(self) -> float:
        """USD per hour for log events."""
        load = self.fleet.load
        return self.fleet.workers * load.requests_per_s * EVENT_BYTES * 3600 / GB * LOGS_PER_GB


def simulate(fleet: Fleet, seed: int) -> Outcome:
    """Simulate a test and its drain."""
    return _Simulation(fleet, random.Random(seed)).run()  # noqa: S311 - a simulation


class _Simulation:
    """Events, sorted by time."""

    def __init__(self, fleet: Fleet, chance: random.Random) -> None:
        self._fleet = fleet
        self._chance = chance
        self._outcome = Outcome(fleet)
        self._events: list[tuple[float, int, str, Queue, float]] = []
        self._number = count()
        # The master's gauges and life-cycle events.
        master = {Lane.METRICS: HEALTH_DATUMS + 2.0, Lane.LOGS: 0.01}
        for worker in range(fleet.workers + 1):
            start = self._chance.uniform(0, START_WITHIN_S)
            for lane in Lane:
                queue = Queue(lane, (fleet.load.items_per_s if worker else master)[lane], math.floor(start))
                if fleet.interval is not None:
                    self._flush_at(start + self._first_flush(), queue)
                    self._look_for_full_call(queue)
                self._at(fleet.seconds + self._chance.uniform(0, START_WITHIN_S), "drain", queue)

    def _first_flush(self) -> float:
        interval = self._fleet.interval or 0.0
        return self._chance.uniform(0, interval) if self._fleet.first_flush_anywhere else self._jittered(interval)

    def _jittered(self, interval: float) -> float:
        return interval * (1 + self._fleet.jitter * self._chance.uniform(-1, 1))

    def _at(self, time: float, what: str, queue: Queue, items: float = 0.0) -> None:
        heapq.heappush(self._events, (time, next(self._number), what, queue, items))

    def _flush_at(self, time: float, queue: Queue) -> None:
        queue.next_flush = time
        self._at(time, "flush", queue)

    def _look_for_full_call(self, queue: Queue) -> None:
        if (full_at := queue.full_at()) < queue.next_flush:
            self._at(full_at, "full", queue)

    def run(self) -> Outcome:
        while self._events:
            now, _, what, queue, items = heapq.heappop(self._events)
            if what in ("flush", "full", "drain"):
                queue.fill(min(now, self._fleet.seconds))
            running = now < self._fleet.seconds
            match what:
                case "flush" if running:
                    queue.due = queue.waiting
                    self._flush_at(now + self._jittered(self._fleet.interval or 0.0), queue)
                case "full" if running and queue.waiting >= FULL_ITEMS[queue.lane]:
                    queue.due = queue.waiting
                case "drain":
                    queue.due = queue.waiting
                case "taken":
                    queue.under_way -= 1
                    queue.failures = 0
                    queue.not_before = now
                    self._outcome.last_s = max(self._outcome.last_s, now)
                case "throttled":
                    queue.under_way -= 1
                    queue.put_back(items)
                    queue.failures += 1
                    queue.not_before = now + self._pause(queue.failures)
                    self._at(queue.not_before, "again", queue)
            self._send(queue, now)
            if what in ("flush", "full") and running:
                self._look_for_full_call(queue)
        return self._outcome

    def _pause(self, failures: int) -> float:
        return min(THROTTLED_BASE_S * (1 << min(failures - 1, 16)), THROTTLED_CAP_S) * self._chance.random()

    def _send(self, queue: Queue, now: float) -> None:
        at_once = 1 if queue.failures else CALLS_AT_ONCE
        while queue.under_way < at_once and now >= queue.not_before and queue.due > 0:
            items = queue.take()
            taken = self._ask(queue, now)
            queue.under_way += 1
            self._at(now + ANSWER_S, "taken" if taken else "throttled", queue, items)

    def _ask(self, queue: Queue, now: float) -> bool:
        if queue.lane is Lane.LOGS and not queue.has_stream:
            queue.has_stream = self._call("CreateLogStream", now)
            if not queue.has_stream:
                return False
        return self._call(queue.lane.value, now)

    def _call(self, operation: str, now: float) -> bool:
        second = int(now)
        self._outcome.tried[operation][second] += 1
        taken = self._outcome.taken[operation][second] < QUOTAS[operation]
        self._outcome.taken[operation][second] += taken
        return taken


def main() -> int:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 10, 100, 1_000], help="numbers of workers")
    parser.add_argument("--rate", type=float, default=500, help="requests/s of each worker (default: %(default)g)")
    parser.add_argument("--names", type=int, default=20, help="request names (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=5, help="length of the test (default: %(default)g)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random numbers (default: %(default)s)")
    arguments = parser.parse_args()

    load = Load(arguments.rate, arguments.names)
    fleets = [Fleet(workers, load, arguments.minutes * 60) for workers in arguments.workers]
    datums = load.items_per_s[Lane.METRICS]
    print(
        f"Each worker: {load.requests_per_s:g} requests/s under {load.names} names, {datums:g} datums/s, "
        f"{load.requests_per_s * EVENT_BYTES / 1e3:,.0f} kB/s of log events. {arguments.minutes:g} minutes."
    )
    variants = {
        "Defaults": fleets,
        "With --cw-flush-interval 60": [replace(fleet, interval=60.0) for fleet in fleets],
        "With the first flush one interval after the start": [
            replace(fleet, first_flush_anywhere=False) for fleet in fleets
        ],
        "The same without jitter": [replace(fleet, jitter=0.0, first_flush_anywhere=False) for fleet in fleets],
    }
    for what, these in variants.items():
        print(f"\n{what}")
        print_live([simulate(fleet, arguments.seed) for fleet in these])
    print("\nWithout --cw-live, when the test is over")
    print_end([simulate(replace(fleet, interval=None), arguments.seed) for fleet in fleets])
    print(f"\nMetrics add {load.metrics * METRIC_PER_HOUR:.2f} USD per hour, regardless of the number of workers.")
    return 0


def table(columns: dict[str, int], rows: list[list[str]]) -> None:
    """Print a table with columns of these widths."""
    for cells in (list(columns), *rows):
        print("".join(f"{cell:>{width}}" for cell, width in zip(cells, columns.values(), strict=True)))


def print_live(outcomes: list[Outcome]) -> None:
    """Print the calls during the test."""
    columns = {"workers": 7, "metrics/s": 10, "quota": 7, "peaks/s": 18, "logs/s": 8, "quota ": 7, "peaks/s ": 19}
    columns |= {"throttled": 10, "after s": 8, "calls/h": 9, "USD/h": 7, "logs USD/h": 11}
    rows = []
    for outcome in outcomes:
        cells = [f"{outcome.fleet.workers:,}"]
        for lane in Lane:
            mean = outcome.mean(lane.value)
            peaks = " ".join(f"{peak:,}" for peak in outcome.peaks(lane.value))
            cells += [f"{mean:,.1f}", f"{mean / QUOTAS[lane.value]:.1%}", peaks]
        calls = outcome.mean(Lane.METRICS.value) * 3600
        cells += [f"{outcome.throttled:,}", f"{outcome.seconds_after:.1f}", f"{calls:,.0f}"]
        rows.append([*cells, f"{calls * PUT_METRIC_DATA:.2f}", f"{outcome.logs_per_hour:,.2f}"])
    table(columns, rows)


def print_end(outcomes: list[Outcome]) -> None:
    """Print the calls of tests that publish at their end."""
    columns = {"workers": 7, "PutMetricData": 15, "PutLogEvents": 14, "throttled": 11, "after s": 9}
    rows = [
        [
            f"{outcome.fleet.workers:,}",
            *(f"{outcome.taken[lane.value].total():,}" for lane in Lane),
            f"{outcome.throttled:,}",
            f"{outcome.seconds_after:.1f}",
        ]
        for outcome in outcomes
    ]
    table(columns, rows)


if __name__ == "__main__":
    sys.exit(main())
