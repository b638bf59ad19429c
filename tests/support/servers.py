"""Servers in processes of their own, on free loopback ports, ended whatever happens to the test."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
REGION = "eu-north-1"  # none of the usual defaults, so a hard-coded region shows


def wait_until(condition: Callable[[], T], what: str, timeout: float = 30) -> T:
    """The first true value of `condition`; fails, saying `what` did not happen, when the deadline passes."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}"
        time.sleep(0.02)
    return value


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(url: str, data: bytes | None = None) -> bytes:
    with urllib.request.urlopen(url, data=data, timeout=10) as answer:
        return bytes(answer.read())


def answers(url: str) -> bool:
    try:
        return bool(get(url))
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def ending(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The process, killed on the way out if it still runs."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@dataclass(frozen=True)
class Target:
    """The service under test, and what it has seen."""

    url: str

    @property
    def served(self) -> int:
        return int(get(f"{self.url}/_count"))

    def wait_for(self, requests: int) -> None:
        """Return when so many more have been served."""
        enough = self.served + requests
        wait_until(lambda: self.served >= enough, f"{requests} requests are served")


@contextmanager
def target() -> Iterator[Target]:
    script = Path(__file__).with_name("target.py")
    with ending(subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE)) as process:
        assert process.stdout
        with process.stdout:
            yield Target(f"http://127.0.0.1:{int(process.stdout.readline())}")


@contextmanager
def ministack(folder: Path) -> Iterator[str]:
    """A local CloudWatch with all it writes below `folder`; its URL."""
    port = free_port()
    env = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "MINISTACK_", "LOCALSTACK_"))}
    env |= {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "HOME": str(folder),
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "SERVICES": "cloudwatch,logs,sts",
        "SFTP_ENABLED": "0",
        "TMPDIR": str(folder),
    }
    binary = Path(sys.executable).with_name("ministack")
    with (folder / "ministack.log").open("wb") as log:
        process = subprocess.Popen([binary], env=env, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        with ending(process):
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: answers(f"{url}/_ministack/health"), f"MiniStack answers, see {log.name}")
            yield url
