"""Measures how many PutMetricData calls a load makes, the bytes of a log event on the wire, and the cost of both.

    python benches/calls.py [--seconds 16] [--plot docs/images/calls.png] [--json FILE]

Runs of the core publish synthetic requests to a sink, live and with the default flush interval, several runs at once.
Calls per hour are extrapolated from the calls between two flushes. Prices are those of locust-cw's own estimate.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import driver
import figures
from figures import Figure
from locust_cw import _core
from sink import Sink

if TYPE_CHECKING:
    from sink import Call

HOUR_S = 3_600
FLUSH_INTERVAL_S = 5
RATES = [10, 100, 1_000, 10_000, 50_000]
NAMES = [1, 10, 100, 1_000]
AT_ONCE_PER_S = 100_000
"""Requests per second that this program can record, over all concurrent runs."""
SAME_FLUSH_S = 0.6
METRICS_PER_SERIES = 5
LOGGED_RATES = [10, 1_000, 10_000]
EVENT_OVERHEAD_BYTES = 26
COMPACT_TARGET = 180
FLAT = 1.2
"""Accepted ratio of calls at the highest and the lowest rate. The flush interval has 10 % jitter."""

OLD_SCRIPT = 1 / 5
"""PutMetricData calls per request, also of locust-plugins' listener."""


@dataclass
class Logged:
    """Bytes of log events."""

    wire_bytes: float
    """Bytes sent per event, including HTTP headers."""
    counted_bytes: float
    """Bytes that CloudWatch charges per event."""
    compact_bytes: float
    """The same with `--cw-log-fields compact`."""
    calls_per_hour: float


def main() -> int:
    """Measure, print and draw; return 0 if everything was delivered."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=16, help="how long each load is held (default: %(default)g)")
    parser.add_argument("--rates", type=int, nargs="+", default=RATES, help="requests per second")
    parser.add_argument("--names", type=int, nargs="+", default=NAMES, help="request names")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="plot calls and cost over the load")
    figures.add_option(parser)
    arguments = parser.parse_args()

    per_hour: dict[tuple[int, int], float] = {}
    for group in grouped(list(itertools.product(arguments.rates, arguments.names))):
        per_hour |= metrics_calls(group, arguments.seconds)
    print_calls(arguments.rates, arguments.names, per_hour)
    logged = {rate: log_events(rate, arguments.seconds / 2) for rate in LOGGED_RATES}
    print(f"\n{'log events at requests/s':34}" + "".join(f"{rate:>10,}" for rate in logged))
    print(f"{'bytes per event on the wire':34}" + "".join(f"{each.wire_bytes:10,.0f}" for each in logged.values()))
    print(f"{'bytes per event as charged':34}" + "".join(f"{each.counted_bytes:10,.0f}" for each in logged.values()))
    print(f"{'... with compact fields':34}" + "".join(f"{each.compact_bytes:10,.0f}" for each in logged.values()))
    event_bytes = logged[LOGGED_RATES[-1]].counted_bytes
    print_cost(arguments.rates, arguments.names, per_hour, event_bytes)
    if arguments.plot:
        draw(arguments.plot, arguments.rates, arguments.names, per_hour, event_bytes)
    figures.write(arguments.json, list(summary(arguments.rates, arguments.names, per_hour, logged)))
    return 0


def grouped(loads: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Group loads that can run at the same time."""
    groups: list[list[tuple[int, int]]] = [[]]
    for load in loads:
        if sum(rate for rate, _ in groups[-1]) + load[0] > AT_ONCE_PER_S:
            groups.append([])
        groups[-1].append(load)
    return groups


def metrics_calls(group: list[tuple[int, int]], seconds: float) -> dict[tuple[int, int], float]:
    """Hold loads at the same time, and return the calls per hour of each."""
    with Sink() as sink, ExitStack() as runs:
        publishers = {
            (rate, names): runs.enter_context(
                driver.run(f"{sink.url}/{rate}-{names}", live=True, logs="off", max_requests=names)
            )
            for rate, names in group
        }
        loads = {driver.Load(publisher, load[1]): float(load[0]) for load, publisher in publishers.items()}
        driver.hold(loads, seconds)
        for publisher in publishers.values():
            publisher.seal()
        for publisher in publishers.values():
            driver.deliver(publisher)
            settle(publisher)
        calls = [call for call in sink.stop() if call.operation == "PutMetricData"]
    return {load: rate_of([call for call in calls if call.prefix == f"{load[0]}-{load[1]}"]) * HOUR_S for load in group}


def settle(publisher: _core.Publisher) -> None:
    """End a run, and check that everything was delivered."""
    receipt = publisher.finish()
    if not receipt.complete:
        sys.exit(f"The sink did not get everything:\n{receipt.json}")


def rate_of(calls: list[Call]) -> float:
    """Calls per second, from the first flush to the last one before the drain."""
    flushes: list[list[float]] = []
    for call in sorted(calls, key=lambda call: call.time):
        if flushes and call.time - flushes[-1][-1] < SAME_FLUSH_S:
            flushes[-1].append(call.time)
        else:
            flushes.append([call.time])
    # The first flush came at a random moment, so it contains less than an interval.
    whole = flushes[:-1]
    if len(whole) < 2:  # noqa: PLR2004 - two flushes make an interval
        sys.exit("There were not two whole flushes: hold the load for longer.")
    return sum(len(flush) for flush in whole[1:]) / (whole[-1][0] - whole[0][0])


def log_events(rate: int, seconds: float) -> Logged:
    """Log every request at a rate, and return the bytes of an event."""
    with Sink() as sink, driver.run(sink.url, live=True) as publisher:
        driver.hold({driver.Load(publisher, 20): float(rate)}, seconds)
        driver.deliver(publisher)
        receipt = json.loads(publisher.finish().json)
        calls = [call for call in sink.stop() if call.operation == "PutLogEvents"]
    events = receipt["log_events"]["delivered"]
    wire_bytes = sum(call.head_bytes + call.body_bytes for call in calls) / events
    return Logged(wire_bytes, counted_bytes("full"), counted_bytes("compact"), len(calls) / seconds * HOUR_S)


def counted_bytes(log_fields: str) -> float:
    """Mean size of the log event of a request as CloudWatch counts it."""
    with Sink(keep=True) as sink, driver.run(sink.url, live=True, log_fields=log_fields) as publisher:
        # As in a test. Compact events of requests that come after it do not repeat the host.
        publisher.event("test_start")
        flush = publisher.flush()
        while not flush.settled:
            time.sleep(driver.POLL_S)
        driver.Load(publisher, 20).record(5_000)
        driver.deliver(publisher)
        publisher.finish()
        messages = [
            event["message"]
            for number, call in enumerate(sink.stop())
            if call.operation == "PutLogEvents"
            for event in json.loads(sink.body(number))["logEvents"]
            if '"outcome"' in event["message"]
        ]
    return statistics.mean(len(message.encode()) + EVENT_OVERHEAD_BYTES for message in messages)


def metrics(names: int) -> int:
    """Number of metrics that AWS charges for, with this number of names and the roll-up."""
    return (names + 1) * METRICS_PER_SERIES


def cost(names: int, calls_per_hour: float, rate: int, event_bytes: float) -> tuple[float, float]:
    """USD per hour of metrics with their calls, and of log events."""
    of_metrics = sum(_core.estimate_cost(metric_hours=metrics(names), calls=round(calls_per_hour), log_bytes=0))
    of_logs = sum(_core.estimate_cost(metric_hours=0, calls=0, log_bytes=round(rate * HOUR_S * event_bytes)))
    return of_metrics, of_logs


def print_calls(rates: list[int], names: list[int], per_hour: dict[tuple[int, int], float]) -> None:
    """Print a row for each number of names."""
    print(f"{'PutMetricData calls per hour':34}" + "".join(f"{f'{rate:,}/s':>10}" for rate in rates))
    for number in names:
        print(f"{number:>8,} names{'':20}" + "".join(f"{per_hour[rate, number]:10,.0f}" for rate in rates))
    print(f"{'5 requests per call':34}" + "".join(f"{rate * HOUR_S * OLD_SCRIPT:10,.0f}" for rate in rates))


def print_cost(rates: list[int], names: list[int], per_hour: dict[tuple[int, int], float], event_bytes: float) -> None:
    """Print the cost of the same loads."""
    print(f"\n{'USD per hour, metrics and calls':34}" + "".join(f"{f'{rate:,}/s':>10}" for rate in rates))
    for number in names:
        costs = [cost(number, per_hour[rate, number], rate, event_bytes)[0] for rate in rates]
        print(f"{number:>8,} names{'':20}" + "".join(f"{each:10,.3f}" for each in costs))
    print(f"{'calls of 5 requests each':34}" + "".join(f"{peers_cost(rate):10,.3f}" for rate in rates))
    logs = [cost(0, 0, rate, event_bytes)[1] for rate in rates]
    print(f"{'all requests logged, in addition':34}" + "".join(f"{each:10,.3f}" for each in logs))


def peers_cost(rate: float) -> float:
    """USD per hour for the calls of a publisher that sends 5 requests per call."""
    return sum(_core.estimate_cost(metric_hours=0, calls=round(rate * HOUR_S * OLD_SCRIPT), log_bytes=0))


def draw(
    path: Path, rates: list[int], names: list[int], per_hour: dict[tuple[int, int], float], event_bytes: float
) -> None:
    """Plot calls and cost over the load."""
    # Imported late, because it is slow and only the plot needs it.
    import matplotlib as mpl  # noqa: PLC0415 - for the plot alone

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - for the plot alone

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    shades = plt.get_cmap("viridis")
    for index, number in enumerate(names):
        shade = shades(index / max(len(names), 1))
        label = f"locust-cw, {number:,} name{'s' if number > 1 else ''}"
        left.plot(rates, [per_hour[rate, number] for rate in rates], "o-", color=shade, label=label)
        costs = [cost(number, per_hour[rate, number], rate, event_bytes)[0] for rate in rates]
        right.plot(rates, costs, "o-", color=shade, label=label)
    calls_of_five, their_cost = [rate * HOUR_S * OLD_SCRIPT for rate in rates], [peers_cost(rate) for rate in rates]
    left.plot(rates, calls_of_five, "--", color="firebrick", label="5 requests per call")
    right.plot(rates, their_cost, "--", color="firebrick", label="calls of 5 requests each, without metrics")
    logs = [cost(0, 0, rate, event_bytes)[1] for rate in rates]
    right.plot(rates, logs, ":", color="gray", label="log events, all requests logged")
    for axes, title in ((left, "PutMetricData calls per hour"), (right, "USD per hour, metrics and their calls")):
        axes.set(xscale="log", yscale="log", xlabel="requests/s", title=title)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.savefig(path, dpi=110)
    print(f"\nDrawn: {path}")


def summary(
    rates: list[int], names: list[int], per_hour: dict[tuple[int, int], float], logged: dict[int, Logged]
) -> list[Figure]:
    """The rows for the table."""
    low, high = min(rates), max(rates)
    few = min(names)
    flatness = per_hour[high, few] / per_hour[low, few]
    peer = f"{high * HOUR_S * OLD_SCRIPT:,.0f}"
    calls = f"{per_hour[low, few]:,.0f} to {per_hour[high, few]:,.0f}"
    figures_of_names = [
        Figure(
            f"... under {number:,} names at {high:,}/s", f"{per_hour[high, number]:,.0f}", "linear past 1,000 datums"
        )
        for number in names
        if number != few
    ]
    wire = logged[max(logged)]
    is_small = wire.compact_bytes <= COMPACT_TARGET
    return [
        Figure(
            f"PutMetricData calls/h, {few:,} name, {low:,} to {high:,} requests/s",
            calls,
            "flat",
            flatness <= FLAT,
            f"5 requests per call: {peer}",
        ),
        *figures_of_names,
        Figure("bytes per log event on the wire", f"{wire.wire_bytes:,.0f} of {wire.counted_bytes:,.0f} charged"),
        Figure(
            "bytes per log event as charged, compact",
            f"{wire.compact_bytes:,.0f}",
            f"at most {COMPACT_TARGET}",
            is_small,
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
