"""Load generators of benchmarks: real `locust` processes against a service and a sink on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import locust_cw
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
PLUGINS, OLD, OTEL = "locust-plugins", "5 requests per call", "locust --otel"
KINDS: dict[str, tuple[str, list[str]]] = {
    NONE: ("locust", []),
    EMPTY: ("locust", ["--empty-listener"]),
    OURS: ("locust_cw", []),
    PLUGINS: ("locust", ["--peer", "locust-plugins"]),
    OLD: ("locust", ["--peer", "old-script"]),
    OTEL: ("locust", ["--otel"]),
}
FURTHER_LOCUSTFILES = {"--peer": "peers.py", "--parts": "listeners.py"}
"""Other publishers, by the option of `peers.py`."""
ENDPOINTS = ("AWS_ENDPOINT_URL", "OTEL_EXPORTER_OTLP_ENDPOINT")
# As often as locust-cw. The exporter to the console is off by default.
OTEL_OPTIONS = {
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_METRIC_EXPORT_INTERVAL": str(FLUSH_INTERVAL_S * 1000),
}


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
    """Samples that were observed and not delivered; 0 if that is unknown."""


class Generator:
    """A load generator that can be stopped and continued. Only the time while it runs counts."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, kind: str, sink: Sink) -> None:
        """Wrap a running process."""
        self._process = process
        self._folder = folder
        self._kind = kind
        self._module = KINDS[kind][0]
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
            calls=sum(call.operation.startswith(("Put", "Export")) for call in calls) / timings["requests"] * 1000,
            lost=timings["requests"] - exported(self._sink) if self._kind == OTEL else lost(receipt),
        )


@contextmanager
def full_speed(
    folder: Path, kind: str, further_options: Sequence[str] = (), *, pinned: bool = False
) -> Iterator[Generator]:
    """A load generator at full speed, with its own service and sink."""
    folder.mkdir(exist_ok=True)
    module, given = KINDS[kind]
    user_class = [] if "Reporter" in further_options else ["Client"]
    users = [*user_class, "--users", str(USERS), "--spawn-rate", str(USERS), *given]
    with on_processor(SERVERS if pinned else None), service() as host, Sink(keep=kind == OTEL) as sink:
        # Ends by itself if this program is killed.
        options = [*users, "--host", host, "--run-time", "10m", *further_options]
        with (
            on_processor(GENERATORS if pinned else None),
            started(folder, module, sink.url, options) as process,
            on_processor(None),
        ):
            yield Generator(process, folder, kind, sink)


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
    others = ("AWS_", "LOCUST_", "OTEL_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    # The same locust_cw as here; a relative path would be another folder there.
    environment["PYTHONPATH"] = str(Path(locust_cw.__file__).parent.parent)
    with (folder / "output.txt").open("w", encoding="utf-8") as output:
        process = subprocess.Popen(  # noqa: S603 - Locust, with options from above
            command,
            cwd=folder,
            env=environment | CREDENTIALS | OTEL_OPTIONS | dict.fromkeys(ENDPOINTS, endpoint_url),
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


def exported(sink: Sink) -> int:
    """The requests in the metrics that Locust's own exporter has sent."""
    # Only `make bench` installs the package that it needs.
    import otlp  # noqa: PLC0415 - other benchmarks use this module too

    return otlp.requests_in(sink)


def give_up(folder: Path, why: str) -> NoReturn:
    """Print Locust's output, and exit."""
    sys.exit(f"{(folder / 'output.txt').read_text()}\nLocust {why}; above is its output.")
