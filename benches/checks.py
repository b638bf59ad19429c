"""Measures what checks cost: in a process that records requests, and in a master that adds up its workers' summaries.

    python benches/checks.py [--rounds 20] [--json FILE]

Two runs of one process get the same load, one of them with 50 checks. The hook does not know of checks. The thread
behind the queue adds up seconds and judges them, and a greenlet asks ten times a second whether the test has to stop:
the difference in the CPU time of these is the cost of the checks. It is compared with what Locust itself needs for a
request.

The master gets the increments of one real worker under the names of 100 workers: three seconds of load with 20 request
names each, as often as workers report.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import driver
import figures
from figures import Figure
from generator import NONE, full_speed
from sink import Sink

CHECKS = 50
ROUND_S = 2.0
ASK_EVERY_S = 0.1
RATE = 2_000
TASKS = Path("/proc/self/task")
SHARE_TARGET = 0.002
"""Of the CPU time that Locust itself needs for a request."""
LOCUST_S = 5.0

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


def queue_thread(known: set[str]) -> str:
    """The thread behind the queue of the newest run. It names itself when it starts."""
    while True:
        for path in TASKS.glob("*/comm"):
            if path.parent.name not in known and path.read_text(encoding="utf-8").strip() == "locust-cw-queue":
                return path.parent.name
        time.sleep(driver.POLL_S)


def used_us(thread: str) -> float:
    """CPU time of a thread, from the scheduler's statistics in nanoseconds."""
    return int((TASKS / thread / "schedstat").read_text(encoding="utf-8").split()[0]) / 1000


def cost_us(url: str, rounds: int) -> tuple[float, float]:
    """CPU time per request that checks add, in microseconds, and its standard error."""
    with driver.run(url, live=True) as plain:
        threads = [queue_thread(set())]
        with driver.run(url, live=True, check=expressions()) as checked:
            threads.append(queue_thread(set(threads)))
            loads = [driver.Load(publisher, NAMES) for publisher in (plain, checked)]
            differences = []
            for _ in range(rounds):
                before = [used_us(thread) for thread in threads]
                recorded = loads[0].recorded
                asked = 0.0
                for _ in range(int(ROUND_S / ASK_EVERY_S)):
                    driver.hold(dict.fromkeys(loads, RATE), ASK_EVERY_S)
                    begun = time.thread_time()
                    checked.statistics.take_abort()
                    asked += (time.thread_time() - begun) * 1e6
                used = [used_us(thread) - earlier for thread, earlier in zip(threads, before, strict=True)]
                differences.append((used[1] - used[0] + asked) / (loads[0].recorded - recorded))
            for publisher in (plain, checked):
                driver.deliver(publisher)
                publisher.finish()
    return statistics.mean(differences), statistics.stdev(differences) / len(differences) ** 0.5


def locust_us() -> float:
    """CPU time of Locust for a request, in microseconds, without a plugin."""
    with tempfile.TemporaryDirectory(prefix="locust-cw-bench-") as folder, full_speed(Path(folder), NONE) as generator:
        generator.stop()
        generator.run_for(LOCUST_S)
        return generator.end().cpu_us


def master_share(url: str) -> tuple[float, float]:
    """CPU time of a master for its workers' summaries, as a share of a core, and bytes of a worker's report."""
    with (
        driver.run(url, live=True, check=expressions(), measured_from=time.time()) as worker,
        driver.run(url, check=expressions()) as master,
    ):
        load = driver.Load(worker, NAMES)
        used, size = 0.0, 0
        for _ in range(REPORTS):
            driver.hold({load: WORKER_RATE}, REPORT_S)
            increments = worker.statistics.take_increments()
            size = max(size, sum(map(len, increments)))
            begun = time.process_time()
            for number in range(WORKERS):
                received = [master.statistics.add_increment(f"worker-{number}", each) for each in increments]
            master.statistics.take_abort()
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
    parser.add_argument("--rounds", type=int, default=20, help=f"rounds of {ROUND_S:g} s")
    figures.add_option(parser)
    arguments = parser.parse_args()
    with Sink() as sink:
        added, error = cost_us(sink.url, arguments.rounds)
        share, size = master_share(sink.url)
    locust = locust_us()
    limit = SHARE_TARGET * locust
    lines = [
        Figure(
            f"CPU time per request with {CHECKS} checks, added",
            f"{added:.2f} +- {2 * error:.2f} us of {locust:.0f}",
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
    figures.show(arguments.json, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
