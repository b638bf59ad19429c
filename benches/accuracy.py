"""Measures the error of published percentiles, for distributions that real latencies have.

    python benches/accuracy.py [--requests 200000] [--windows 10] [--json FILE]

A run of the core publishes past requests to a sink. The percentiles of the Values and Counts in the sink, for the
roll-up over all names, are compared with those of the response times. The output also has the percentiles of Locust's
own statistics, which are rounded.
"""

from __future__ import annotations

import argparse
import bisect
import gzip
import itertools
import math
import random
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cbor2

import driver
import figures
from figures import Figure
from sink import Sink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

QUANTILES = (0.5, 0.9, 0.99, 0.999)
TARGET = 0.01
TOLERANCE = 1e-9
"""Accepted difference of sums, which are added in another order."""

Pairs = list[tuple[float, float]]


def two_humps(chance: random.Random) -> float:
    """A cache with a hit rate of 90 %."""
    return max(chance.gauss(4, 0.5) if chance.random() < 0.9 else chance.gauss(180, 25), 0.1)  # noqa: PLR2004 - the shape's own numbers


SHAPES: dict[str, Callable[[random.Random], float]] = {
    "heavy tail": lambda chance: 5 * chance.paretovariate(1.2),
    "log-normal": lambda chance: chance.lognormvariate(math.log(20), 0.6),
    "two humps": two_humps,
    "constant": lambda _: 12.345,
    "sub-millisecond": lambda chance: chance.lognormvariate(math.log(0.2), 0.5),
}


@dataclass
class Published:
    """The roll-up in the sink."""

    seconds: dict[int, Pairs]
    """Response times and their counts, by second."""
    total_ms: float


def main() -> int:
    """Measure and print; return 0 if every percentile is within the target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--requests", type=int, default=200_000, help="requests of each distribution (default: %(default)s)"
    )
    parser.add_argument("--windows", type=int, default=10, help="number of seconds (default: %(default)s)")
    figures.add_option(parser)
    arguments = parser.parse_args()

    titles = [f"p{quantile * 100:g}" for quantile in QUANTILES]
    print(f"{'error in %':18}" + "".join(f"{title:>8}" for title in titles), end="")
    print(f"{'worst second':>14}{'sum':>8}   Locust's own:" + "".join(f"{title:>8}" for title in titles))
    worst, worst_of_locust = [0.0] * len(QUANTILES), [0.0] * len(QUANTILES)
    worst_second = worst_sum = 0.0
    for shape, draw in SHAPES.items():
        chance = random.Random(7)  # noqa: S311 - a simulation
        size = arguments.requests // arguments.windows
        seconds = [[draw(chance) for _ in range(size)] for _ in range(arguments.windows)]
        times_ms = list(itertools.chain(*seconds))
        published = publish(seconds)

        together = errors(list(itertools.chain(*published.seconds.values())), times_ms)
        pairs_of = [published.seconds[second] for second in sorted(published.seconds)]
        of_a_second = max(max(errors(*both)) for both in zip(pairs_of, seconds, strict=True))
        exact_ms = math.fsum(times_ms)
        of_sum = abs(published.total_ms - exact_ms) / exact_ms
        of_locust = locusts_errors(times_ms)

        print(f"{shape:18}" + "".join(f"{error * 100:8.3f}" for error in together), end="")
        print(f"{of_a_second * 100:14.3f}{of_sum * 100:8.3f}{'':16}", end="")
        print("".join(f"{error * 100:8.2f}" for error in of_locust))
        worst = [max(both) for both in zip(worst, together, strict=True)]
        worst_of_locust = [max(both) for both in zip(worst_of_locust, of_locust, strict=True)]
        worst_second, worst_sum = max(worst_second, of_a_second), max(worst_sum, of_sum)

    figures.write(
        arguments.json,
        [
            *(
                Figure(
                    f"error of {title}, worst of {len(SHAPES)} shapes",
                    f"{error * 100:.2f} %",
                    f"at most {TARGET * 100:g} %",
                    error <= TARGET,
                    f"Locust's own: {of_locust * 100:.2f} %",
                )
                for title, error, of_locust in zip(titles, worst, worst_of_locust, strict=True)
            ),
            Figure("error of the mean", f"{worst_sum * 100:.4f} %", "exact", worst_sum <= TOLERANCE),
        ],
    )
    return 0 if max(*worst, worst_second) <= TARGET and worst_sum <= TOLERANCE else 1


def publish(seconds: list[list[float]]) -> Published:
    """Publish response times, grouped by second, and read the roll-up from the sink."""
    begun = int(time.time()) - 2 * len(seconds)
    with Sink(keep=True) as sink, driver.run(sink.url, live=True, logs="off") as publisher:
        for index, times_ms in enumerate(seconds):
            for time_ms in times_ms:
                while not publisher.has_room:
                    time.sleep(driver.POLL_S)
                ended = begun + index + 0.5
                publisher.record("GET", "/", time_ms, 100, context={}, start_time=ended - time_ms / 1000)
        driver.deliver(publisher)
        receipt = publisher.finish()
        if not receipt.complete:
            sys.exit(f"The sink did not receive everything:\n{receipt.json}")
        bodies = [
            gzip.decompress(sink.body(number)) if call.encoding == "gzip" else sink.body(number)
            for number, call in enumerate(sink.stop())
            if call.operation == "PutMetricData"
        ]
    return read(bodies)


def read(bodies: Iterable[bytes]) -> Published:
    """Read the response times of the roll-up from PutMetricData calls."""
    published = Published({}, 0.0)
    for body in bodies:
        for datum in cbor2.loads(body)["MetricData"]:
            names = {dimension["Name"] for dimension in datum["Dimensions"]}
            if datum["MetricName"] != "ResponseTime_ms" or names != {"Host"}:
                continue
            pairs = list(zip(datum["Values"], datum["Counts"], strict=True))
            published.seconds.setdefault(int(datum["Timestamp"].timestamp()), []).extend(pairs)
            statistics: dict[str, Any] = datum.get("StatisticValues", {})
            published.total_ms += statistics.get("Sum") or math.fsum(value * count for value, count in pairs)
    return published


def percentiles(pairs: Iterable[tuple[float, float]]) -> list[float]:
    """Percentiles by nearest rank."""
    ordered = sorted(pairs)
    ranks = list(itertools.accumulate(count for _, count in ordered))
    return [ordered[bisect.bisect_left(ranks, math.ceil(quantile * ranks[-1] - 1e-6))][0] for quantile in QUANTILES]


def errors(pairs: Pairs, times_ms: list[float]) -> list[float]:
    """Relative error of each percentile."""
    exact = percentiles((time_ms, 1) for time_ms in times_ms)
    return [abs(value - true) / true for value, true in zip(percentiles(pairs), exact, strict=True)]


def locusts_errors(times_ms: list[float]) -> list[float]:
    """Relative error of each percentile of Locust's own statistics."""
    # Imported late, because it patches the standard library, and the runs above do not use gevent.
    from locust.stats import RequestStats  # noqa: PLC0415 - it patches the standard library

    stats = RequestStats()
    for time_ms in times_ms:
        stats.log_request("GET", "/", time_ms, 100)  # type: ignore[arg-type] # clients report floats
    exact = percentiles((time_ms, 1) for time_ms in times_ms)
    given = [stats.total.get_response_time_percentile(quantile) for quantile in QUANTILES]
    return [abs(value - true) / true for value, true in zip(given, exact, strict=True)]


if __name__ == "__main__":
    sys.exit(main())
