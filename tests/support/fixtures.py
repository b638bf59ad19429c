"""What the fixtures `aws` and `locust` give a test."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.cloudwatch import CloudWatch
from support.locust_run import LocustRun, start
from support.proxy import Proxy
from support.servers import ending


@dataclass(frozen=True)
class Aws:
    """One test's own corner of CloudWatch, and the wire to it."""

    proxy: Proxy
    cloudwatch: CloudWatch

    @property
    def options(self) -> list[str]:
        """The command line that leads here."""
        return [
            f"--cw-endpoint-url={self.proxy.url}",
            f"--cw-namespace={self.cloudwatch.namespace}",
            f"--cw-log-group={self.cloudwatch.log_group}",
        ]

    @property
    def in_python(self) -> dict[str, Any]:
        """The same in Python form."""
        return {
            "endpoint_url": self.proxy.url,
            "namespace": self.cloudwatch.namespace,
            "log_group": self.cloudwatch.log_group,
        }


class Locust:
    """Starts Locust processes for a test and ends those that are left."""

    def __init__(self, aws: Aws, folder: Path, stack: ExitStack) -> None:
        self._aws = aws
        self._folder = folder
        self._stack = stack
        self._runs: list[LocustRun] = []

    def start(self, locustfile: str, *args: str, options: Sequence[str] | None = None, **how: Any) -> LocustRun:
        """Against this test's corner of CloudWatch, unless other `options` say where; a later option wins."""
        options = self._aws.options if options is None else options
        run = start(self._folder / f"run{len(self._runs) + 1}", locustfile, *options, *args, **how)
        self._stack.enter_context(ending(run.process))
        self._runs.append(run)
        return run

    def run(self, locustfile: str, *args: str, **how: Any) -> LocustRun:
        """The same, ended by itself."""
        return self.start(locustfile, *args, **how).wait()

    def outputs(self) -> list[tuple[str, str]]:
        """The folder and the end of the output of each process."""
        return [(run.folder.name, run.output[-4000:]) for run in self._runs]
