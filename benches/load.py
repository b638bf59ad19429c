"""What a whole test costs: real `locust` processes, publishing to a local CloudWatch while they run.

    python benches/load.py [--seconds 60] [--rates 500 5000] [--turn-seconds 8] [--turns 3]

The first table shows how API calls and the wait at the end grow with the load. The second shows what is left of the
load generator's own speed: of users that make HTTP requests to a target that costs little, and of a user that only
reports requests, as fast as Locust lets it; and how much processor time of Locust's own thread a request takes, which
hardly depends on what else the machine does. It runs target and CloudWatch too, so compare rows and columns; the
numbers are this machine's.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import locust_cw

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
FLUSH_INTERVAL_S = 5
TO_NOWHERE = ["--cw-live", "--cw-dry-run"]
TO_LOCAL = ["--cw-live", "--cw-local", "--cw-flush-interval", str(FLUSH_INTERVAL_S)]
# What listens, the module that runs Locust, and options.
KINDS: list[tuple[str, str, list[str]]] = [
    ("Locust alone", "locust", []),
    ("locust-cw, --cw-dry-run", "locust_cw", TO_NOWHERE),
    ("locust-cw, --cw-local", "locust_cw", TO_LOCAL),
]
# What loads, how many users of it, and what is shown of it.
USERS = [("Client", 20, "HTTP"), ("Reporter", 1, "reported")]

Row = dict[str, float]


@dataclass
class Turn:
    """What was reached in one turn."""

    rate: float
    """Requests per second."""
    cpu_us: float
    """Microseconds of processor time, in the thread that Locust runs in, per request."""
    dropped: int


def main() -> int:
    """Measure and print; the exit code says whether everything was delivered and reconciled."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="how long each rate is held (default: %(default)s)")
    parser.add_argument("--rates", type=int, nargs="+", default=[500, 5_000], help="requests per second")
    parser.add_argument("--turn-seconds", type=int, default=8, help="how long a turn at full speed takes")
    parser.add_argument("--turns", type=int, default=3, help="turns of each kind; 0 leaves them out")
    arguments = parser.parse_args()

    print(f"locust_cw in {Path(locust_cw.__file__).parent}, on {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory(prefix="locust-cw-bench-") as folder:
        results = [held(Path(folder), rate, arguments.seconds) for rate in arguments.rates]
        print_held(arguments.rates, results)
        if arguments.turns:
            with target() as host:
                print_full_speed(full_speed(Path(folder), host, arguments.turn_seconds, arguments.turns))
    return 0 if all(row["lost"] == 0 and row["reconciled"] for row in results) else 1


def held(folder: Path, rate: int, seconds: int) -> Row:
    """One test at a steady rate, all requests logged."""
    options = ["Reporter", "--rate", str(rate), *TO_LOCAL]
    timings, receipt = run(folder, "locust_cw", seconds, options)
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


def full_speed(folder: Path, host: str, seconds: int, turns: int) -> dict[tuple[str, str], list[Turn]]:
    """What each kind reaches with each class of users, in turns."""
    reached: dict[tuple[str, str], list[Turn]] = {}
    for _ in range(turns):
        for (users, number, _), (kind, module, options) in itertools.product(USERS, KINDS):
            given = [users, "--host", host, "--users", str(number), "--spawn-rate", str(number), *options]
            timings, receipt = run(folder, module, seconds, given)
            requests = timings["requests"]
            turn = Turn(
                rate=requests / timings["seconds"],
                cpu_us=timings["cpu_seconds"] / requests * 1e6,
                dropped=receipt["requests"]["dropped"] if receipt else 0,
            )
            reached.setdefault((kind, users), []).append(turn)
    return reached


@contextmanager
def target() -> Iterator[str]:
    """Run the target and yield its URL."""
    process = subprocess.Popen(  # noqa: S603 - our own file
        [sys.executable, str(HERE / "target.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdin and process.stdout  # noqa: S101, PT018 - both are pipes
        yield process.stdout.readline().strip()
        process.stdin.close()


def run(folder: Path, module: str, seconds: int, options: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run Locust, with the module `locust_cw` or without; give its timings and the receipt."""
    timings, receipt = folder / "timings.json", folder / "receipt.json"
    command = [sys.executable, "-m", module, "-f", str(HERE / "users.py"), "--host", "http://service.example"]
    command += ["--headless", "--only-summary", "--run-time", f"{seconds}s"]
    command += ["--exit-code-on-error", "0", "--timings", str(timings), *options]
    if module == "locust_cw":
        command += ["--cw-spool-dir", str(folder / "spool"), "--cw-receipt", str(receipt)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LOCUST_"))}
    ended = subprocess.run(  # noqa: S603 - Locust, with options from above
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
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


def print_full_speed(reached: dict[tuple[str, str], list[Turn]]) -> None:
    """Print the best turn of each kind, and what it is of the first one's: what else runs only slows down."""
    best = {
        key: (max(turn.rate for turn in turns), min(turn.cpu_us for turn in turns)) for key, turns in reached.items()
    }
    columns = "".join(f"{f'{shown}/s':>12}{'ratio':>7}{'CPU us':>9}{'ratio':>7}" for _, _, shown in USERS)
    print(f"\n{'as fast as one process can':26}{columns}{'dropped':>9}")
    for kind, _, _ in KINDS:
        columns = ""
        for users, _, _ in USERS:
            (rate, cpu_us), (rate_alone, cpu_us_alone) = best[kind, users], best[KINDS[0][0], users]
            columns += f"{rate:12,.0f}{rate / rate_alone:7.2f}{cpu_us:9,.1f}{cpu_us / cpu_us_alone:7.2f}"
        dropped = sum(turn.dropped for users, _, _ in USERS for turn in reached[kind, users])
        print(f"{kind:26}{columns}{dropped:9,}")


if __name__ == "__main__":
    sys.exit(main())
