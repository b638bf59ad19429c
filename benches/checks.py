"""Measures what checks cost: in a process that records requests, and in a master that adds up its workers' summaries.

    python benches/checks.py [--rounds 20] [--json FILE]

Two runs of one process take turns, one of them with 50 checks. The load is the same, so the difference in CPU time per
request is the cost of the checks. It is compared with what Locust itself needs for a request.

The master gets the increments of one real worker under the names of 100 workers: three seconds of load with 20 request
names each, as often as workers report.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import driver
import figures
from figures import Figure
from sink import Sink

CHECKS = 50
ROUND_S = 1.0
RATE = 4_000
LOCUST_US = 327
"""CPU time of Locust for a request, measured by `parts.py`."""
SHARE_TARGET = 0.002

WORKERS = 100
NAMES = 20
WORKER_RATE = 200
REPORT_S = 3.0
REPORTS = 10
MASTER_TARGET = 0.1
SIZE_TARGET = 20_000


def expressions() -> list[str]:
    """Checks of all kinds, which all pass."""
    scopes = ["", *(f"GET /path/{number}: " for number in range(9))]
    measures = ["p95 < 60s abort after 60s", "p99 < 60s", "failures < 50%", "mean < 60s", "max < 600s"]
    return [f"{scope}{measure}" for scope in scopes for measure in measures][:CHECKS]


def cost_us(url: str, rounds: int) -> tuple[float, float]:
    """CPU time per request that checks add, in microseconds, and its standard error."""
    with driver.run(url, live=True) as plain, driver.run(url, live=True, check=expressions()) as checked:
        loads = {publisher: driver.Load(publisher, NAMES) for publisher in (plain, checked)}
        differences = []
        for _ in range(rounds):
            used = {}
            for publisher, load in loads.items():
                begun, recorded = time.process_time(), load.recorded
                driver.hold({load: RATE}, ROUND_S)
                publisher.statistics.breached_check(time.time())
                used[publisher] = (time.process_time() - begun) / (load.recorded - recorded) * 1e6
            differences.append(used[checked] - used[plain])
        for publisher in loads:
            driver.deliver(publisher)
            publisher.finish()
    return statistics.mean(differences), statistics.stdev(differences) / len(differences) ** 0.5


def master_share(url: str) -> tuple[float, float]:
    """CPU time of a master for its workers' summaries, as a share of a core, and bytes of a worker's report."""
    with driver.run(url, live=True, check=expressions()) as worker, driver.run(url, check=expressions()) as master:
        load = driver.Load(worker, NAMES)
        used, size = 0.0, 0
        for _ in range(REPORTS):
            driver.hold({load: WORKER_RATE}, REPORT_S)
            increments = worker.statistics.increments()
            size = max(size, sum(map(len, increments)))
            begun = time.process_time()
            for number in range(WORKERS):
                received = [master.statistics.add_increment(f"worker-{number}", each) for each in increments]
            master.statistics.breached_check(time.time())
            used += time.process_time() - begun
            for sequence in received:
                worker.statistics.acknowledge(sequence)
        for publisher in (worker, master):
            driver.deliver(publisher)
            publisher.finish()
    return used / (REPORTS * REPORT_S), size


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20, help=f"rounds of {2 * ROUND_S:g} s")
    figures.add_option(parser)
    arguments = parser.parse_args()
    with Sink() as sink:
        added, error = cost_us(sink.url, arguments.rounds)
        share, size = master_share(sink.url)
    limit = SHARE_TARGET * LOCUST_US
    lines = [
        Figure(
            f"processor time per request with {CHECKS} checks, added",
            f"{added:.2f} +- {2 * error:.2f} us",
            f"at most {limit:.2f} us",
            added <= limit if abs(added - limit) > 2 * error else None,
        ),
        Figure(
            f"master: summaries of {WORKERS} workers with {NAMES} names, share of a core",
            f"{share:.3f}",
            f"at most {MASTER_TARGET}",
            share <= MASTER_TARGET,
        ),
        Figure(
            f"summary in a worker's report, {NAMES} names, {WORKER_RATE} requests/s",
            f"{size:,} B",
            "at most 20,000 B",
            size <= SIZE_TARGET,
        ),
    ]
    for line in lines:
        print(f"{line.name}: {line.measured} ({line.target})")
    figures.write(arguments.json, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
