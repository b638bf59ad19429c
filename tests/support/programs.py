"""Programs that publish without Locust."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import Any, Self

from support.fixtures import Aws
from support.locust_run import clean_environment, launch

HOST = "http://service.example"
PRELUDE = """
import asyncio, json, os, sys, threading, time
from locust_cw import Publisher
options = json.loads(sys.argv[1])
def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline:
            sys.exit("waited in vain")
        time.sleep(0.01)
"""


class Program:
    """A program that publishes to the CloudWatch of a test, and prints its results as lines of JSON.

    Attributes:
        quiet: Whether the program logs nothing, because the test makes calls fail.
        prelude: Code before all other.

    """

    def __init__(
        self, folder: Path, aws: Aws, code: str, *, quiet: bool = False, prelude: str = "", **options: Any
    ) -> None:
        options = {"host": HOST, **aws.in_python, **options}
        silence = "import logging; logging.disable()\n" if quiet else ""
        code = prelude + PRELUDE + silence + textwrap.dedent(code)
        self._run = launch(folder, sys.executable, "-c", code, json.dumps(options), env=clean_environment(folder))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._run.process.poll() is None:
            self._run.process.kill()
            self._run.process.wait()

    def wait_for(self, pattern: str) -> None:
        self._run.wait_for(pattern)

    def wait(self) -> list[Any]:
        """Wait until the program exits, without an error. Returns what it printed."""
        assert self._run.exit_code == 0, self._run.err
        assert not self._run.err, self._run.err
        return [json.loads(line) for line in self._run.out.splitlines()]


def run(folder: Path, aws: Aws, code: str, **how: Any) -> list[Any]:
    with Program(folder, aws, code, **how) as program:
        return program.wait()


def requests(aws: Aws) -> float:
    return aws.cloudwatch.sum("RequestCount", Host=HOST)
