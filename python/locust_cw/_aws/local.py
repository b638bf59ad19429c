"""A local CloudWatch for trials: MiniStack as a child process on a free loopback port.

The child ends when the pipe to its standard input closes: with `stop()`, and however this process ends, `kill -9`
included. Nothing is registered with `atexit`, so the child still runs when Locust delivers results at exit. It has its
own session: Ctrl-C in the terminal reaches Locust, which still has results to deliver, and does not reach the child.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import os
import runpy
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["LocalCloudWatch", "LocalCloudWatchError"]

HOST = "127.0.0.1"
SERVICES = "cloudwatch,logs,sts"
START_TIMEOUT_S = 60.0
PORTS_TRIED = 3
STOP_TIMEOUT_S = 5.0
POLL_INTERVAL_S = 0.05
LOG_TAIL_LINES = 5

# MiniStack reads dozens of settings from the environment (persistence, authentication, TLS, ...), some under names that
# other tools use too. The child gets what an interpreter needs to start and nothing else, in particular no credentials.
INHERITED_VARIABLES = (
    "DYLD_LIBRARY_PATH",
    "LD_LIBRARY_PATH",
    "PATH",
    "PYTHONHOME",
    "PYTHONPATH",
    "SYSTEMROOT",
)

# MiniStack does not declare cbor2, and without it answers PutMetricData with 200 and stores nothing.
REQUIRED_MODULES = ("ministack", "cbor2")


class LocalCloudWatchError(RuntimeError):
    """No local CloudWatch is available: it did not start, or a worker does not know the address of its master's.

    The message contains the reason and what to do.
    """


class LocalCloudWatch:
    """A running MiniStack with CloudWatch, CloudWatch Logs and STS.

    It runs from construction until `stop()` and keeps its data in memory, which suits minutes of load rather than
    hours. It accepts any credentials and any region; each region has its own data. It works with and without gevent's
    monkey patching; in a patched process it must be constructed in the main thread.

    Raises:
        LocalCloudWatchError: If MiniStack is not installed, or did not start.

    """

    endpoint_url: str
    """Its address, such as `http://127.0.0.1:40123`."""

    # The start can fail before either is set.
    _process: subprocess.Popen[bytes] | None = None
    _state: Path | None = None

    def __init__(self) -> None:
        """Start MiniStack and wait until it answers."""
        _require_installed()
        self._owner = os.getpid()
        for left in reversed(range(PORTS_TRIED)):
            try:
                self._wait_until_it_answers(self._start(_free_port()))
            except OSError as error:
                self.stop()
                raise LocalCloudWatchError(f"the local CloudWatch (MiniStack) could not be started: {error}") from error
            except BaseException as error:
                self.stop()
                # Another program may have taken the port after it was chosen.
                if not (isinstance(error, LocalCloudWatchError) and left and _is_taken(self._port)):
                    raise
            else:
                return

    def _start(self, port: int) -> subprocess.Popen[bytes]:
        self._port = port
        self.endpoint_url = f"http://{HOST}:{self._port}"
        self._process = None
        self._state = Path(tempfile.mkdtemp(prefix="locust-cw-local-"))
        self._log = self._state / "ministack.log"
        with self._log.open("wb") as log:
            # -P: the modules next to this file must not shadow top-level modules in the child.
            self._process = subprocess.Popen(  # noqa: S603 - our own file, run by our own interpreter
                [sys.executable, "-P", __file__, str(self._state)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._state,
                env=_child_environment(self._port, self._state),
                start_new_session=True,
            )
        return self._process

    def stop(self) -> None:
        """End MiniStack and delete its data. Idempotent, and without effect in a forked child of the owner."""
        if os.getpid() != self._owner:
            return
        if self._process is not None:
            _end(self._process)
        if self._state is not None:
            shutil.rmtree(self._state, ignore_errors=True)

    def __enter__(self) -> Self:
        """Return itself: it runs since its construction."""
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        # The process is polled after the response: another program may have taken the port and answered.
        while not (_answers(self._port) and process.poll() is None):
            code = process.poll()
            if code is not None:
                raise self._error(f"the local CloudWatch (MiniStack) exited with code {code} during its start")
            if time.monotonic() > deadline:
                raise self._error(f"the local CloudWatch (MiniStack) did not respond within {START_TIMEOUT_S:.0f} s")
            time.sleep(POLL_INTERVAL_S)

    def _error(self, message: str) -> LocalCloudWatchError:
        last_lines = self._log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return LocalCloudWatchError("\n  ".join([message + (". Its last output:" if last_lines else ""), *last_lines]))


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is None or process.stdin.closed:
        return
    # The end of the file is not enough: processes forked from this one also hold the pipe open.
    with contextlib.suppress(OSError):
        process.stdin.write(b"\n")
        process.stdin.flush()
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _require_installed() -> None:
    missing = [name for name in REQUIRED_MODULES if importlib.util.find_spec(name) is None]
    if missing:
        raise LocalCloudWatchError(
            f"a local CloudWatch needs {' and '.join(missing)}, which {sys.executable} does not have; "
            "run: pip install 'locust-cw[local]'"
        )


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


def _is_taken(port: int) -> bool:
    try:
        with socket.socket() as listener:
            listener.bind((HOST, port))
    except OSError:
        return True
    return False


def _child_environment(port: int, state: Path) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ}
    return inherited | {
        "BIND_HOST": HOST,
        "DOCKER_HOST": f"unix://{state / 'none.sock'}",  # else it removes the containers of other MiniStacks
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "SERVICES": SERVICES,
        "SFTP_ENABLED": "0",
        "STATE_DIR": str(state),
        "TMPDIR": str(state),
    }


def _answers(port: int) -> bool:
    # urllib would use the proxy that the environment names.
    connection = http.client.HTTPConnection(HOST, port, timeout=1)
    try:
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _serve(state: str) -> None:
    """Run MiniStack in the child until the parent writes to the pipe or ends."""

    def leave_with_parent() -> None:
        os.read(0, 1)  # sys.stdin has a lock, which a daemon thread would hold when the interpreter exits
        shutil.rmtree(state, ignore_errors=True)
        os._exit(0)

    threading.Thread(target=leave_with_parent, daemon=True).start()
    sys.argv[1:] = []
    runpy.run_module("ministack", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve(sys.argv[1])
