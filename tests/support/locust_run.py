"""A real `locust` process: started, signalled, waited for, and its account of itself read."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals
from typing import Any

from support.fork_server import AVAILABLE, ForkClient, Kind, Process
from support.paths import LOCUSTFILES, PACKAGE
from support.servers import REGION, ending, free_port, wait_until
from support.users_python import USERS_PYTHON

IN_A_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
PRESSED_AGAIN_AFTER_S = 20
SAMPLE_FATES = ("delivered", "spooled", "rejected", "dropped")
LOG_RECORD = re.compile(
    r"^\[[^\]]+\] [^/\n]+/(?P<level>[A-Z]+)/(?P<logger>[\w.]+): (?P<message>.*?)(?=^\[\d{4}-|\Z)",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class LocustStats:
    """Locust's own totals, by request name."""

    requests: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, entries: list[dict[str, Any]]) -> LocustStats:
        stats = cls()
        for entry in entries:
            stats.requests[entry["name"]] += entry["num_requests"]
            stats.failures[entry["name"]] += entry["num_failures"]
        return stats


class Receipt:
    """locust-cw's account of a run."""

    def __init__(self, text: str) -> None:
        self.fields: dict[str, Any] = json.loads(text)

    def __getitem__(self, key: str) -> Any:
        return self.fields[key]

    def check(self) -> Receipt:
        """Nothing is unaccounted for, and the observed requests are Locust's."""
        for group in ("requests", "failures", "log_events"):
            counts = self[group]
            assert counts["observed"] == sum(counts[fate] for fate in SAMPLE_FATES), (group, self.fields)
        assert self["reconciled"] is True, self.fields
        assert self["requests"]["observed"] == self["locust"]["requests"], self.fields
        assert self["failures"]["observed"] == self["locust"]["failures"], self.fields
        return self

    def check_delivered(self) -> Receipt:
        """And all of it arrived."""
        self.check()
        for group in ("requests", "failures", "log_events"):
            assert self[group]["delivered"] == self[group]["observed"], (group, self.fields)
        return self


class LocustRun:
    """One process and the folder it writes to, which is also its home."""

    def __init__(self, process: Process, folder: Path) -> None:
        self.process = process
        self.folder = folder

    @property
    def out(self) -> str:
        return (self.folder / "stdout").read_text(errors="replace")

    @property
    def err(self) -> str:
        return (self.folder / "stderr").read_text(errors="replace")

    @property
    def output(self) -> str:
        return self.out + self.err

    def wait_for(self, pattern: str, timeout: float = 60) -> re.Match[str]:
        """The first match in the output so far or to come."""

        def search() -> re.Match[str] | None:
            # Asked before: what it says at its very end counts.
            ended = self.process.poll() is not None
            found = re.search(pattern, self.output)
            assert found or not ended, f"ended without {pattern!r}:\n{self.output}"
            return found

        found = wait_until(search, f"{pattern!r} in the output of {self.folder}", timeout)
        assert found
        return found

    def signal(self, number: Signals) -> None:
        self.process.send_signal(number)

    def shut_down(self, number: Signals = SIGTERM) -> None:
        """Have Locust shut down. After Ctrl-C, wait until Locust logs that it does, and press again if it does not.

        Locust handles SIGTERM in a greenlet of its own. Ctrl-C raises KeyboardInterrupt in the greenlet that runs:
        gevent drops it while it closes a connection of the web UI, Locust drops it while it stores its statistics, and
        in a master it may end the greenlet that receives messages.
        """
        self.signal(number)
        sent = time.monotonic()
        while number == SIGINT and self.process.poll() is None and "Shutting down" not in self.err:
            if time.monotonic() > sent + PRESSED_AGAIN_AFTER_S:
                self.signal(number)
                sent = time.monotonic()
            time.sleep(0.05)

    def wait(self, timeout: float = 60) -> LocustRun:
        """Wait until the process exits on its own. Returns the run."""
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout:g} s:\n{self.output[-4000:]}") from None
        assert not OUR_WARNING.search(self.err), self.err
        return self

    @property
    def exit_code(self) -> int:
        self.wait()
        return int(self.process.returncode)

    @property
    def receipt(self) -> Receipt:
        path = self.folder / "receipt.json"
        assert path.exists(), f"no receipt:\n{self.output[-4000:]}"
        return Receipt(path.read_text())

    @property
    def has_receipt(self) -> bool:
        return (self.folder / "receipt.json").exists()

    @property
    def stats(self) -> LocustStats:
        path = self.folder / "locust.json"
        assert path.exists(), f"no statistics of Locust's:\n{self.output[-4000:]}"
        return LocustStats.of(json.loads(path.read_text()))

    @property
    def has_stats(self) -> bool:
        """Whether Locust writes them. The workers of `--processes` would replace those of their master."""
        return (self.folder / "locust.json").exists()

    @property
    def totals(self) -> tuple[int, int]:
        """Locust's requests and failures, written at exit by the locustfiles that import `totals`."""
        requests, failures = json.loads((self.folder / "totals.json").read_text())
        return requests, failures

    @property
    def listener_errors(self) -> int:
        """Exceptions that Locust caught in listeners of its events."""
        return self.err.count("Uncaught exception in event handler")

    def logged_problems(self) -> list[str]:
        """The warnings and errors logged by locust-cw."""
        return [
            found["message"].strip()
            for found in LOG_RECORD.finditer(self.err)
            if found["level"] in ("WARNING", "ERROR", "CRITICAL") and found["logger"].startswith("locust_cw")
        ]


# What Python warns of in our modules is an error in programs that tests start, too; Locust has warnings shown again.
OUR_WARNING = re.compile(r"^.*/locust_cw/\S+\.py:\d+: \w*Warning: .*", re.MULTILINE)
OUR_WARNINGS = ",".join(
    [
        *(
            "error:::" + ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
            for path in sorted(PACKAGE.rglob("*.py"))
        ),
        # gevent's sockets are those of Locust's users. Python names the module that runs when it collects one.
        "ignore:unclosed <socket object",
    ]
)


# For `env`: no credentials, and no credentials and no region.
NO_KEYS: dict[str, str | None] = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
NO_CREDENTIALS = NO_KEYS | {"AWS_REGION": None}


def clean_environment(folder: Path, **extra: str | None) -> dict[str, str]:
    """No AWS or Locust settings but the tests'; None takes one out."""
    port = str(free_port())
    env: dict[str, str | None] = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LOCUST_", "XDG_"))
    }
    env |= {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOME": str(folder),
        # For `--processes`: others may run at the same time.
        # Tests of shared records turn them on. In all others, calls and log events are those of the publisher alone.
        "LOCUST_CW_RECORD": "local",
        "LOCUST_MASTER_BIND_PORT": port,
        "LOCUST_MASTER_NODE_PORT": port,
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": OUR_WARNINGS,
        "TOTALS_FILE": str(folder / "totals.json"),
        "XDG_STATE_HOME": str(folder / "state"),
        **extra,
    }
    return {name: value for name, value in env.items() if value is not None}


def run_python(
    folder: Path, *args: str | Path, timeout: float = 120, env: Mapping[str, str | None] | None = None
) -> subprocess.CompletedProcess[str]:
    """A program of its own, which Python runs with these arguments in `folder`, to its end.

    `env` adds to its environment or, with None, takes out.
    """
    return subprocess.run(
        [USERS_PYTHON, *args],
        cwd=folder,
        env=clean_environment(folder, **(env or {})),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def launch(folder: Path, *command: str | Path, env: Mapping[str, str], new_session: bool = False) -> LocustRun:
    """Start a program in `folder`, to which its output goes. End it with `ending`."""
    with _files(folder) as (silent, out, err):
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=env,
            stdin=silent,
            stdout=out,
            stderr=err,
            start_new_session=new_session,
        )
    return LocustRun(process, folder)


@contextmanager
def _files(folder: Path) -> Iterator[tuple[int, int, int]]:
    """A program's standard input, which is empty, and its output in `folder`."""
    with (
        Path(os.devnull).open("rb") as silent,
        (folder / "stdout").open("wb") as out,
        (folder / "stderr").open("wb") as err,
    ):
        yield silent.fileno(), out.fileno(), err.fileno()


@cache
def _client(kind: Kind) -> ForkClient:
    python = USERS_PYTHON if kind == "locust" else sys.executable
    return ForkClient(python, kind, clean_environment(Path(tempfile.gettempdir())))


def launch_locust(
    folder: Path, *args: str, env: Mapping[str, str], module: str = "locust", new_interpreter: bool = False
) -> LocustRun:
    """`python -m locust` or `locust_cw` with these arguments, forked unless it needs an interpreter of its own."""
    if new_interpreter or not AVAILABLE or not _client("locust").can_start(env):
        return launch(folder, USERS_PYTHON, "-m", module, *args, env=env)
    with _files(folder) as files:
        process = _client("locust").start(
            module, [module, *args], path=str(folder), folder=folder, env=env, files=files
        )
    return LocustRun(process, folder)


def launch_library(folder: Path, script: Path, *args: str | Path, env: Mapping[str, str]) -> LocustRun:
    """The same of a program that uses Locust as a library."""
    arguments = [str(each) for each in (script, *args)]
    if not AVAILABLE or not _client("locust").can_start(env):
        return launch(folder, USERS_PYTHON, *arguments, env=env)
    with _files(folder) as files:
        process = _client("locust").start(
            str(script), arguments, path=str(script.parent), folder=folder, env=env, files=files
        )
    return LocustRun(process, folder)


def run_library(
    folder: Path, script: Path, *args: str | Path, timeout: float = 90, env: Mapping[str, str | None] | None = None
) -> LocustRun:
    """The same, to its end; `env` adds to its environment."""
    run = launch_library(folder, script, *args, env=clean_environment(folder, **(env or {})))
    with ending(run.process):
        return run.wait(timeout)


def launch_command(folder: Path, *args: str, env: Mapping[str, str], new_interpreter: bool = False) -> LocustRun:
    """The same of `locust-cw`."""
    program = Path(sys.executable).with_name("locust-cw")
    kind: Kind = "report" if args[:1] == ("report",) else "command"
    if new_interpreter or not AVAILABLE or not _client(kind).can_start(env):
        return launch(folder, program, *args, env=env)
    with _files(folder) as files:
        process = _client(kind).start(
            "locust_cw._cli.main:main",
            [str(program), *args],
            path=str(program.parent),
            folder=folder,
            env=env,
            files=files,
        )
    return LocustRun(process, folder)


def start(  # noqa: PLR0913 - a process has many sides
    folder: Path,
    locustfile: str,
    *args: str,
    module: str = "locust",
    terminal: bool = False,
    new_interpreter: bool = False,
    headless: bool = True,
    receipt: bool = True,
    json_file: bool = True,
    env: Mapping[str, str | None] | None = None,
    files: Mapping[str, str] | None = None,
) -> LocustRun:
    """Start Locust with files of `locustfiles` (several: separated by commas). End it with `ending`.

    It runs in `folder`, its home too, which has `files`; `env` adds to the environment or, with None, takes out. It is
    forked from a process that has imported Locust, unless it is to have a new interpreter or a terminal.
    """
    for name, text in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    folder.mkdir(parents=True, exist_ok=True)
    options = ["-f", ",".join(str(LOCUSTFILES / name) for name in locustfile.split(","))]
    options += ["--headless", "--only-summary"] if headless else []
    options += ["--json-file", str(folder / "locust")] if json_file else []
    options += ["--cw-receipt", str(folder / "receipt.json")] if receipt else []
    environment = clean_environment(folder, **(env or {}))
    if not terminal:
        return launch_locust(folder, *options, *args, env=environment, module=module, new_interpreter=new_interpreter)
    command = (sys.executable, "-c", IN_A_TERMINAL, USERS_PYTHON, "-m", module)
    return launch(folder, *command, *options, *args, env=environment)
