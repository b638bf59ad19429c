"""The results of `--cw-check` and `--cw-baseline`: printed after the receipt and, if requested, written to files."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from locust_cw._checks.files import ResultFiles
from locust_cw._checks.output import CheckResults
from locust_cw._checks.results import CheckedRun
from locust_cw._plugin import locust_adapter
from locust_cw._plugin.extension import Extension, load
from locust_cw._plugin.locust_adapter import Role
from locust_cw._plugin.run import TestRun
from locust_cw._terminal.styles import has_colors, write

if TYPE_CHECKING:
    from locust_cw import _core
    from locust_cw._checks.output import Results
    from locust_cw._settings.table import Options


def create(options: Options) -> CheckOutput:
    """The extension of a run."""
    return CheckOutput(ResultFiles(options["junit"], options["summary"]))


class CheckOutput(Extension[TestRun]):
    """Prints the results of a run's checks and of its comparison, and writes them."""

    def __init__(self, files: ResultFiles) -> None:
        self._files = files

    def on_finished(self, run: TestRun, receipt: _core.Receipt, remarks: list[str]) -> None:
        """Print and write the results."""
        del remarks
        results: list[Results] = [CheckResults(_checked(run, receipt))] if receipt.checks else []
        if run.options["baseline"]:
            results += load("baseline").comparison_of(run)
        if locust_adapter.role_of(run.environment) is not Role.WORKER:
            # The workers of a machine may have the same files as their master.
            self._files.write(*results)
        for each in results:
            write(sys.stderr, f"\n{each.text(colors=has_colors(sys.stderr))}")


def _checked(run: TestRun, receipt: _core.Receipt) -> CheckedRun:
    statistics, stopped = run.publisher.statistics, run.times.stopped or time.time()
    return CheckedRun(
        run_id=run.run_id,
        host=run.host,
        started=run.times.started,
        seconds=max(0.0, stopped - statistics.measured_from),
        warmup_s=run.options["warmup"],
        is_approximate=statistics.summary().is_approximate,
        results=receipt.checks,
        lacks_requests=receipt.lacks_reports,
    )
