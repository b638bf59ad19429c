"""Locust's web UI with the shop, a local CloudWatch and a target that saturates, to try out the CloudWatch tab.

    python examples/demo/web.py [--port 8089] [--users 60]

Open the address that it prints, start a test, and select the tab CloudWatch. Ctrl-C ends it. Needs `locust-cw[local]`
and boto3, but no AWS account.
"""

from __future__ import annotations

import argparse
import http.client
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from demo import HERE, QUIT_TIMEOUT_S, target, use_local_account
from locust_cw._aws.local import LocalCloudWatch
from target import INSTANCE, QUEUE_METRIC, QUEUE_NAMESPACE

HOST = "127.0.0.1"
START_TIMEOUT_S = 60
WORKERS = 4
"""How many requests the shop handles at once: about 180 a second."""

TARGETS = (f"ec2:{INSTANCE}", f"metric:{QUEUE_NAMESPACE}/{QUEUE_METRIC}:Maximum")
CHECKS = ("p95 < 300ms", "failures < 5%", "rps >= 50", f"ec2:{INSTANCE}: CPUUtilization Average < 80")


def main() -> int:
    """Run until Ctrl-C or the end of Locust; return Locust's exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8089, help="port of the web UI; 0 for any (default: %(default)s)")
    parser.add_argument("--users", type=int, default=60, help="users in the start form (default: %(default)s)")
    arguments = parser.parse_args()
    use_local_account()
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    port = arguments.port or free_port()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="locust-cw-demo-")))
        local = stack.enter_context(LocalCloudWatch())
        host = stack.enter_context(target("--workers", str(WORKERS), "--publish", local.endpoint_url))
        locust = start_locust(folder, port, host, local.endpoint_url, arguments.users)
        try:
            wait_for_web_ui(port, locust)
            print(
                f"\n  Web UI: http://{HOST}:{port}/?tab=cloudwatch\n  Start a test there. Press Ctrl-C to end.\n",
                flush=True,
            )
            return locust.wait()
        finally:
            end(locust)


def start_locust(folder: Path, port: int, host: str, endpoint_url: str, users: int) -> subprocess.Popen[bytes]:
    """Start Locust with its web UI."""
    command = [sys.executable, "-m", "locust", "-f", str(HERE / "locustfile.py"), "--host", host]
    command += ["--web-host", HOST, "--web-port", str(port), "--users", str(users), "--spawn-rate", "1"]
    command += ["--cw-live", "--cw-endpoint-url", endpoint_url, "--cw-spool-dir", str(folder / "spool")]
    command += ["--cw-record", "local", "--cw-check-wait", "0"]
    command += [f"--cw-target={each}" for each in TARGETS] + [f"--cw-check={each}" for each in CHECKS]
    return subprocess.Popen(  # noqa: S603 - Locust, with options from above
        command,
        stdin=subprocess.DEVNULL,
        cwd=folder,
        start_new_session=True,  # `end` passes Ctrl-C on, while the shop and CloudWatch still respond
    )


def wait_for_web_ui(port: int, locust: subprocess.Popen[bytes]) -> None:
    """Wait until the web UI responds."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while locust.poll() is None and time.monotonic() < deadline:
        connection = http.client.HTTPConnection(HOST, port, timeout=1)
        try:
            connection.request("GET", "/")
            connection.getresponse()
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
        else:
            return
        finally:
            connection.close()
    raise SystemExit(
        "Locust's web UI did not start; above is its output. If the port is in use, choose another --port."
    )


def end(locust: subprocess.Popen[bytes]) -> None:
    """End Locust, which delivers what is left."""
    if locust.poll() is None:
        locust.send_signal(signal.SIGINT)
        try:
            locust.wait(QUIT_TIMEOUT_S)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            locust.kill()
            locust.wait()


def free_port() -> int:
    """A port that no other program uses at present."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(0)
