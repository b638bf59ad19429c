"""Measures how much CPU time of a load test locust-cw uses, and in which thread.

    python benches/parts.py [--windows 3] [--turns-seconds 60] [--json FILE]

One real `locust` process has users that send requests as fast as the service responds, and publishes metrics and all
logs to a sink on this machine. Two equal processes differ by more than the effect to measure, and so do two moments on
a shared machine. Therefore the listener changes fifty times a second within one process, and the result is the
difference between neighbors, without the outer tenth at either end. The CPU time of the other threads is read from the
system while locust-cw's listener stays. All threads share one core; service and sink use the other.

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
from load import FLUSH_INTERVAL_S, OURS, RATE_TARGET, full_speed, lost

TRIMMED = 0.1
"""Share of the differences that is trimmed at either end."""
WINDOW_S = FLUSH_INTERVAL_S
MARGIN = 2
"""Standard errors of the 95 % range."""


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

    def __add__(self, other: Estimate) -> Estimate:
        """The sum of two independent values."""
        return Estimate(self.value + other.value, math.hypot(self.error, other.error))

    def left_of(self, whole: float) -> Estimate:
        """The remaining share of requests/s, if a request took `whole` without this."""
        return Estimate(whole / (whole + self.value), self.error / whole)

    def shown(self, digits: int) -> str:
        """The value with its 95 % range."""
        return f"{self.value:.{digits}f} +- {MARGIN * self.error:.{digits}f}"

    def figure(self, name: str, peers: str = "") -> Figure:
        """A row of the table. A target within the range is neither met nor missed."""
        is_clear = abs(self.value - RATE_TARGET) > MARGIN * self.error
        met = self.value >= RATE_TARGET if is_clear else None
        return Figure(name, self.shown(3), f"at least {RATE_TARGET}", met, peers)


def main() -> int:
    """Measure and print; return 0 if everything was delivered."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, default=3, help=f"windows of {WINDOW_S} s in which threads are watched")
    parser.add_argument("--turns-seconds", type=float, default=60, help="duration of the turns")
    figures.add_option(parser)
    arguments = parser.parse_args()
    if arguments.windows < 2 or arguments.turns_seconds < 1:  # noqa: PLR2004 - fewer have no spread
        parser.error("--windows: at least 2, --turns-seconds: at least 1")
    # Ends the processes that were started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))

    with tempfile.TemporaryDirectory(prefix="locust-cw-bench-") as folder:
        file = Path(folder) / "parts.json"
        options = ["--parts", str(file), "--windows", str(arguments.windows), "--window-seconds", str(WINDOW_S)]
        options += ["--turns-seconds", str(arguments.turns_seconds)]
        with full_speed(Path(folder) / "test", OURS, options, pinned=True) as generator:
            receipt = generator.wait(WINDOW_S * arguments.windows + arguments.turns_seconds)
        measured = json.loads(file.read_text(encoding="utf-8"))

    rounds, windows = measured["rounds"], measured["windows"]
    without = statistics.median(each["none"] for each in rounds)
    empty, hook = (
        Estimate.of_trimmed_mean([each[kind] - each["none"] for each in rounds]) for kind in ("empty", "ours")
    )
    queue, senders = (Estimate.of_mean([each[thread] for each in windows]) for thread in ("queue", "senders"))
    everything = hook + queue + senders
    print(f"locust_cw in {Path(locust_cw.__file__).parent}")
    print(f"us of processor time per request, {len(rounds):,} rounds of turns, {len(windows)} windows")
    print(f"{'Locust, without a listener':44}{without:8.2f}")
    for name, part in {
        "an empty Python listener adds": empty,
        "locust-cw's listener adds": hook,
        "its thread behind the queue": queue,
        "its threads that send": senders,
        "locust-cw in all": everything,
    }.items():
        print(f"{name:44}{part.shown(2):>16}")
    lines = [
        everything.left_of(without).figure(
            "requests/s that its processor time leaves, all threads on one processor",
            f"an empty listener: {empty.left_of(without).shown(3)}",
        ),
        hook.left_of(without).figure("... that of the listener alone"),
    ]
    for line in lines:
        print(f"{line.name}: {line.measured}")
    figures.write(arguments.json, lines)
    return 1 if lost(receipt) else 0


if __name__ == "__main__":
    sys.exit(main())
