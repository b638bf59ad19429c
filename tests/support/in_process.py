"""`locust-cw` in the process of the test, for tests of many arguments."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from locust_cw._cli.main import main
from support.locust_run import clean_environment


@dataclass(frozen=True)
class Done:
    """How it ended, and what it printed."""

    exit_code: int
    out: str
    err: str


def command(folder: Path, *args: str, env: Mapping[str, str | None] | None = None) -> Done:
    """Run the command in `folder`, its home, too; `env` adds to its environment or, with None, takes out."""
    out, err = io.StringIO(), io.StringIO()
    # Commands have the defaults of users.
    environment = clean_environment(folder, **{"LOCUST_CW_RECORD": None, **(env or {})})
    with (
        mock.patch.dict(os.environ, environment, clear=True),
        chdir(folder),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            code = main(args)
        except SystemExit as end:  # argparse's
            code = int(end.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


def captured(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    """Run the command in the environment of the test. Returns its exit code, output and errors."""
    try:
        code = main(args)
    except SystemExit as end:  # of argparse
        code = int(end.code or 0)
    written = capsys.readouterr()
    return code, written.out, written.err


def run(folder: Path, *args: str, code: int = 0, env: Mapping[str, str | None] | None = None) -> str:
    """What a command prints that ends with this exit code."""
    done = command(folder, *args, env=env)
    assert done.exit_code == code, done
    return done.out
