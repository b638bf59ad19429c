"""Measures what browsers that show the CloudWatch tab cost the load test.

    python benches/live.py [--turns 61] [--turn-seconds 4] [--browsers 2] [--chromium] [--json FILE]

One Locust process has the web UI, and publishes metrics and all logs to a sink on this machine. In every other turn,
clients request what the page of each browser requests, as often and over one connection: new values every second, and
with every other request the state of the delivery. Each of these turns is compared with its neighbors, without the
outer tenth of the differences at either end. All threads of Locust share one core; service, sink and clients use the
other.

At full speed, requests per second and CPU time per request show the effect itself. At a constant low load, the CPU time
per second shows it more precisely: a process at full speed uses one core, so this share of a core is an upper bound.

With `--chromium`, real pages take the place of the clients. They stay open, and show Locust's statistics in the other
turns, because the page requests those in any case.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import figures
import locust_cw
from figures import Figure
from generator import ALL, OURS, SERVERS, TIMEOUT_S, Generator, full_speed, lost
from parts import MARGIN, Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TARGET = 0.005
"""Share of the requests per second, or of the CPU time per request."""
EVERY_S = 1.0
STATUS_EVERY = 2
RATE = 100
Watching = AbstractContextManager[None]
Turn = tuple[float, float, float]
"""Seconds, requests, and CPU seconds of all threads."""


class Client(threading.Thread):
    """Polls the live view as a page with charts does, while `is_watching` is set."""

    def __init__(self, port: int) -> None:
        """Do nothing yet."""
        super().__init__(daemon=True)
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        self.is_watching = threading.Event()
        self.received = 0

    def run(self) -> None:
        """Request new values every second."""
        known, number = "", 0
        while self.is_watching.wait():
            begun = time.monotonic()
            status = "" if number % STATUS_EVERY else "&status=1"
            self._connection.request("GET", f"/cloudwatch/live?{known}{status}")
            message = json.loads(self._connection.getresponse().read())
            known, number = f"run={message['run']}&since={message['load']['revision']}", number + 1
            self.received += len(message["load"]["seconds"])
            time.sleep(max(0.0, EVERY_S - (time.monotonic() - begun)))


@contextmanager
def clients(port: int, browsers: int) -> Iterator[Callable[[], Watching]]:
    """Clients that do nothing; yield what has them watch for a time."""
    each = [Client(port) for _ in range(browsers)]
    for number, client in enumerate(each):
        client.start()
        client.name = f"browser {number}"

    @contextmanager
    def watching() -> Iterator[None]:
        for client in each:
            client.is_watching.set()
        try:
            yield
        finally:
            for client in each:
                client.is_watching.clear()

    yield watching
    if not all(client.received for client in each):
        raise SystemExit("A client has received no values.")


@contextmanager
def pages(port: int, browsers: int) -> Iterator[Callable[[], Watching]]:
    """Pages of Chromium that show Locust's statistics; yield what has them show the charts for a time."""
    sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]
    from support.browser import LocustPage, chromium  # noqa: PLC0415 - only with that option

    with chromium() as browser:
        each = [LocustPage(browser, f"http://127.0.0.1:{port}/?tab=cloudwatch") for _ in range(browsers)]
        for page in each:
            page.page.locator("#locust-cw .cw-chart").first.wait_for()
            page.open_tab("Statistics")

        @contextmanager
        def watching() -> Iterator[None]:
            for page in each:
                page.open_tab()
            try:
                yield
            finally:
                for page in each:
                    page.open_tab("Statistics")

        yield watching


def free_port() -> int:
    """A port for the web UI."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def turns(generator: Generator, watching: Callable[[], Watching], number: int, seconds: float) -> None:
    """Watch in every other turn. The process notes its requests and CPU time before, between and after them."""
    generator.note()
    for turn in range(number):
        with ExitStack() as stack:
            if turn % 2:
                stack.enter_context(watching())
            time.sleep(seconds)
        generator.note()


def measured(folder: Path, options: list[str], arguments: argparse.Namespace) -> list[Turn]:
    """The turns of one test."""
    port = free_port()
    web = ["--autostart", "--web-host", "127.0.0.1", "--web-port", str(port), "--autoquit", "0"]
    minutes = arguments.turns * (arguments.turn_seconds + 1) / 60 + 2
    with full_speed(folder, OURS, [*web, *options, "--run-time", f"{minutes:.0f}m"], pinned=True) as generator:
        os.sched_setaffinity(0, {sorted(ALL)[SERVERS % len(ALL)]})
        watch = pages if arguments.chromium else clients
        with watch(port, arguments.browsers) as watching:
            time.sleep(arguments.turn_seconds)
            turns(generator, watching, arguments.turns, arguments.turn_seconds)
        generator.end()
        os.sched_setaffinity(0, ALL)
    if lost(json.loads((folder / "receipt.json").read_text(encoding="utf-8"))):
        raise SystemExit("Not everything was delivered.")
    noted = json.loads((folder / "timings.json").read_text(encoding="utf-8"))["noted"]
    # The end is noted, too.
    noted = noted[: arguments.turns + 1]
    if len(noted) <= arguments.turns:
        raise SystemExit("The process has not noted each turn.")
    return [(last[3] - first[3], last[0] - first[0], last[2] - first[2]) for first, last in pairwise(noted)]


def changes(found: list[Turn], value: Callable[[Turn], float]) -> tuple[float, Estimate]:
    """The median without browsers, and what browsers change of it: differences between neighbors."""
    values = [value(turn) for turn in found]
    neighbors = zip(values[1:-1:2], values[0:-2:2], values[2::2], strict=True)
    differences = [watched - (before + after) / 2 for watched, before, after in neighbors]
    return statistics.median(values[::2]), Estimate.of_trimmed_mean(differences)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=61, help="turns of each load, an odd number")
    parser.add_argument("--turn-seconds", type=float, default=4, help="duration of a turn")
    parser.add_argument("--browsers", type=int, default=2, help="number of browsers")
    parser.add_argument("--chromium", action="store_true", help="open pages in Chromium")
    figures.add_option(parser)
    arguments = parser.parse_args()
    if arguments.turns % 2 == 0 or arguments.turns < 7:  # noqa: PLR2004 - fewer have no spread
        parser.error("--turns: an odd number, at least 7")
    print(f"locust_cw in {Path(locust_cw.__file__).parent}, {arguments.browsers} browsers")
    with tempfile.TemporaryDirectory(prefix="locust-cw-bench-") as folder:
        fast = measured(Path(folder) / "fast", [], arguments)
        slow = measured(Path(folder) / "slow", ["Reporter", "--users", "1", "--rate", str(RATE)], arguments)
    rate, rate_change = changes(fast, lambda turn: turn[1] / turn[0])
    cpu, cpu_change = changes(fast, lambda turn: turn[2] / turn[1] * 1e6)
    base, share = changes(slow, lambda turn: turn[2] / turn[0])

    def figure(name: str, change: Estimate, whole: float) -> Figure:
        relative = Estimate(change.value / whole, change.error / whole)
        is_clear = abs(abs(relative.value) - TARGET) > MARGIN * relative.error
        met = abs(relative.value) <= TARGET if is_clear else None
        shown = f"{relative.value * 100:+.2f} +- {MARGIN * relative.error * 100:.2f} %"
        return Figure(name, shown, f"at most {TARGET * 100} %", met)

    browsers = f"{arguments.browsers} browsers on the tab"
    lines = [
        figure(f"{browsers}: requests/s at full speed", rate_change, rate),
        figure("... CPU time per request at full speed", cpu_change, cpu),
        figure(f"... CPU time at {RATE} requests/s, of a core", share, 1.0),
    ]
    print(f"without: {rate:,.0f} requests/s, {cpu:.0f} us of CPU time per request; {base * 1000:.1f} ms/s at {RATE}/s")
    figures.show(arguments.json, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
