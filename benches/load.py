"""What a whole test costs: real `locust` processes, publishing to a sink on this machine while they run.

    python benches/load.py [--pairs 7] [--rounds 16] [--turn-seconds 6] [--seconds 20] [--rates 500 5000] [--json FILE]

The first table shows how API calls and the wait at the end grow with the load.

The others show what is left of the load generator's own speed, of users that make HTTP requests as fast as they are
answered. The generator has a processor, and with it all threads of locust-cw; service and sink have another one.

In pairs, a generator with locust-cw, which publishes metrics and all logs, and one without run side by side on the same
processor: whatever else the machine does, it does to both. What either gets out of its share is compared: requests for
each second of processor time. Of all threads, that is the ratio of requests/s on a machine without a processor to spare
for publishing; of Locust's own thread, on one that has some to spare. The medians of the pairs are shown.

In rounds they take turns, each with the processor to itself, as one runs them. Two that ought to be alike differ by a
tenth or more on a machine that others share, so it takes many: the median of thirty is good to three hundredths. What
others use takes part in some of the rounds: what that costs shows without.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import figures
import locust_cw
from figures import Figure
from sink import CREDENTIALS, Sink

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
FLUSH_INTERVAL_S = 5
USERS = 20
GENERATORS, SERVERS = 0, 1
"""Processors, of all there are."""
ALL = os.sched_getaffinity(0)
PEERS_EVERY = 8
"""Rounds from one in which all take part to the next: what a fifth is left of needs no more."""

# What listens, the module that runs Locust, and options.
NONE, OURS, PLUGINS, OLD = "no plugin", "locust-cw, live, all logs", "locust-plugins", "5 requests per call"
KINDS: dict[str, tuple[str, list[str]]] = {
    NONE: ("locust", []),
    OURS: ("locust_cw", []),
    PLUGINS: ("locust", ["--peer", "locust-plugins"]),
    OLD: ("locust", ["--peer", "old-script"]),
}
RATE_TARGET = 0.98
P99_TARGET = 1.05

Row = dict[str, float]


@dataclass
class Turn:
    """What was reached in one turn."""

    rate: float
    """Requests per second."""
    p99_ms: float
    cpu_us: float
    """Microseconds of processor time, in all threads of the process, per request."""
    own_cpu_us: float
    """The same in the thread that Locust runs in."""
    calls: float
    """API calls per 1000 requests."""
    lost: float
    """Samples that were observed and not delivered; where nobody counts, 0."""


Turns = dict[str, dict[int, Turn]]
"""By what listens, and by the round."""


def main() -> int:
    """Measure and print; the exit code says whether everything was delivered and reconciled."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=20, help="how long each rate is held (default: %(default)s)")
    parser.add_argument("--rates", type=int, nargs="+", default=[500, 5_000], help="requests per second")
    parser.add_argument("--turn-seconds", type=int, default=6, help="how long a pair or a turn at full speed takes")
    parser.add_argument("--pairs", type=int, default=7, help="pairs side by side; 0 leaves them out")
    parser.add_argument("--rounds", type=int, default=16, help="rounds in turns; 0 leaves them out")
    figures.add_option(parser)
    arguments = parser.parse_args()

    print(f"locust_cw in {Path(locust_cw.__file__).parent}, on {os.cpu_count()} processors")
    rows: list[Row] = []
    pairs: Turns = {}
    turns: Turns = {}
    with tempfile.TemporaryDirectory(prefix="locust-cw-bench-") as folder:
        if arguments.rates and arguments.seconds:
            rows = [held(Path(folder), rate, arguments.seconds) for rate in arguments.rates]
            print_held(arguments.rates, rows)
        if arguments.pairs:
            pairs = side_by_side(Path(folder), arguments.turn_seconds, arguments.pairs)
            print_full_speed(f"Side by side on one processor, {arguments.pairs} pairs", pairs)
        if arguments.rounds:
            turns = in_turns(Path(folder), arguments.turn_seconds, arguments.rounds)
            print_full_speed(f"In turns, {arguments.rounds} rounds", turns)
    figures.write(arguments.json, summary(pairs, turns))
    delivered = all(row["lost"] == 0 and row["reconciled"] for row in rows)
    ours = [*pairs.get(OURS, {}).values(), *turns.get(OURS, {}).values()]
    return 0 if delivered and not any(turn.lost for turn in ours) else 1


def held(folder: Path, rate: int, seconds: int) -> Row:
    """One test at a steady rate, all requests logged."""
    with Sink() as sink:
        timings, receipt = run(folder, "locust_cw", seconds, sink.url, ["Reporter", "--rate", str(rate)])
    requests, calls = receipt["requests"], receipt["api_calls"]
    events = receipt["log_events"]
    return {
        "rate": timings["requests"] / timings["seconds"],
        "metrics_calls": calls["PutMetricData"],
        "metrics_calls_per_interval": calls["PutMetricData"] / (timings["seconds"] / FLUSH_INTERVAL_S),
        "logs_calls": calls["PutLogEvents"],
        "seconds_after": timings["seconds_after"],
        "megabytes": receipt["bytes_sent"] / 1e6,
        "lost": sum(account["observed"] - account["delivered"] for account in (requests, events)),
        "reconciled": receipt["reconciled"],
    }


def side_by_side(folder: Path, seconds: int, number: int) -> Turns:
    """What a generator with locust-cw and one without reach at the same time on the same processor."""
    turns: Turns = {NONE: {}, OURS: {}}
    with ThreadPoolExecutor(len(turns)) as pool:
        for pair in range(number):
            running = {kind: pool.submit(full_speed, folder / kind, kind, seconds) for kind in turns}
            for kind, turn in running.items():
                turns[kind][pair] = turn.result()
    return turns


def in_turns(folder: Path, seconds: int, rounds: int) -> Turns:
    """What each kind reaches alone, in rounds that begin with another kind each time."""
    turns: Turns = {kind: {} for kind in KINDS}
    for number in range(rounds):
        kinds = list(KINDS) if number % PEERS_EVERY == 0 else [NONE, OURS]
        for kind in kinds if number % 2 else reversed(kinds):
            turns[kind][number] = full_speed(folder / kind, kind, seconds)
    return turns


def full_speed(folder: Path, kind: str, seconds: int) -> Turn:
    """One test, as fast as its share of the generators' processor goes."""
    folder.mkdir(exist_ok=True)
    module, given = KINDS[kind]
    users = ["Client", "--users", str(USERS), "--spawn-rate", str(USERS), *given]
    with on_processor(SERVERS), service() as host, Sink() as sink:
        with on_processor(GENERATORS):
            timings, receipt = run(folder, module, seconds, sink.url, [*users, "--host", host])
        calls = sink.stop()
    requests = timings["requests"]
    accounts = [receipt["requests"], receipt["log_events"]] if receipt else []
    return Turn(
        rate=requests / timings["seconds"],
        p99_ms=timings["p99_ms"],
        cpu_us=timings["all_cpu_seconds"] / requests * 1e6,
        own_cpu_us=timings["cpu_seconds"] / requests * 1e6,
        calls=sum(call.operation.startswith("Put") for call in calls) / requests * 1000,
        lost=sum(account["observed"] - account["delivered"] for account in accounts),
    )


@contextmanager
def on_processor(number: int) -> Iterator[None]:
    """Give what this thread starts meanwhile one processor, where there are several."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(ALL)[number % len(ALL)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def service() -> Iterator[str]:
    """Run the service to load and yield its URL."""
    process = subprocess.Popen(  # noqa: S603 - our own file
        [sys.executable, str(HERE / "service.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdin and process.stdout  # noqa: S101, PT018 - both are pipes
        yield process.stdout.readline().strip()
        process.stdin.close()


def run(
    folder: Path, module: str, seconds: int, endpoint_url: str, options: list[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run Locust, with the module `locust_cw` or without; give its timings and the receipt."""
    timings, receipt = folder / "timings.json", folder / "receipt.json"
    locustfiles = f"{HERE / 'users.py'},{HERE / 'peers.py'}" if "--peer" in options else str(HERE / "users.py")
    command = [sys.executable, "-m", module, "-f", locustfiles, "--host", "http://service.example"]
    command += ["--headless", "--only-summary", "--run-time", f"{seconds}s"]
    command += ["--exit-code-on-error", "0", "--timings", str(timings), *options]
    if module == "locust_cw":
        command += ["--cw-live", "--cw-flush-interval", str(FLUSH_INTERVAL_S)]
        command += ["--cw-spool-dir", str(folder / "spool"), "--cw-receipt", str(receipt)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LOCUST_"))}
    ended = subprocess.run(  # noqa: S603 - Locust, with options from above
        command,
        cwd=folder,
        env=environment | CREDENTIALS | {"AWS_ENDPOINT_URL": endpoint_url},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        sys.exit(f"{ended.stdout}{ended.stderr}\nLocust ended with code {ended.returncode}; above is its output.")
    return json.loads(timings.read_text()), json.loads(receipt.read_text()) if module == "locust_cw" else {}


def print_held(rates: list[int], results: list[Row]) -> None:
    """Print a column for each rate, and how often the first goes into the last."""
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
    """A kind's figure to the same without a plugin, of each round that it took part in."""
    return [getattr(turn, key) / getattr(turns[NONE][number], key) for number, turn in turns[kind].items()]


def ratio(turns: Turns, kind: str, key: str) -> float:
    """The median over the rounds of a kind's figure to the same without a plugin."""
    return statistics.median(ratios(turns, kind, key))


def with_spread(each: list[float]) -> str:
    """The median, with the range that half of the pairs lie in: what is closer than that to a target says little."""
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
        calls, lost = statistics.median(turn.calls for turn in each.values()), sum(turn.lost for turn in each.values())
        print(f"{kind:28}{columns}{calls:12.1f}{lost:6,.0f}")
    each_pair = sorted(ratios(turns, OURS, "cpu_us"))
    print(f"ratios of locust-cw's CPU per request, sorted: {' '.join(f'{each:.3f}' for each in each_pair)}")


def summary(pairs: Turns, turns: Turns) -> list[Figure]:
    """The lines for the table."""

    def peers(key: str) -> str:
        return "; ".join(f"{kind}: {ratio(turns, kind, key):.2f}" for kind in (PLUGINS, OLD))

    lines = []
    if pairs:
        for whose, key in (("all threads", "cpu_us"), ("Locust's own thread", "own_cpu_us")):
            per_second = [1 / each for each in ratios(pairs, OURS, key)]
            met = statistics.median(per_second) >= RATE_TARGET
            name = f"requests per second of processor time, {whose}, to no plugin"
            lines.append(Figure(name, with_spread(per_second), f"at least {RATE_TARGET}", met))
        p99 = ratios(pairs, OURS, "p99_ms")
        met = statistics.median(p99) <= P99_TARGET
        name = "response time p99, side by side, to no plugin"
        lines.append(Figure(name, with_spread(p99), f"at most {P99_TARGET}", met))
    if turns:
        rate, p99 = ratios(turns, OURS, "rate"), ratios(turns, OURS, "p99_ms")
        met = statistics.median(rate) >= RATE_TARGET
        name = "requests/s at full speed, in turns, to no plugin"
        lines.append(Figure(name, with_spread(rate), f"at least {RATE_TARGET}", met, peers("rate")))
        met = statistics.median(p99) <= P99_TARGET
        name = "response time p99, in turns, to no plugin"
        lines.append(Figure(name, with_spread(p99), f"at most {P99_TARGET}", met, peers("p99_ms")))
    return lines


if __name__ == "__main__":
    sys.exit(main())
