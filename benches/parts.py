"""Measures how much CPU time locust-cw takes per request, in which thread, and with which log events.

    python benches/parts.py [--logs all failures off] [--windows 6] [--turns-seconds 60] [--json FILE]

One real `locust` process has users that send requests as fast as the service responds, and publishes metrics and log
events to a sink on this machine. Two equal processes differ by more than the effect to measure, and so do two moments
on a shared machine. Therefore the listener changes all the time within one process, and the result is the difference
between neighbors, without the outer tenth at either end. The CPU time of the other threads is read from the system
while locust-cw's listener stays. All threads share one core; service and sink use the other.

Each value has a range, within which the true value is with 95 % confidence, and the last row of the table says how long
a measurement has to be for +- 0.5 us: multiply `--windows` and `--turns-seconds` accordingly.

No request fails, so with `--logs failures` no request has a log event.

The result is a lower bound. It does not include what locust-cw does in Locust's thread by the clock (gauges once a
second, a count of users ten times a second), or that its threads evict Locust's code and data from the caches some
twenty times a second.
"""

from __future__ import annotations

import argparse
import json
import math
import signal
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import figures
import locust_cw
from figures import Figure
from generator import FLUSH_INTERVAL_S, OURS, full_speed, lost
from load import RATE_TARGET

LOGS = {"all": "all requests logged", "failures": "failures logged", "off": "no logs"}
"""Values of `--cw-logs`, and their labels."""
TRIMMED = 0.1
"""Share of the differences that is trimmed at either end."""
WINDOW_S = FLUSH_INTERVAL_S
MARGIN = 2
"""Standard errors of the 95 % range."""
WANTED_US = 0.5
"""The range for which the table says how long a measurement has to be."""


@dataclass(frozen=True)
class Estimate:
    """A value and its standard error, in the same unit."""

    value: float
    error: float

    @classmethod
    def of_mean(cls, values: list[float]) -> Estimate:
        """The mean of equal measurements."""
        return cls(statistics.mean(values), statistics.stdev(values) / math.sqrt(len(values)))

    @classmethod
    def of_trimmed_mean(cls, values: list[float]) -> Estimate:
        """The trimmed mean, with the standard error of Tukey and McLaughlin."""
        number = int(len(values) * TRIMMED)
        kept = sorted(values)[number : len(values) - number]
        # Winsorized: the outermost kept values replace the trimmed ones.
        spread = statistics.stdev(min(max(value, kept[0]), kept[-1]) for value in values)
        return cls(statistics.mean(kept), spread * math.sqrt(len(values)) / len(kept))

    @property
    def margin(self) -> float:
        """Half of the 95 % range."""
        return MARGIN * self.error

    def __add__(self, other: Estimate) -> Estimate:
        """The sum of two independent values."""
        return Estimate(self.value + other.value, math.hypot(self.error, other.error))

    def left_of(self, whole: Estimate) -> Estimate:
        """The remaining share of requests/s, if a request took `whole` without this."""
        return Estimate(whole.value / (whole.value + self.value), self.error / whole.value)

    def shown(self, digits: int = 2) -> str:
        """The value with its 95 % range."""
        return f"{self.value:.{digits}f} +- {self.margin:.{digits}f}"


@dataclass(frozen=True)
class Parts:
    """CPU time per request, in microseconds."""

    locust: Estimate
    """Without a listener."""
    empty: Estimate
    """What an empty Python listener adds."""
    hook: Estimate
    """What locust-cw's listener adds."""
    queue: Estimate
    senders: Estimate
    minutes: float
    """Duration of the measurement."""
    lost: int
    """Requests and log events that were not delivered."""

    @property
    def whole(self) -> Estimate:
        """All of locust-cw."""
        return self.hook + self.queue + self.senders

    @property
    def minutes_wanted(self) -> float:
        """How long a measurement has to be for `WANTED_US`. The error falls with the root of the duration."""
        return self.minutes * (self.whole.margin / WANTED_US) ** 2


def main() -> int:
    """Measure and print; return 0 if everything was delivered."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--logs", nargs="+", choices=LOGS, default=list(LOGS), help="values of --cw-logs to measure")
    parser.add_argument("--windows", type=int, default=6, help=f"windows of {WINDOW_S} s in which threads are watched")
    parser.add_argument("--turns-seconds", type=float, default=60, help="duration of the turns")
    figures.add_option(parser)
    arguments = parser.parse_args()
    if arguments.windows < 2 or arguments.turns_seconds < 1:  # noqa: PLR2004 - fewer have no spread
        parser.error("--windows: at least 2, --turns-seconds: at least 1")
    # Ends the processes that were started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))

    print(f"locust_cw in {Path(locust_cw.__file__).parent}")
    measured = {logs: measure(logs, arguments.windows, arguments.turns_seconds) for logs in arguments.logs}
    print_parts(measured)
    figures.write(arguments.json, [row for logs, parts in measured.items() for row in summary(logs, parts)])
    return 1 if any(parts.lost for parts in measured.values()) else 0


def measure(logs: str, windows: int, turns_seconds: float) -> Parts:
    """One test with some log events."""
    with tempfile.TemporaryDirectory(prefix="locust-cw-bench-") as folder:
        file = Path(folder) / "parts.json"
        options = ["--parts", str(file), "--windows", str(windows), "--window-seconds", str(WINDOW_S)]
        options += ["--turns-seconds", str(turns_seconds), "--cw-logs", logs]
        seconds = WINDOW_S * windows + turns_seconds
        with full_speed(Path(folder) / "test", OURS, options, pinned=True) as generator:
            receipt = generator.wait(seconds)
        measured = json.loads(file.read_text(encoding="utf-8"))
    rounds, by_thread = measured["rounds"], measured["windows"]
    empty, hook = (
        Estimate.of_trimmed_mean([each[kind] - each["none"] for each in rounds if kind in each])
        for kind in ("empty", "ours")
    )
    queue, senders = (Estimate.of_mean([each[thread] for each in by_thread]) for thread in ("queue", "senders"))
    locust = Estimate.of_trimmed_mean([each["none"] for each in rounds])
    return Parts(locust, empty, hook, queue, senders, seconds / 60, lost(receipt))


def print_parts(measured: dict[str, Parts]) -> None:
    """Print a column for each choice of log events."""
    rows = {
        "locust-cw": [parts.whole for parts in measured.values()],
        "  its listener": [parts.hook for parts in measured.values()],
        "  its thread behind the queue": [parts.queue for parts in measured.values()],
        "  its threads that send": [parts.senders for parts in measured.values()],
        "an empty Python listener": [parts.empty for parts in measured.values()],
        "Locust, without a listener": [parts.locust for parts in measured.values()],
    }
    print(f"\n{'us of CPU time per request':34}" + "".join(f"{LOGS[logs]:>24}" for logs in measured))
    for name, row in rows.items():
        print(f"{name:34}" + "".join(f"{part.shown():>24}" for part in row))
    left = [parts.whole.left_of(parts.locust) for parts in measured.values()]
    print(f"{'requests/s that remain, one core':34}" + "".join(f"{each.shown(3):>24}" for each in left))
    print(f"{'minutes of this measurement':34}" + "".join(f"{parts.minutes:24.1f}" for parts in measured.values()))
    title = f"  minutes for +- {WANTED_US:g} us"
    print(f"{title:34}" + "".join(f"{parts.minutes_wanted:24.0f}" for parts in measured.values()))


def summary(logs: str, parts: Parts) -> list[Figure]:
    """The rows for the table. A target within the range is neither met nor missed."""
    left = parts.whole.left_of(parts.locust)
    is_clear = abs(left.value - RATE_TARGET) > left.margin
    met = left.value >= RATE_TARGET if is_clear else None
    empty = f"an empty listener: {parts.empty.shown()} us; Locust itself: {parts.locust.shown(0)} us"
    return [
        Figure(f"CPU time per request, {LOGS[logs]}", f"{parts.whole.shown()} us", peers=empty),
        Figure(
            f"requests/s that this leaves, {LOGS[logs]}, all threads on one core",
            left.shown(3),
            f"at least {RATE_TARGET}",
            met,
            f"an empty listener: {parts.empty.left_of(parts.locust).shown(3)}",
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
