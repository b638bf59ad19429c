"""A locustfile for `parts.py`, used with `users.py`: changes the listeners of the `request` event during a test.

First, locust-cw's listener stays, and the script measures the CPU time of each thread over some windows. Then there is
no listener or locust-cw's, and in every fourth round also an empty Python listener, in turns of 20 ms in random order,
and the script measures the CPU time of Locust's own thread. The results go to the file of `--parts`. If measuring
fails, the process exits with a code other than zero.
"""

from __future__ import annotations

import itertools
import json
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
from locust import events

from locust_cw._plugin.run import TestRun

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable

    from locust.env import Environment

SETTLE_S = 6
"""Warm-up: longer than the flush interval, so that publishing is in its steady state."""
TURN_S = 0.02
EMPTY_EVERY = 4
"""Rounds from one with the empty listener to the next: it is for comparison only, and its turns take time."""
QUEUE_THREAD = "locust-cw-queue"
"""Linux keeps 15 characters of a thread's name."""


def ignore(**_kwargs: object) -> None:
    """An empty listener."""


@events.init_command_line_parser.add_listener
def add_options(parser: ArgumentParser, **_kwargs: object) -> None:
    """Add the options for the output file and the durations."""
    parser.add_argument("--parts", required=True, help="output file")
    parser.add_argument("--windows", type=int, required=True, help="number of windows with one listener")
    parser.add_argument("--window-seconds", type=float, required=True, help="length of such a window")
    parser.add_argument("--turns-seconds", type=float, required=True, help="duration of the turns")


@events.init.add_listener
def on_init(environment: Environment, **_kwargs: object) -> None:
    """Measure once all users run, and then end the test."""

    def measure() -> None:
        environment.process_exit_code = 1
        try:
            write_parts(environment)
            environment.process_exit_code = 0
        finally:
            assert environment.runner is not None  # noqa: S101 - the test runs
            environment.runner.quit()

    environment.events.spawning_complete.add_listener(lambda **_kwargs: gevent.spawn(measure))


def write_parts(environment: Environment) -> None:
    """Measure, and write the file."""
    options, hook = environment.parsed_options, environment.events.request
    assert options is not None  # noqa: S101 - the command line has been parsed
    (ours,) = (each for each in hook._handlers if is_ours(each))  # noqa: SLF001 - Locust has no public access to listeners
    gevent.sleep(SETTLE_S)
    windows = [by_thread(environment, options.window_seconds) for _ in range(options.windows)]
    run = TestRun.latest()
    assert run is not None  # noqa: S101 - the test runs
    hook.remove_listener(ours)
    try:
        listeners = {"none": None, "empty": ignore, "ours": ours}
        rounds = in_turns(environment, listeners, options.turns_seconds, run.publisher.progress)
    finally:
        hook.add_listener(ours)
    Path(options.parts).write_text(json.dumps({"windows": windows, "rounds": rounds}), encoding="utf-8")


def is_ours(listener: Callable[..., Any]) -> bool:
    """Whether a listener is locust-cw's."""
    return getattr(listener, "__name__", "") == "record_request"


def by_thread(environment: Environment, seconds: float) -> dict[str, float]:
    """Microseconds of CPU time per request over a window with one listener, by thread."""
    before = processor_times_s()
    requests = environment.stats.total.num_requests
    gevent.sleep(seconds)
    number = environment.stats.total.num_requests - requests
    own, queue, everything = (
        (later - sooner) / number * 1e6 for sooner, later in zip(before, processor_times_s(), strict=True)
    )
    # The sum includes threads that have ended.
    return {"locust": own, "queue": queue, "senders": everything - own - queue}


def processor_times_s() -> tuple[float, float, float]:
    """Seconds of CPU time so far: of Locust's own thread, of the one that empties the queue, and of all threads."""
    threads = Path("/proc/self/task").iterdir()
    (queue,) = (each for each in threads if (each / "comm").read_text(encoding="utf-8").startswith(QUEUE_THREAD))
    queue_ns = int((queue / "schedstat").read_text(encoding="utf-8").split()[0])
    return time.thread_time(), queue_ns / 1e9, time.process_time()


def in_turns(
    environment: Environment,
    listeners: dict[str, Callable[..., Any] | None],
    seconds: float,
    convert: Callable[[], object],
) -> list[dict[str, float]]:
    """Microseconds of Locust's own thread per request, by listener, for each round of turns."""
    hook, total = environment.events.request, environment.stats.total
    rounds: list[dict[str, float]] = []
    numbers = itertools.count()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        is_without_empty = next(numbers) % EMPTY_EVERY
        order = [name for name in listeners if name != "empty" or not is_without_empty]
        random.shuffle(order)
        took: dict[str, float] = {}
        for name in order:
            listener = listeners[name]
            if listener is not None:
                hook.add_listener(listener)
            requests, begun = total.num_requests, time.thread_time()
            gevent.sleep(TURN_S)
            if name == "ours":
                # It converts requests in batches. The last batch belongs to this turn.
                convert()
            made, used = total.num_requests - requests, time.thread_time() - begun
            if listener is not None:
                hook.remove_listener(listener)
            if made:
                took[name] = used / made * 1e6
        # A stalled machine may have made no request.
        if len(took) == len(order):
            rounds.append(took)
    return rounds
