"""Load a small shop, publish to a local CloudWatch during the test, and read the results back.

    python examples/demo/demo.py [--seconds 20] [--users 40]

Exits with 0 if every total in CloudWatch equals Locust's own. Needs `locust-cw[local]` and boto3, but no AWS account.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from locust_cw._aws.local import LocalCloudWatch
from readback import CloudWatch
from report import print_report

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
DRAIN_TIMEOUT_S = 30
# Longer than the drain: Locust also stops its users and writes its statistics.
QUIT_TIMEOUT_S = DRAIN_TIMEOUT_S + 15
STOP_TIMEOUT_S = 5
LOOK_EVERY_S = 2

NAMESPACE = "Locust"
LOG_GROUP = "LocustTests"

# A local CloudWatch accepts any credentials and Region. Those of the user, and a proxy, must have no effect.
AWS_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}


def main() -> int:
    """Run the demo; return 0 if the totals agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=20, help="duration of the load (default: %(default)s)")
    parser.add_argument("--users", type=int, default=40, help="number of users (default: %(default)s)")
    arguments = parser.parse_args()

    use_local_account()
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))

    with (
        tempfile.TemporaryDirectory(prefix="locust-cw-demo-") as folder,
        LocalCloudWatch() as local,
        target() as host,
        load(Path(folder), host, local.endpoint_url, arguments.users, arguments.seconds) as locust,
    ):
        cloudwatch = CloudWatch(local.endpoint_url, NAMESPACE, LOG_GROUP)
        print(f"{arguments.users} users load {host} for {arguments.seconds} s.")
        print(f"Results in CloudWatch at {local.endpoint_url}:\n")
        code = watch(locust, cloudwatch, arguments.seconds)

        output = (Path(folder) / "locust.log").read_text(errors="replace")
        receipt_file, stats_file = Path(folder) / "receipt.json", Path(folder) / "stats.json"
        # Locust exits with 1 if requests failed, as some of this target's do.
        if code not in (0, 1) or not receipt_file.exists() or not stats_file.exists():
            ended = "did not end" if code is None else f"ended with code {code}"
            print(f"{output}\nLocust {ended} and left no results; above is its output.", file=sys.stderr)
            return 1
        receipt = json.loads(receipt_file.read_text())
        stats = json.loads(stats_file.read_text())
        if print_report(receipt, stats, cloudwatch.read_back()):
            print(f"\nLocust's own output:\n{output}")
            return 1
    return 0


def use_local_account() -> None:
    """Have the variables of the user's AWS account and of other tests no effect."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "LOCUST_"))]:
        del os.environ[name]
    os.environ.update(AWS_ENVIRONMENT)


@contextmanager
def target(*options: str) -> Iterator[str]:
    """Run the shop and yield its URL."""
    process = subprocess.Popen(  # noqa: S603 - our own file
        [sys.executable, str(HERE / "target.py"), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C must not stop the shop: it still responds to Locust's last requests
    )
    with ending(process):
        assert process.stdin and process.stdout  # noqa: S101, PT018 - both are pipes
        with process.stdin, process.stdout:
            yield process.stdout.readline().strip()


@contextmanager
def load(folder: Path, host: str, endpoint_url: str, users: int, seconds: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run Locust as from a shell."""
    command = [sys.executable, "-m", "locust", "-f", str(HERE / "locustfile.py"), "--host", host]
    command += ["--headless", "--only-summary", "--users", str(users), "--spawn-rate", str(users / 4)]
    command += ["--run-time", f"{seconds}s", "--json-file", str(folder / "stats")]
    command += ["--cw-live", "--cw-flush-interval", "2", "--cw-endpoint-url", endpoint_url]
    command += ["--cw-namespace", NAMESPACE, "--cw-log-group", LOG_GROUP]
    command += ["--cw-spool-dir", str(folder / "spool"), "--cw-drain-timeout", str(DRAIN_TIMEOUT_S)]
    command += ["--cw-receipt", str(folder / "receipt.json")]
    with (folder / "locust.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - Locust, with options from above
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,  # `watch` passes Ctrl-C on
        )
    with ending(process):
        yield process


@contextmanager
def ending(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> Iterator[None]:
    """End the process on exit."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def watch(locust: subprocess.Popen[bytes], cloudwatch: CloudWatch, seconds: int) -> int | None:
    """Print every two seconds what has arrived in CloudWatch, until Locust has ended; return its exit code.

    Ctrl-C ends the test, as in Locust, and a second one ends the demo. If nothing has arrived yet, the first one does.
    """
    start = time.monotonic()
    deadline = start + seconds + QUIT_TIMEOUT_S
    in_place = sys.stdout.isatty()
    arrived = stopping = False
    while time.monotonic() < deadline:
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = locust.wait(LOOK_EVERY_S)
                print(end="\n\n" if in_place else "\n")
                return code
            now = cloudwatch.so_far()
        except KeyboardInterrupt:
            if stopping or not arrived:
                raise
            stopping = True
            deadline = time.monotonic() + QUIT_TIMEOUT_S
            print("\n  The test ends, and Locust delivers the rest. Press Ctrl-C again to give up.")
            locust.send_signal(signal.SIGINT)
            continue
        arrived = now.requests > 0
        line = (
            f"  {time.monotonic() - start:3.0f} s {now.users:6,.0f} users {now.requests:9,.0f} requests"
            f" {now.failures:7,.0f} failures {now.p99_ms:9,.1f} ms p99"
        )
        print(f"\r{line}" if in_place else line, end="" if in_place else "\n", flush=True)
    return None


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print()
        sys.exit(128 + signal.SIGINT)
