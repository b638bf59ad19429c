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
this method.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import figures
import locust_cw
from figures import Figure
from sink import CREDENTIALS, Sink

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).parent
FLUSH_INTERVAL_S = 5
USERS = 20
GENERATORS, SERVERS = 0, 1
"""Cores, out of all."""
ALL = os.sched_getaffinity(0)
SLICE_S = 0.1
TIMEOUT_S = 60
"""Time for the start and the end of a test."""

# Candidates: the listener, the module that runs Locust, and options.
NONE, EMPTY, OURS = "no plugin", "an empty listener", "locust-cw, live, all logs"
PLUGINS, OLD = "locust-plugins", "5 requests per call"
KINDS: dict[str, tuple[str, list[str]]] = {
    NONE: ("locust", []),
    EMPTY: ("locust", ["--empty-listener"]),
    OURS: ("locust_cw", []),
    PLUGINS: ("locust", ["--peer", "locust-plugins"]),
    OLD: ("locust", ["--peer", "old-script"]),
}
FURTHER_LOCUSTFILES = {"--peer": "peers.py", "--parts": "listeners.py"}
"""Other publishers, by the option of `peers.py`."""
RATE, RATE_TARGET = "requests/s at full speed", 0.98
P99, P99_TARGET = "response time p99 at full speed", 1.05
# Whether load generators share one core, and the label in the table.
WHERE = {False: "", True: ", all threads on one processor"}

Row = dict[str, float]


@dataclass
class Turn:
    """The result of one turn."""

    rate: float
    """Requests per second."""
    p99_ms: float
    cpu_us: float
    """Microseconds of CPU time per request, over all threads."""
    own_cpu_us: float
    """The same for Locust's own thread."""
    calls: float
    """API calls per 1000 requests."""
    lost: float
    """Samples that were observed and not delivered; 0 without a receipt."""


Turns = dict[str, dict[int, Turn]]
"""Turns by candidate and repetition."""


class Generator:
    """A load generator that can be stopped and continued. Only the time while it runs counts."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, module: str, sink: Sink) -> None:
        """Wrap a running process."""
        self._process = process
        self._folder = folder
        self._module = module
        self._sink = sink
        self._ran_s = 0.0

    def stop(self) -> None:
        """Stop the process (SIGSTOP)."""
        self._process.send_signal(signal.SIGSTOP)

    def note(self) -> None:
        """Have the process note its requests and CPU time so far. It need not be stopped."""
        self._process.send_signal(signal.SIGCONT)

    def run_for(self, seconds: float) -> None:
        """Continue the process for a time."""
        begun = time.monotonic()
        self._process.send_signal(signal.SIGCONT)
        time.sleep(seconds)
        self.stop()
        self._ran_s += time.monotonic() - begun

    def wait(self, seconds: float) -> dict[str, Any]:
        """Wait until it ends, in about this time, and return its receipt."""
        _, receipt = finish(self._process, self._folder, self._module, seconds)
        return receipt

    def end(self) -> Turn:
        """End it, and return its results."""
        self._process.send_signal(signal.SIGCONT)
        time.sleep(SLICE_S)  # the process must notice it before the test ends
        self._process.terminate()
        timings, receipt = finish(self._process, self._folder, self._module)
        calls = self._sink.stop()
        first, last = timings["noted"][0], timings["noted"][-1]
        requests, own_cpu, all_cpu, _ = (after - before for before, after in zip(first, last, strict=True))
        return Turn(
            rate=requests / self._ran_s if self._ran_s else 0.0,
            p99_ms=timings["p99_ms"],
            cpu_us=all_cpu / requests * 1e6,
            own_cpu_us=own_cpu / requests * 1e6,
            calls=sum(call.operation.startswith("Put") for call in calls) / timings["requests"] * 1000,
            lost=lost(receipt),
        )


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
    ours = [turn for each in (*slices, turns) for turn in each.get(OURS, {}).values()]
    return 0 if delivered and not any(turn.lost for turn in ours) else 1


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
    turns: Turns = {NONE: {}, OURS: {}, PLUGINS: {}, OLD: {}}
    for number in range(rounds):
        for kind in turns if number % 2 else reversed(turns):
            with full_speed(folder / kind, kind) as generator:
                generator.stop()
                generator.run_for(seconds)
                turns[kind][number] = generator.end()
    return turns


@contextmanager
def full_speed(
    folder: Path, kind: str, further_options: Sequence[str] = (), *, pinned: bool = False
) -> Iterator[Generator]:
    """A load generator at full speed, with its own service and sink."""
    folder.mkdir(exist_ok=True)
    module, given = KINDS[kind]
    user_class = [] if "Reporter" in further_options else ["Client"]
    users = [*user_class, "--users", str(USERS), "--spawn-rate", str(USERS), *given]
    with on_processor(SERVERS if pinned else None), service() as host, Sink() as sink:
        # Ends by itself if this program is killed.
        options = [*users, "--host", host, "--run-time", "10m", *further_options]
        with (
            on_processor(GENERATORS if pinned else None),
            started(folder, module, sink.url, options) as process,
            on_processor(None),
        ):
            yield Generator(process, folder, module, sink)


@contextmanager
def on_processor(number: int | None) -> Iterator[None]:
    """Start processes of this thread on one core, if there are several; with None, on any."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, ALL if number is None else {sorted(ALL)[number % len(ALL)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def service() -> Iterator[str]:
    """Run the service under test and yield its URL."""
    process = subprocess.Popen(  # noqa: S603 - our own file
        [sys.executable, str(HERE / "service.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdin and process.stdout  # noqa: S101, PT018 - both are pipes
        yield process.stdout.readline().strip()
        process.stdin.close()


@contextmanager
def started(folder: Path, module: str, endpoint_url: str, options: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run Locust, with or without the module `locust_cw`; yield once its users run."""
    timings, receipt, is_there = folder / "timings.json", folder / "receipt.json", folder / "started"
    for file in (timings, receipt, is_there):
        file.unlink(missing_ok=True)
    locustfiles = ["users.py", *(file for option, file in FURTHER_LOCUSTFILES.items() if option in options)]
    command = [sys.executable, "-m", module, "-f", ",".join(str(HERE / file) for file in locustfiles)]
    command += ["--host", "http://service.example"]
    command += [*([] if "--autostart" in options else ["--headless"]), "--only-summary", "--exit-code-on-error", "0"]
    command += ["--timings", str(timings), "--started", str(is_there), *options]
    if module == "locust_cw":
        command += ["--cw-live", "--cw-flush-interval", str(FLUSH_INTERVAL_S)]
        command += ["--cw-spool-dir", str(folder / "spool"), "--cw-receipt", str(receipt)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LOCUST_"))}
    # The same locust_cw as here; a relative path would be another folder there.
    environment["PYTHONPATH"] = str(Path(locust_cw.__file__).parent.parent)
    with (folder / "output.txt").open("w", encoding="utf-8") as output:
        process = subprocess.Popen(  # noqa: S603 - Locust, with options from above
            command,
            cwd=folder,
            env=environment | CREDENTIALS | {"AWS_ENDPOINT_URL": endpoint_url},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + TIMEOUT_S
        while not is_there.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                give_up(folder, "did not start")
            time.sleep(0.01)
        yield process
    finally:
        process.kill()
        process.wait()


def finish(
    process: subprocess.Popen[bytes], folder: Path, module: str, seconds: float = 0
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Wait for the end, which is due in some seconds; return timings and receipt."""
    try:
        if process.wait(seconds + TIMEOUT_S):
            give_up(folder, f"ended with code {process.returncode}")
    except subprocess.TimeoutExpired:
        give_up(folder, "did not end")
    receipt = json.loads((folder / "receipt.json").read_text()) if module == "locust_cw" else {}
    return json.loads((folder / "timings.json").read_text()), receipt


def lost(receipt: dict[str, Any]) -> int:
    """Requests and log events that were observed and not delivered; 0 without a receipt."""
    accounts = [receipt["requests"], receipt["log_events"]] if receipt else []
    return sum(account["observed"] - account["delivered"] for account in accounts)


def give_up(folder: Path, why: str) -> NoReturn:
    """Print Locust's output, and exit."""
    sys.exit(f"{(folder / 'output.txt').read_text()}\nLocust {why}; above is its output.")


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
            others = "; ".join(f"{kind}: {ratio(turns, kind, key):.2f}" for kind in (PLUGINS, OLD))
            name = f"{what}, whole, {len(turns[NONE])} rounds, to no plugin"
            lines.append(Figure(name, f"{ratio(turns, OURS, key):.2f}", peers=others))
    return lines


if __name__ == "__main__":
    sys.exit(main())
