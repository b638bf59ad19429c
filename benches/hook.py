"""What one request event costs: with no listener, with an empty one in Python, and with locust-cw.

Fired in bursts with pauses, as the rate of a real generator leaves them: what is measured is the hook, and not how fast
the threads behind it empty the queue. The kinds take turns, so that a noisy machine is noisy for all of them. Compare
the rows; the numbers are this machine's.
"""

from __future__ import annotations

import contextlib
import io
import statistics
import sys
import tempfile
import time
from pathlib import Path

import gevent
from locust.env import Environment
from locust.event import Events

import locust_cw

ROUNDS = 40
EVENTS_PER_ROUND = 2_000
PAUSE_S = 0.05

REQUEST = {
    "request_type": "GET",
    "name": "/product/[id]",
    "response_time": 12.345,
    "response_length": 6_000,
    "response": None,
    "context": {},
    "exception": None,
    "start_time": 0.0,
    "url": "http://service.example/product/17",
}


def ignore(**_kwargs: object) -> None:
    """Listen, and do nothing."""


def burst_ns(events: Events) -> float:
    """Nanoseconds per event over one burst."""
    request = REQUEST | {"start_time": time.time()}
    start = time.perf_counter_ns()
    for _ in range(EVENTS_PER_ROUND):
        events.request.fire(**request)
    return (time.perf_counter_ns() - start) / EVENTS_PER_ROUND


def published(spool: str, logs: str) -> tuple[Environment, Events]:
    """An environment in a running test that publishes nowhere."""
    environment = Environment(events=Events(), host="http://service.example")
    locust_cw.attach(environment, live=True, dry_run=True, logs=logs, spool_dir=f"{spool}/{logs}")
    runner = environment.create_local_runner()
    environment.events.init.fire(environment=environment, runner=runner, web_ui=None)
    environment.events.test_start.fire(environment=environment)
    return environment, environment.events


def main() -> int:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="locust-cw-bench-") as spool:
        bare, listening = Events(), Events()
        listening.request.add_listener(ignore)
        # Locust's own statistics listen in every row, as in a real test.
        runners = [Environment(events=events).create_local_runner() for events in (bare, listening)]
        metrics_environment, metrics = published(spool, "off")
        all_environment, everything = published(spool, "all")
        rows: dict[str, tuple[Events, list[float]]] = {
            "Locust alone": (bare, []),
            "an empty Python listener": (listening, []),
            "locust-cw, metrics": (metrics, []),
            "locust-cw, metrics and logs": (everything, []),
        }
        for _ in range(ROUNDS):
            for events, measured in rows.values():
                measured.append(burst_ns(events))
                gevent.sleep(PAUSE_S)
        alone = statistics.median(rows["Locust alone"][1])
        print(f"\nlocust_cw in {Path(locust_cw.__file__).parent}")
        print(f"\n{'one request event':32}{'ns':>8}{'added':>8}")
        for what, (_, measured) in rows.items():
            median = statistics.median(measured)
            print(f"{what:32}{median:8,.0f}{median - alone:8,.0f}")
        for runner in runners:
            runner.quit()
        with contextlib.redirect_stderr(io.StringIO()):  # the receipts
            for environment in (metrics_environment, all_environment):
                environment.events.test_stop.fire(environment=environment)
                environment.events.quit.fire(exit_code=0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
