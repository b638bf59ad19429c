"""Measures the cost of one request event: without a listener, with an empty Python listener, and with locust-cw.

    python benches/hook.py [--rounds 400]

Events are fired with Locust's own `EventHook.fire`, in short bursts with pauses, as in a load test. So the result is
the cost of the hook, and not of the threads behind it. The candidates take turns, so that a noisy machine affects all
of them. The second table is measured next to a busy Python thread. Compare rows of one run only.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import gevent
from locust.event import EventHook

import locust_cw
from locust_cw import _core

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENTS_PER_BURST = 250
PAUSE_S = 0.004
HOST = "http://service.example"
TARGET = 1.5

REQUEST = {
    "request_type": "GET",
    "name": "/product/[id]",
    "response_time": 12.345,
    "response_length": 6_000,
    "response": None,
    "context": {},
    "exception": None,
    "start_time": 0.0,
    "url": f"{HOST}/product/17",
}
NONE, EMPTY = "no listener", "an empty Python listener"
METRICS, LOGS, SLOW = "locust-cw, metrics", "locust-cw, metrics and logs", "locust-cw, while AWS does not respond"
WRAPPED = "the same from a Python listener"


def ignore(**_kwargs: object) -> None:
    """An empty listener."""


def burst_ns(hook: EventHook) -> float:
    """Nanoseconds per event over one burst."""
    request = REQUEST | {"start_time": time.time()}
    start = time.perf_counter_ns()
    for _ in range(EVENTS_PER_BURST):
        hook.fire(**request)
    return (time.perf_counter_ns() - start) / EVENTS_PER_BURST


@contextmanager
def listening(**options: object) -> Iterator[EventHook]:
    """A hook with locust-cw's listener, in its own run."""
    with tempfile.TemporaryDirectory(prefix="locust-cw-bench-") as spool:
        publisher = _core.Publisher(
            {"live": True, "spool_dir": spool, **options}, run_id=_core.new_run_id(), worker="bench", host=HOST
        )
        hook = EventHook()
        hook.add_listener(publisher.request_listener())
        try:
            yield hook
        finally:
            publisher.finish()


def wrapped(hook: EventHook) -> EventHook:
    """A hook whose listener is a Python function that calls the listener of another hook."""
    (record,) = hook._handlers  # noqa: SLF001 - Locust has no public access to listeners

    def listener(**request: object) -> None:
        record(**request)

    outer = EventHook()
    outer.add_listener(listener)
    return outer


@contextmanager
def silent_server() -> Iterator[str]:
    """A server that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def busy_thread() -> Iterator[None]:
    """A busy Python thread that competes for the GIL."""
    over = False

    def work() -> None:
        while not over:
            sum(range(1_000))

    # Locust has patched `threading`; this is a real thread.
    working = gevent.get_hub().threadpool.spawn(work)
    try:
        yield
    finally:
        over = True
        working.get()


def measure(hooks: dict[str, EventHook], rounds: int) -> dict[str, float]:
    """The median of each hook, in nanoseconds per event."""
    measured: dict[str, list[float]] = {what: [] for what in hooks}
    for _ in range(rounds):
        for what, hook in hooks.items():
            measured[what].append(burst_ns(hook))
            time.sleep(PAUSE_S)
    return {what: statistics.median(each) for what, each in measured.items()}


def show(title: str, medians: dict[str, float]) -> None:
    """Print what each listener adds to an event, also relative to an empty listener."""
    none, empty = medians[NONE], medians[EMPTY]
    print(f"\n{title:38}{'ns':>8}{'added':>8}{'ratio':>8}")
    for what, median in medians.items():
        added = median - none
        print(f"{what:38}{median:8,.0f}{added:8,.0f}{added / (empty - none):8.2f}")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=400, help="bursts per candidate (default: %(default)s)")
    rounds = parser.parse_args().rounds
    print(f"locust_cw in {Path(locust_cw.__file__).parent}; the target is a ratio of at most {TARGET}")
    empty = EventHook()
    empty.add_listener(ignore)
    with (
        silent_server() as url,
        listening(dry_run=True, logs="off") as metrics,
        listening(dry_run=True) as logs,
        listening(endpoint_url=url, region="eu-west-1") as slow,
    ):
        hooks = {NONE: EventHook(), EMPTY: empty, METRICS: metrics, LOGS: logs, WRAPPED: wrapped(logs), SLOW: slow}
        show("one request event", measure(hooks, rounds))
        with busy_thread():
            show("next to a busy Python thread", measure(hooks, rounds // 20))
    return 0


if __name__ == "__main__":
    sys.exit(main())
