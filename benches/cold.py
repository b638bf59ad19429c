"""Measures the cost of one request event with cold caches, as in a load test.

    python benches/cold.py [--batches 60] [--json FILE]

Between two requests, Locust runs for a quarter of a millisecond, and evicts from the caches what a listener needs.
Here, other Python code and a walk through eight megabytes do so. The candidates take turns. `Publisher.record`, the
method with parameters, converts each request at once; the listener of a load test converts 64 requests together, and
its row is the mean over such batches. The times depend on how cold the caches are; compare rows of one run only.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geventhttpclient.response import HTTPResponse
from locust.contrib.fasthttp import FastResponse
from locust.event import EventHook

import figures
import locust_cw
from figures import Figure
from locust_cw import _core
from parts import Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOST = "http://service.example"
BATCH = 64
"""How many requests the listener converts together."""
EVICTED_BYTES = 8_000_000
"""More than the caches that a core has for itself."""
CACHE_LINE_BYTES = 64
NONE, EMPTY = "no listener", "an empty Python listener"
ONE_BY_ONE = "Publisher.record, all logs"
ALL, FAILURES = "the listener, all logs", "the listener, logs of failures"

memory = bytearray(EVICTED_BYTES)
zeros = bytes(EVICTED_BYTES // CACHE_LINE_BYTES)
texts = [json.dumps({"number": number, "list": [1, 2.5, None, {"text": f"x{number}"}]}) for number in range(8)]
pattern = re.compile(r"(\w+)=(\d+);")


def ignore(**_kwargs: object) -> None:
    """An empty listener."""


def evict() -> None:
    """Do what evicts the code and data of a listener."""
    memory[::CACHE_LINE_BYTES] = zeros
    for text in texts:
        json.dumps(json.loads(text))
    pattern.findall("a=1;b=22;ccc=333;" * 5)


def request(number: int) -> dict[str, Any]:
    """A request as `FastHttpUser` reports it."""
    response, answer = object.__new__(FastResponse), HTTPResponse()
    answer.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    response._response = answer  # type: ignore[assignment]
    return {
        "request_type": "GET",
        "name": f"/product/{number % 10}",
        "context": {},
        "response": response,
        "exception": None,
        "start_time": time.time() - 0.02,
        "url": f"{HOST}/product/17",
        "response_length": 6_000 + number % 7,
        "response_time": 20.0 + number % 100 / 7,
    }


@contextmanager
def publisher(**options: object) -> Iterator[_core.Publisher]:
    """A run without AWS."""
    with tempfile.TemporaryDirectory(prefix="locust-cw-bench-") as spool:
        run = _core.Publisher(
            {"live": True, "dry_run": True, "spool_dir": spool, **options},
            run_id=_core.new_run_id(),
            worker="bench",
            host=HOST,
        )
        yield run
        run.finish()


def batch_us(hooks: dict[str, EventHook]) -> dict[str, float]:
    """Microseconds per event of each hook over one batch, in turns of random order."""
    took_ns = dict.fromkeys(hooks, 0)
    order = list(hooks)
    for number in range(BATCH):
        random.shuffle(order)
        for name in order:
            evict()
            event, hook = request(number), hooks[name]
            begun = time.thread_time_ns()
            hook.fire(**event)
            took_ns[name] += time.thread_time_ns() - begun
    return {name: took / BATCH / 1_000 for name, took in took_ns.items()}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, default=60, help="batches per candidate (default: %(default)s)")
    figures.add_option(parser)
    options = parser.parse_args()
    with ExitStack() as stack:
        runs = {logs: stack.enter_context(publisher(logs=logs)) for logs in ("all", "failures")}
        listeners: dict[str, Callable[..., None] | None] = {
            NONE: None,
            EMPTY: ignore,
            ONE_BY_ONE: runs["all"].record,
            ALL: runs["all"].request_listener(),
            FAILURES: runs["failures"].request_listener(),
        }
        hooks = {name: EventHook() for name in listeners}
        for name, listener in listeners.items():
            if listener is not None:
                hooks[name].add_listener(listener)
        rounds = [batch_us(hooks) for _ in range(options.batches)]
    print(f"locust_cw in {Path(locust_cw.__file__).parent}\n{'one request event, us':38}{'whole':>8}{'added':>16}")
    added = {name: Estimate.of_trimmed_mean([each[name] - each[NONE] for each in rounds]) for name in hooks}
    for name in hooks:
        print(f"{name:38}{statistics.median(each[name] for each in rounds):8.2f}{added[name].shown(2):>16}")
    peers = f"converted at once {added[ONE_BY_ONE].value:.1f}; an empty Python listener {added[EMPTY].value:.1f}"
    cold = "request hook with cold caches, us"
    figures.write(
        options.json,
        [
            Figure(cold, added[ALL].shown(1), peers=peers),
            Figure(f"{cold}, --cw-logs failures", added[FAILURES].shown(1)),
        ],
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
