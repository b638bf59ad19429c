"""A locustfile beside `users.py`, for `parts.py`: the listeners of the `request` event come and go in one test.

First locust-cw's is there for some seconds, and the processor time of each thread is noted. Then there is none, one
in Python that does nothing, or locust-cw's, in turns of a fiftieth of a second whose order is drawn anew each time,
and the processor time of Locust's own thread is noted with each. All of it goes to the file named by `--parts`.
"""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
from locust import events

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable

    from locust.env import Environment

SETTLE_S = 6
"""So long that log events and metrics are sent as they will be from then on: more than the flush interval."""
TURN_S = 0.02
OWN, OTHERS = "own", "others"
# Threads by what their names begin with, the longer first. Linux keeps 15 characters.
THREADS = {"locust-cw-intak": "queue", "locust-cw": "senders"}


def ignore(**_kwargs: object) -> None:
    """Listen, and do nothing."""


@events.init_command_line_parser.add_listener
def add_options(parser: ArgumentParser, **_kwargs: object) -> None:
    """Add the file for what is measured, and for how long it is."""
    parser.add_argument("--parts", required=True, help="write what was measured to this file")
    parser.add_argument("--steady-seconds", type=float, required=True, help="how long the listener stays at first")
    parser.add_argument("--turns-seconds", type=float, required=True, help="how long there are turns")


@events.spawning_complete.add_listener
def on_spawned(**_kwargs: object) -> None:
    """Begin once all users are there."""
    gevent.spawn(measure, environments[0])


environments: list[Environment] = []
events.init.add_listener(lambda environment, **_kwargs: environments.append(environment))


def measure(environment: Environment) -> None:
    """Measure, write, and end the test."""
    options, hook = environment.parsed_options, environment.events.request
    assert options is not None and environment.runner is not None  # noqa: S101, PT018 - the test runs
    (ours,) = (each for each in hook._handlers if is_ours(each))  # noqa: SLF001 - there is no other way to it
    gevent.sleep(SETTLE_S)
    steady = steadily(environment, options.steady_seconds)
    hook.remove_listener(ours)
    turns = in_turns(environment, {"none": None, "empty": ignore, "ours": ours}, options.turns_seconds)
    hook.add_listener(ours)
    Path(options.parts).write_text(json.dumps({"steady": steady, "turns": turns}), encoding="utf-8")
    environment.runner.quit()


def is_ours(listener: Callable[..., Any]) -> bool:
    """Whether a listener is locust-cw's."""
    return type(getattr(listener, "__self__", None)).__module__.startswith("locust_cw")


def steadily(environment: Environment, seconds: float) -> dict[str, float]:
    """Microseconds of processor time per request, by thread, while nothing changes."""
    requests, before = environment.stats.total.num_requests, by_thread()
    gevent.sleep(seconds)
    number = environment.stats.total.num_requests - requests
    return {name: (used - before.get(name, 0)) / 1000 / number for name, used in by_thread().items()}


def by_thread() -> dict[str, int]:
    """Nanoseconds of processor time so far, by what the threads do."""
    used: dict[str, int] = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            name = (task / "comm").read_text(encoding="utf-8")
            time_ns = int((task / "schedstat").read_text(encoding="utf-8").split()[0])
        except OSError:  # It has just ended.
            continue
        theirs = next((what for start, what in THREADS.items() if name.startswith(start)), OTHERS)
        what = OWN if task.name == str(os.getpid()) else theirs
        used[what] = used.get(what, 0) + time_ns
    return used


def in_turns(
    environment: Environment, listeners: dict[str, Callable[..., Any] | None], seconds: float
) -> list[dict[str, float]]:
    """Microseconds of Locust's own thread per request, by what listens, for each round of turns."""
    hook, total = environment.events.request, environment.stats.total
    rounds: list[dict[str, float]] = []
    order = list(listeners)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        random.shuffle(order)
        took: dict[str, float] = {}
        for name in order:
            listener = listeners[name]
            if listener is not None:
                hook.add_listener(listener)
            requests, begun = total.num_requests, time.thread_time()
            gevent.sleep(TURN_S)
            number, used = total.num_requests - requests, time.thread_time() - begun
            if listener is not None:
                hook.remove_listener(listener)
            if number:
                took[name] = used / number * 1e6
        # Where the machine stood still there may have been no request.
        if len(took) == len(listeners):
            rounds.append(took)
    return rounds
