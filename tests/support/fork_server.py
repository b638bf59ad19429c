"""Starts Locust and `locust-cw` in a tenth of the time, by forking a process that has imported what they import.

Each kind has one such process, which all processes of pytest share. A program that runs in a fork cannot tell, except
by what was imported before, so tests of imports, of the start, of the packages, and of how `--processes` ends start a
new interpreter.
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

from support.paths import SCRIPTS

AVAILABLE = sys.platform == "linux" and "coverage" not in sys.modules
"""Elsewhere, and where coverage.py follows each new interpreter, tests start new ones."""

Kind = Literal["locust", "command", "report"]

# Variables that an interpreter and its libraries read when they start. Another value needs a new interpreter.
_READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_", "GEVENT", "TZ", "LOCUST_SKIP", "LOCUST_PLAYWRIGHT")
_LARGEST_REQUEST = 100_000
_LARGEST_ANSWER = 1000


class Process(Protocol):
    """What the tests use of `subprocess.Popen`."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | Any: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int, /) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class ForkedProcess:
    """A process that the server forked, with the methods of `subprocess.Popen`."""

    def __init__(self, client: ForkClient, argv: list[str], pid: int) -> None:
        self._client = client
        self.args = argv
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._client.exit_code(self.pid, 0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            left = 1.0 if deadline is None else deadline - time.monotonic()
            if left <= 0:
                assert timeout is not None
                raise subprocess.TimeoutExpired(self.args, timeout)
            self.returncode = self._client.exit_code(self.pid, min(left, 0.05))
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, sig: int, /) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _read_at_start(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(_READ_AT_START)}


def _address(python: str, kind: Kind, env: Mapping[str, str]) -> str:
    """The name of the server's socket: the same in all processes of pytest that would start the same server."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"process-{os.getpid()}")
    settings = zlib.crc32(json.dumps([python, sorted(_read_at_start(env).items())]).encode())
    return f"\0locust-cw-forks-{run}-{kind}-{settings:08x}"


def _launch(python: str, kind: Kind, env: Mapping[str, str]) -> None:
    """Start a server, unless another process has done so meanwhile."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        try:
            listener.bind(_address(python, kind, env))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return
        listener.listen()
        subprocess.Popen(
            [python, str(SCRIPTS / "forks.py"), str(listener.fileno()), kind],
            env=env,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )


def _connect(python: str, kind: Kind, env: Mapping[str, str]) -> socket.socket:
    """A connection to the server, which is started if there is none."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        channel.settimeout(60)
        try:
            channel.connect(_address(python, kind, env))
            if channel.recv(_LARGEST_ANSWER):
                channel.settimeout(None)
                return channel
        except ConnectionRefusedError:
            _launch(python, kind, env)
        except (ConnectionResetError, TimeoutError):
            pass  # the server exited before it accepted the connection, because its last client disconnected, or hangs
        channel.close()
    raise AssertionError(f"the fork server of kind {kind} does not start")


class ForkClient:
    """A connection to a fork server. When this process ends, the server kills the programs that it started."""

    def __init__(self, python: str, kind: Kind, env: Mapping[str, str]) -> None:
        self._env = _read_at_start(env)
        self._lock = threading.Lock()
        self._ended: dict[int, int] = {}
        self._channel = _connect(python, kind, env)

    def _answer(self) -> dict[str, int]:
        packet = self._channel.recv(_LARGEST_ANSWER)
        assert packet, "the fork server has ended"
        return dict(json.loads(packet))

    def can_start(self, env: Mapping[str, str]) -> bool:
        """Whether a program with this environment would find its interpreter as it is here."""
        return _read_at_start(env) == self._env

    def start(  # noqa: PLR0913 - as `subprocess.Popen`
        self,
        run: str,
        argv: list[str],
        *,
        path: str,
        folder: Path,
        env: Mapping[str, str],
        files: tuple[int, int, int],
    ) -> ForkedProcess:
        """Start a module, file or function in `folder`; `path` is the first entry of its `sys.path`."""
        request = {
            "argv": argv,
            "env": dict(env),
            "folder": str(folder),
            "path": path,
            "run": run,
        }
        packet = json.dumps(request).encode()
        assert len(packet) < _LARGEST_REQUEST
        with self._lock:
            socket.send_fds(self._channel, [packet], files)
            while True:
                answer = self._answer()
                if "started" in answer:
                    return ForkedProcess(self, argv, answer["started"])
                self._ended[answer["ended"]] = answer["code"]

    def exit_code(self, pid: int, timeout: float) -> int | None:
        """Wait up to `timeout` seconds for the process to end."""
        with self._lock:
            while pid not in self._ended and select.select([self._channel], [], [], timeout)[0]:
                answer = self._answer()
                self._ended[answer["ended"]] = answer["code"]
            return self._ended.pop(pid, None)
