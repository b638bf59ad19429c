"""`locust-cw` as a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from support.locust_run import LocustRun, clean_environment, launch_command
from support.servers import ending


@contextmanager
def commanding(folder: Path, *args: str, env: dict[str, str | None] | None = None) -> Iterator[LocustRun]:
    """A `locust-cw` under way, at home in `folder` as the run it is about; its output goes to a folder within."""
    own = next(path for number in count(1) if not (path := folder / f"command{number}").exists())
    own.mkdir(parents=True)
    command = launch_command(own, *args, env=clean_environment(folder, **(env or {})))
    with ending(command.process):
        yield command


def replay(folder: Path, *args: str, **how: Any) -> LocustRun:
    """`locust-cw replay`, ended by itself and without a traceback."""
    with commanding(folder, "replay", *args, **how) as command:
        command.wait(timeout=90)
    assert "Traceback" not in command.output, command.output
    return command


def run(folder: Path, *args: str, code: int = 0, env: dict[str, str | None] | None = None) -> str:
    """The standard output of a command, ended by itself with this exit code and without a traceback."""
    with commanding(folder, *args, env=env) as command:
        assert command.exit_code == code, command.output
    assert "Traceback" not in command.output, command.output
    return command.out
