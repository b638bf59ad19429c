"""Measures the overhead of whole tests: real `locust` processes that publish to a sink on this machine.

    python benches/load.py [--slices 7] [--rounds 2] [--turn-seconds 6] [--seconds 20] [--rates 500 5000] [--json FILE]

The first table shows how API calls and the wait at the end grow with the load. The others show how much of its speed a
load generator keeps, with users that send requests as fast as the service responds.

In slices of 0.1 s, three load generators take turns, two of them stopped while one runs: one with locust-cw, which
publishes metrics and all logs, one without a plugin, and one with an empty Python listener, the minimum for any plugin.
On a shared machine, two equal runs differ by 10 % or more, but such short slices share their luck. The comparison
covers requests per second, the 99th percentile of requests that were not stopped, and CPU time per request. Work that
follows the clock, such as polls of the queue and flushes, counts up to three times. The percentile is somewhat low for
all three, because long requests are stopped more often. The slices run twice: first on any core; then with the load
generators and all threads of locust-cw on one core, and services and sinks on the other, as on a machine with as many
Locust processes as cores. The tables show medians of several repetitions.

In rounds, each candidate runs alone for a whole test. So do the other publishers, whose overhead is large enough for
this method: those of `peers.py`, and Locust's own OpenTelemetry exporter (`locust --otel`), with OTLP over HTTP to the
same sink and without its exporter to the console. It publishes metrics; it makes no spans of requests of
`FastHttpUser`. The column `lost` has the requests that are not in the metrics at the sink.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import figures
import locust_cw
from figures import Figure
from generator import (
    EMPTY,
    FLUSH_INTERVAL_S,
    NONE,
    OLD,
    OTEL,
    OURS,
    PLUGINS,
    SLICE_S,
    Generator,
    Turn,
    finish,
    full_speed,
    lost,
    started,
)
from sink import Sink

RATE, RATE_TARGET = "requests/s at full speed", 0.98
P99, P99_TARGET = "response time p99 at full speed", 1.05
# Whether load generators share one core, and the label in the table.
WHERE = {False: "", True: ", all threads on one core"}

Row = dict[str, float]


Turns = dict[str, dict[int, Turn]]
"""Turns by candidate and repetition."""


def main() -> int:
    """Measure and print; return 0 if everything was delivered and reconciled."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=20, help="duration of each rate (default: %(default)s)")
    parser.add_argument("--rates", type=int, nargs="+", default=[500, 5_000], help="requests per second")
    parser.add_argument("--turn-seconds", type=int, default=6, help="duration of each turn at full speed")
    parser.add_argument(
        "--slices", type=int, default=7, help="repetitions in slices, on any core and on one; 0 skips them"
    )
    parser.add_argument("--rounds", type=int, default=2, help="repetitions of whole runs; 0 skips them")
    figures.add_option(parser)
    arguments = parser.parse_args()
    if arguments.turn_seconds < SLICE_S:
        parser.error("--turn-seconds: at least a second")
    # Ends the processes that were started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))

    print(f"locust_cw in {Path(locust_cw.__file__).parent}, on {os.cpu_count()} processors")
    rows: list[Row] = []
    slices: list[Turns] = []
    turns: Turns = {}
    with tempfile.TemporaryDirectory(prefix="locust-cw-bench-") as folder:
        if arguments.rates and arguments.seconds:
            rows = [held(Path(folder), rate, arguments.seconds) for rate in arguments.rates]
            print_held(arguments.rates, rows)
        if arguments.slices:
            for pinned, where in WHERE.items():
                slices.append(in_slices(Path(folder), arguments.turn_seconds, arguments.slices, pinned=pinned))
                print_full_speed(f"In slices, {arguments.slices} times{where}", slices[-1])
        if arguments.rounds:
            turns = in_rounds(Path(folder), arguments.turn_seconds, arguments.rounds)
            print_full_speed(f"Whole, {arguments.rounds} rounds", turns)
    figures.write(arguments.json, summary(slices, turns))
    delivered = all(row["lost"] == 0 and row["reconciled"] for row in rows)
    known = [turn for each in (*slices, turns) for kind in (OURS, OTEL) for turn in each.get(kind, {}).values()]
    return 0 if delivered and not any(turn.lost for turn in known) else 1


def held(folder: Path, rate: int, seconds: int) -> Row:
    """One test at a constant rate, with all requests logged."""
    options = ["Reporter", "--rate", str(rate), "--run-time", f"{seconds}s"]
    with Sink() as sink, started(folder, "locust_cw", sink.url, options) as process:
        timings, receipt = finish(process, folder, "locust_cw", seconds)
    calls = receipt["api_calls"]
    return {
        "rate": timings["requests"] / timings["seconds"],
        "metrics_calls": calls["PutMetricData"],
        "metrics_calls_per_interval": calls["PutMetricData"] / (timings["seconds"] / FLUSH_INTERVAL_S),
        "logs_calls": calls["PutLogEvents"],
        "seconds_after": timings["seconds_after"],
        "megabytes": receipt["bytes_sent"] / 1e6,
        "lost": lost(receipt),
        "reconciled": receipt["reconciled"],
    }


def in_slices(folder: Path, seconds: int, number: int, *, pinned: bool) -> Turns:
    """The results of load generators that take turns in slices of 0.1 s."""
    turns: Turns = {NONE: {}, EMPTY: {}, OURS: {}}
    for again in range(number):
        with ExitStack() as stack:
            generators: dict[str, Generator] = {}
            for kind in turns if again % 2 else reversed(turns):
                generators[kind] = stack.enter_context(full_speed(folder / kind, kind, pinned=pinned))
                generators[kind].stop()
            for _ in range(round(seconds / SLICE_S)):
                for generator in generators.values():
                    generator.run_for(SLICE_S)
            for kind, generator in generators.items():
                turns[kind][again] = generator.end()
    return turns


def in_rounds(folder: Path, seconds: int, rounds: int) -> Turns:
    """The results of each candidate alone, in rounds that start with another candidate each time."""
    turns: Turns = {NONE: {}, OURS: {}, OTEL: {}, PLUGINS: {}, OLD: {}}
    for number in range(rounds):
        for kind in turns if number % 2 else reversed(turns):
            with full_speed(folder / kind, kind) as generator:
                generator.stop()
                generator.run_for(seconds)
                turns[kind][number] = generator.end()
    return turns


def print_held(rates: list[int], results: list[Row]) -> None:
    """Print a column per rate, and the ratio of the last to the first."""
    lines = {
        "requests/s reached": ("rate", ",.0f"),
        "PutMetricData calls": ("metrics_calls", ",.0f"),
        f"  per flush interval of {FLUSH_INTERVAL_S} s": ("metrics_calls_per_interval", ".2f"),
        "PutLogEvents calls": ("logs_calls", ",.0f"),
        "MB sent": ("megabytes", ",.1f"),
        "s from the end of the test to the last delivery": ("seconds_after", ".2f"),
        "requests and log events not delivered": ("lost", ",.0f"),
    }
    print(f"\n{'':50}" + "".join(f"{f'{rate:,}/s':>12}" for rate in rates) + f"{'ratio':>10}")
    for what, (key, form) in lines.items():
        first, last = results[0][key], results[-1][key]
        ratio = f"{last / first:10.2f}" if first else f"{'':>10}"
        print(f"{what:50}" + "".join(f"{format(row[key], form):>12}" for row in results) + ratio)
    print(f"{'reconciled':50}" + "".join(f"{'yes' if row['reconciled'] else 'NO':>12}" for row in results))


def ratios(turns: Turns, kind: str, key: str) -> list[float]:
    """Ratios of a candidate's figure to that without a plugin, per round."""
    return [getattr(turn, key) / getattr(turns[NONE][number], key) for number, turn in turns[kind].items()]


def ratio(turns: Turns, kind: str, key: str) -> float:
    """The median of these ratios."""
    return statistics.median(ratios(turns, kind, key))


def with_spread(each: list[float]) -> str:
    """The median, with the range of half of the values: a smaller distance to a target means little."""
    lower, median, upper = statistics.quantiles(each, n=4) if len(each) > 1 else each * 3
    return f"{median:.3f} ({lower:.3f} to {upper:.3f})"


def print_full_speed(title: str, turns: Turns) -> None:
    """Print medians, and the medians of the ratios to the turns without a plugin."""
    shown = {"rate": "requests/s", "p99_ms": "p99 ms", "cpu_us": "CPU us", "own_cpu_us": "of Locust's"}
    print(f"\n{title}")
    print(
        f"{'':28}" + "".join(f"{title:>13}{'ratio':>7}" for title in shown.values()) + f"{'calls/1000':>12}{'lost':>6}"
    )
    for kind, each in turns.items():
        columns = "".join(
            f"{statistics.median(getattr(turn, key) for turn in each.values()):13,.1f}{ratio(turns, kind, key):7.3f}"
            for key in shown
        )
        calls = statistics.median(turn.calls for turn in each.values())
        print(f"{kind:28}{columns}{calls:12.1f}{sum(turn.lost for turn in each.values()):6,.0f}")
    each_ratio = sorted(ratios(turns, OURS, "cpu_us"))
    print(f"ratios of locust-cw's CPU per request, sorted: {' '.join(f'{each:.3f}' for each in each_ratio)}")


def summary(slices: list[Turns], turns: Turns) -> list[Figure]:
    """The rows for the table."""
    lines = []
    targets = ((RATE, "rate", RATE_TARGET), (P99, "p99_ms", P99_TARGET))
    for where, each in zip(WHERE.values(), slices, strict=False):
        for what, key, target in targets:
            found = ratios(each, OURS, key)
            median = statistics.median(found)
            met, bound = (median >= target, "at least") if key == "rate" else (median <= target, "at most")
            name = f"{what}, in slices{where}, to no plugin"
            empty = f"{EMPTY}: {ratio(each, EMPTY, key):.3f}"
            lines.append(Figure(name, with_spread(found), f"{bound} {target}", met, empty))
    if turns:
        # Too few repetitions for a target.
        for what, key, _ in targets:
            others = "; ".join(f"{kind}: {ratio(turns, kind, key):.2f}" for kind in (OTEL, PLUGINS, OLD))
            name = f"{what}, whole, {len(turns[NONE])} rounds, to no plugin"
            lines.append(Figure(name, f"{ratio(turns, OURS, key):.2f}", peers=others))
    return lines


if __name__ == "__main__":
    sys.exit(main())
