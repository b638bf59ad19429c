"""What of a load test's processor time is locust-cw's, and in which thread.

    python benches/parts.py [--steady-seconds 15] [--turns-seconds 50] [--json FILE]

One real `locust` process with users that make HTTP requests as fast as they are answered, which publishes metrics and
all logs to a sink on this machine. Two processes that ought to be alike differ by more than what is looked for here,
and so do two moments of a machine that others share. So it is one process, in which listeners come and go fifty times
a second, and what counts is the difference between neighbours, without the tenth of them at either end. What the
threads behind it take is read from the system, while locust-cw's listener stays. All threads have one processor, and
the service and the sink have another.

What locust-cw does in Locust's thread by the clock, gauges once a second and a count of the users ten times, goes on
whoever listens, and is not in these figures.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import tempfile
from pathlib import Path

import figures
from figures import Figure
from load import OURS, RATE_TARGET, full_speed

EXTREME = 10
"""One in so many differences is left out at either end."""
WHERE = {"queue": "its thread behind the queue", "senders": "its threads that send", "others": "other threads"}
"""Threads beside Locust's own."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steady-seconds", type=float, default=15, help="how long the threads are watched")
    parser.add_argument("--turns-seconds", type=float, default=50, help="how long listeners come and go")
    figures.add_option(parser)
    arguments = parser.parse_args()
    # So that what was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))

    with tempfile.TemporaryDirectory(prefix="locust-cw-bench-") as folder:
        file = Path(folder) / "parts.json"
        options = ["--parts", str(file)]
        options += ["--steady-seconds", str(arguments.steady_seconds), "--turns-seconds", str(arguments.turns_seconds)]
        with full_speed(Path(folder) / "test", OURS, options, pinned=True) as generator:
            generator.wait(arguments.steady_seconds + arguments.turns_seconds)
        measured = json.loads(file.read_text(encoding="utf-8"))
    steady, turns = measured["steady"], measured["turns"]

    without = statistics.median(turn["none"] for turn in turns)
    hooks = {kind: mean([turn[kind] - turn["none"] for turn in turns]) for kind in ("empty", "ours")}
    threads = {what: steady[name] for name, what in WHERE.items() if name in steady}
    (hook, error), in_all = hooks["ours"], hooks["ours"][0] + sum(threads.values())
    left, left_by_hook = (without / (without + part) for part in (in_all, hook))

    print(f"us of processor time per request, {len(turns):,} rounds of turns")
    print(f"{'Locust, without a listener':44}{without:8.1f}")
    for kind, what in (("empty", "an empty Python listener adds"), ("ours", "locust-cw's listener adds")):
        print(f"{what:44}{hooks[kind][0]:8.2f} +- {hooks[kind][1]:.2f}")
    for name, used in threads.items():
        print(f"{name:44}{used:8.2f}")
    print(f"{'locust-cw in all':44}{in_all:8.2f} +- {error:.2f}")
    print(f"{'requests/s that leaves':44}{left:8.3f} +- {error / without:.3f}")
    print(f"{'... with a processor left for its threads':44}{left_by_hook:8.3f} +- {error / without:.3f}")
    empty = without / (without + hooks["empty"][0])
    figures.write(
        arguments.json,
        [
            Figure(
                "requests/s that its processor time leaves, all threads on one processor",
                f"{left:.3f} +- {error / without:.3f}",
                f"at least {RATE_TARGET}",
                left >= RATE_TARGET,
                f"an empty listener: {empty:.3f}",
            ),
            Figure(
                "... with a processor left for its threads",
                f"{left_by_hook:.3f} +- {error / without:.3f}",
                f"at least {RATE_TARGET}",
                left_by_hook >= RATE_TARGET,
            ),
        ],
    )
    return 0


def mean(differences: list[float]) -> tuple[float, float]:
    """The trimmed mean, and its standard error (Tukey and McLaughlin)."""
    extreme = len(differences) // EXTREME
    kept = sorted(differences)[extreme : len(differences) - extreme]
    # The outermost of the rest stand for what is left out.
    lowest, highest = kept[0], kept[-1]
    spread = statistics.stdev([min(max(each, lowest), highest) for each in differences])
    return statistics.mean(kept), spread / (len(kept) / len(differences)) / len(differences) ** 0.5


if __name__ == "__main__":
    sys.exit(main())
