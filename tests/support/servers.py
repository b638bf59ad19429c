"""Servers in separate processes, on free loopback ports. They end when the test ends, also if it fails."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle, islice
from pathlib import Path
from typing import TypeVar

from support.fork_server import Process

T = TypeVar("T")
P = TypeVar("P", bound=Process)
REGION = "eu-north-1"  # none of the usual defaults, so a hard-coded region shows


def wait_until(condition: Callable[[], T], what: str, timeout: float = 60, *, every: float | None = None) -> T:
    """The first true value of `condition`; fails, saying `what` did not happen, when the deadline passes.

    Without `every`, a slow condition, such as a query of a browser, is checked less often, to leave the processor to
    other tests.
    """
    start = checked = time.monotonic()
    while not (value := condition()):
        now = time.monotonic()
        assert now < start + timeout, f"not within {timeout:g} s: {what}"
        time.sleep(min(max(0.05, 4 * (now - checked)), 0.5) if every is None else every)
        checked = time.monotonic()
    return value


# Below the ports that Linux, macOS and Windows give to outgoing connections: those may be gone before a server binds.
FIRST_PORT, LAST_PORT, PORTS_EACH = 20_000, 31_999, 250


@cache
def _own_ports() -> tuple[Iterator[int], socket.socket]:
    """The ports of this process, over and over, and what keeps others off them: the first is held, for datagrams."""
    for first in range(FIRST_PORT, LAST_PORT, PORTS_EACH):
        claim = socket.socket(type=socket.SOCK_DGRAM)
        try:
            claim.bind(("127.0.0.1", first))
        except OSError:
            claim.close()
            continue
        return cycle(range(first, first + PORTS_EACH)), claim
    raise AssertionError("all ranges of ports are taken")


def free_port() -> int:
    """One for a server to listen at, different with each call, and from those of other processes that ask."""
    ports, _ = _own_ports()
    for port in islice(ports, PORTS_EACH):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("all ports for servers are taken")


@contextmanager
def refused_url() -> Iterator[str]:
    """A URL that refuses every connection: its port is bound, but nothing listens on it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def get(url: str, data: bytes | None = None, timeout: float = 30) -> bytes:
    with urllib.request.urlopen(url, data=data, timeout=timeout) as answer:
        return bytes(answer.read())


def answers(url: str) -> bool:
    try:
        return bool(get(url, timeout=10))
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def ending(process: P) -> Iterator[P]:
    """The process, killed on the way out if it still runs."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@contextmanager
def serving(script: Path, *arguments: str) -> Iterator[str]:
    """A server in Python, and the line that it prints when it listens: where. It may end when its input does."""
    command: list[str | Path] = [sys.executable, script, *arguments]
    with ending(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)) as process:
        assert process.stdin and process.stdout  # noqa: PT018 - both are pipes
        with process.stdin, process.stdout:
            yield process.stdout.readline().decode().strip()


@contextmanager
def answering_with(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The URL of a server in a thread of this process."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


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
    with serving(Path(__file__).with_name("target.py")) as port:
        yield Target(f"http://127.0.0.1:{int(port)}")


@contextmanager
def ministack(folder: Path) -> Iterator[str]:
    """A local CloudWatch with all it writes below `folder`; its URL."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "MINISTACK_", "LOCALSTACK_"))}
    env |= {
        "BIND_HOST": "127.0.0.1",
        "HOME": str(folder),
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "SERVICES": "cloudwatch,logs,sts",
        "SFTP_ENABLED": "0",
        "TMPDIR": str(folder),
    }
    with (folder / "ministack.log").open("ab") as log, ExitStack() as stack:

        def start() -> str | None:
            """Its URL when it answers; None if it has ended, for example because another process took the port."""
            port = str(free_port())
            process = subprocess.Popen(
                [Path(sys.executable).with_name("ministack")],
                env=env | {"GATEWAY_PORT": port},
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            stack.enter_context(ending(process))
            url = f"http://127.0.0.1:{port}"
            health = f"{url}/_ministack/health"
            wait_until(
                lambda: process.poll() is not None or answers(health),
                f"MiniStack answers, see {log.name}",
            )
            return url if process.poll() is None else None

        url = start() or start() or start()
        assert url, f"MiniStack does not start, see {log.name}"
        yield url


def forget_all(ministack: str) -> None:
    """Have a local CloudWatch forget what it holds."""
    get(f"{ministack}/_ministack/reset", b"")
