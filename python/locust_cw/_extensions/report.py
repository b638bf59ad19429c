"""`--cw-report`: writes the report of a run at its end, from the run's own numbers.

CloudWatch has all metrics of a run only some minutes later, so it is read for targets only. A thread of gevent's does
the work; its calls wait without gevent, and give up at a deadline.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

import gevent
from gevent.lock import Semaphore
from gevent.monkey import get_original

from locust_cw._extensions.after_stop import POLL_S, await_requests, process_role_of
from locust_cw._extensions.run_record import RunRecord
from locust_cw._plugin.extension import Extension, Judge
from locust_cw._plugin.greenlets import in_thread, spawn
from locust_cw._plugin.run import TestRun

if TYPE_CHECKING:
    from locust_cw import _core
    from locust_cw._comparison.results import ComparedRuns
    from locust_cw._extensions.baseline import Baseline
    from locust_cw._runs.record import Record
    from locust_cw._settings.table import Options

logger = logging.getLogger("locust_cw")

FILE = "report.html"
# How long reading the metrics of targets may take.
_TARGETS_TIMEOUT_S = 10.0

_sleep = get_original("time", "sleep")
# When the run of the report in each folder started: the receipt of an earlier run may be made after a later run.
_newest: dict[Path, float] = {}


def create(options: Options) -> Report:
    """The extension of a run."""
    # The test may change the working directory before the report is written.
    folder = Path(options["report"]).absolute()
    options.set("report", str(folder))
    return Report(folder)


class Report(Extension[TestRun]):
    """Writes the report of a run: with a web UI soon after the stop, and in any case with the receipt.

    Attributes:
        report_file: The report, once it is written.
        is_busy: Whether it is being written.

    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Semaphore()
        self._is_over = False
        self.report_file: Path | None = None
        self.is_busy = False

    def on_stop(self, run: TestRun) -> None:
        """With a web UI, the receipt may take hours: write the report as soon as all of its data is known."""
        if run.environment.web_ui is not None:
            self.is_busy = True
            spawn(self._write_soon, run)

    def cancel(self) -> None:
        """Do not wait for workers any longer: the report with the receipt follows."""
        self._is_over = True

    def on_finished(self, run: TestRun, receipt: _core.Receipt, remarks: list[str]) -> None:
        """Write the report with the receipt."""
        del remarks
        self._is_over = True
        if self._write(run, receipt):
            logger.info("The report of run %s is %s", run.run_id, self.report_file)

    def _write_soon(self, run: TestRun) -> None:
        try:
            await_requests(run, run.times.stopped or time.time(), lambda: self._is_over)
            judges = [judge for judge in run.extensions if isinstance(judge, Judge)]
            baseline = _baseline_of(run)
            while not self._is_over and any(judge.is_judging for judge in judges):
                gevent.sleep(POLL_S)
            while not self._is_over and baseline is not None and baseline.is_comparing:
                gevent.sleep(POLL_S)
            if not self._is_over and run.times.stopped is not None:
                self._write(run, process_role_of(run).receipt_so_far(run))
        finally:
            self.is_busy = False

    def _write(self, run: TestRun, receipt: _core.Receipt) -> bool:
        """Write it. A failure is a warning: the test and its receipt do not depend on the report."""
        with self._lock:
            try:
                if _newest.get(self._folder, 0.0) > run.times.started:
                    return False
                record, baseline = record_with(run, receipt), _baseline_of(run)
                comparison = None if baseline is None else baseline.compared
                deadline = time.monotonic() + _TARGETS_TIMEOUT_S
                self.report_file = in_thread(lambda: _written(record, comparison, self._folder, deadline))
                _newest[self._folder] = run.times.started
            except Exception as error:
                # Whatever it is, the receipt comes first.
                logger.warning("The report of run %s could not be written to %s: %s", run.run_id, self._folder, error)
                logger.debug("The error of the report", exc_info=True)
                return False
            return True


def record_with(run: TestRun, receipt: _core.Receipt) -> Record:
    """The record of a run, which need not be kept."""
    known = (extension for extension in run.extensions if isinstance(extension, RunRecord))
    return (next(known, None) or RunRecord(run, process_role_of(run))).record(receipt)


def _baseline_of(run: TestRun) -> Baseline | None:
    """What compares the run with `--cw-baseline`; None without that option."""
    if not run.options["baseline"]:
        return None
    from locust_cw._extensions.baseline import Baseline  # noqa: PLC0415 - with that option only

    return next((extension for extension in run.extensions if isinstance(extension, Baseline)), None)


def _written(record: Record, comparison: tuple[ComparedRuns, Record] | None, folder: Path, deadline: float) -> Path:
    """Write the report of a run. It is called in a thread."""
    from locust_cw._aws.accounts import account_of  # noqa: PLC0415 - at the end of the test
    from locust_cw._aws.targets import parse  # noqa: PLC0415 - at the end of the test
    from locust_cw._report.comparison import changes  # noqa: PLC0415 - at the end of the test
    from locust_cw._report.gather import own_findings  # noqa: PLC0415 - at the end of the test
    from locust_cw._report.page import render, require  # noqa: PLC0415 - at the end of the test

    def wait(seconds: float) -> None:
        if time.monotonic() > deadline:
            raise TimeoutError("AWS did not respond in time")
        _sleep(seconds)

    require()
    accounts = (
        None if record.option("dry_run") else account_of(record.account, wait, recorded=record.destination or None)
    )
    why = "It was a dry run" if record.option("dry_run") else "The report was written at the end of the test"
    targets = [parse(target) for target in record.targets]
    findings = own_findings(record, record.load_summary(), targets, accounts, f"{why}.")
    sections, baseline = [], None
    if comparison is not None:
        compared, base = comparison
        sections, baseline = [changes(compared)], own_findings(base, base.load_summary(), [], None, "")
    text = render(findings, time.time(), sections=sections, baseline=baseline)
    folder.mkdir(parents=True, exist_ok=True)
    file, part = folder / FILE, folder / f"{FILE}.part"
    part.write_text(text, encoding="utf-8")
    part.replace(file)
    return file
