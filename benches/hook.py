"""What one request event costs: with no listener, with an empty one in Python, and with locust-cw.

    python benches/hook.py [--rounds 400]

Fired through Locust's own `EventHook.fire` in short bursts with pauses, as the rate of a real generator leaves them:
what is measured is the hook, and not how fast the threads behind it empty the queue. The kinds take turns, so that a
noisy machine is noisy for all of them. Then the same beside a Python thread that is never idle. Compare the rows; the
numbers are this machine's.
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
METRICS, LOGS, SLOW = "locust-cw, metrics", "locust-cw, metrics and logs", "locust-cw, while AWS does not answer"
WRAPPED = "the same from a Python listener"


def ignore(**_kwargs: object) -> None:
    """Listen, and do nothing."""


def burst_ns(hook: EventHook) -> float:
    """Nanoseconds per event over one burst."""
    request = REQUEST | {"start_time": time.time()}
    start = time.perf_counter_ns()
    for _ in range(EVENTS_PER_BURST):
        hook.fire(**request)
    return (time.perf_counter_ns() - start) / EVENTS_PER_BURST


@contextmanager
def listening(**options: object) -> Iterator[EventHook]:
    """A hook with locust-cw's listener, in a run of its own."""
    with tempfile.TemporaryDirectory(prefix="locust-cw-bench-") as spool:
        publisher = _core.Publisher(
            {"live": True, "spool_dir": spool, **options}, run_id=_core.new_run_id(), worker="bench", host=HOST
        )
        hook = EventHook()
        hook.add_listener(publisher.record)
        try:
            yield hook
        finally:
            publisher.finish()


def wrapped(hook: EventHook) -> EventHook:
    """A hook whose listener is a function of Python's that calls the one of another."""
    (record,) = hook._handlers  # noqa: SLF001 - Locust has no other way to ask

    def listener(**request: object) -> None:
        record(**request)

    outer = EventHook()
    outer.add_listener(listener)
    return outer


@contextmanager
def silent_server() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def busy_thread() -> Iterator[None]:
    """A Python thread that takes the GIL whenever it gets it."""
    over = False

    def work() -> None:
        while not over:
            sum(range(1_000))

    # Locust has patched `threading`: this is a thread all the same.
    working = gevent.get_hub().threadpool.spawn(work)
    try:
        yield
    finally:
        over = True
        working.get()


def measure(hooks: dict[str, EventHook], rounds: int) -> dict[str, float]:
    """The median of each, in nanoseconds per event."""
    measured: dict[str, list[float]] = {what: [] for what in hooks}
    for _ in range(rounds):
        for what, hook in hooks.items():
            measured[what].append(burst_ns(hook))
            time.sleep(PAUSE_S)
    return {what: statistics.median(each) for what, each in measured.items()}


def show(title: str, medians: dict[str, float]) -> None:
    """Print what each adds to an event, and that in empty listeners."""
    none, empty = medians[NONE], medians[EMPTY]
    print(f"\n{title:38}{'ns':>8}{'added':>8}{'ratio':>8}")
    for what, median in medians.items():
        added = median - none
        print(f"{what:38}{median:8,.0f}{added:8,.0f}{added / (empty - none):8.2f}")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=400, help="bursts of each kind (default: %(default)s)")
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
            show("beside a busy Python thread", measure(hooks, rounds // 20))
    return 0


if __name__ == "__main__":
    sys.exit(main())
