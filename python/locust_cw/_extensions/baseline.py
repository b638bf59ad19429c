"""`--cw-baseline`: compares a run with a recorded one at its end.

The record of the base is read beside the load, from the start of the test on. A baseline that is not set yet is no
error, because the first run of a branch has none. A run that is given by its ID must exist, or the test is refused.
"""

from __future__ import annotations

import logging
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

import gevent

from locust_cw import _core
from locust_cw._aws.account import Account
from locust_cw._comparison.compare import compare_summaries, requests_of, side_of
from locust_cw._comparison.output import ComparisonResults, NoComparison
from locust_cw._comparison.results import Side
from locust_cw._comparison.tolerance import parse_tolerance
from locust_cw._extensions.after_stop import await_requests
from locust_cw._plugin.extension import Extension
from locust_cw._plugin.greenlets import in_thread, spawn
from locust_cw._plugin.run import Phase, TestRun
from locust_cw._runs.baselines import is_generated_run_id
from locust_cw._runs.record import NoRecordError, Record
from locust_cw._runs.shared_baselines import SharedBaselines, find_baseline
from locust_cw._runs.shared_records import SharedRecords
from locust_cw._terminal.redaction import redact

if TYPE_CHECKING:
    from locust_cw._checks.output import Results
    from locust_cw._comparison.results import ComparedRuns
    from locust_cw._settings.table import Options

logger = logging.getLogger("locust_cw")

_POLL_S = 0.05
_TIMEOUT_S = 30.0


def create(options: Options) -> Baseline:
    """The extension of a run."""
    for name in ("junit", "summary"):
        if options[name] is not None:
            # The test may change the working directory before the results are written.
            options.set(name, Path(options[name]).absolute())
    name, tolerance = options["baseline"], parse_tolerance("max_regression", options["max_regression"])
    is_required = is_generated_run_id(name) or options["strict"]
    return RequiredBaseline(name, tolerance) if is_required else Baseline(name, tolerance)


def comparison_of(run: TestRun) -> list[Results]:
    """The comparison of a run that has ended; empty in a process that does not compare it."""
    return [each.results or each.compare(run) for each in run.extensions if isinstance(each, Baseline)]


class Baseline(Extension[TestRun]):
    """Compares a run with a recorded one.

    Attributes:
        is_busy: Whether the record of the base is being read.
        is_comparing: Whether a comparison is under way that does not wait for the receipt.
        results: The results of the comparison, once it is done.
        compared: The comparison and the record of the base, once there is one.

    """

    def __init__(self, name: str, tolerance: float) -> None:
        """Nothing is read yet.

        Args:
            name: The name of a baseline, or a run ID.
            tolerance: The change up to which both count as the same, as a share.

        """
        self._name = name
        self._tolerance = tolerance
        self._base: Record | None = None
        self._baseline: str | None = None
        self._problem: str | None = None
        self._is_unset = False
        self._is_unknown = False
        self.is_busy = False
        self.is_comparing = False
        self.results: ComparisonResults | NoComparison | None = None
        self.compared: tuple[ComparedRuns, Record] | None = None

    # The base.

    def on_start(self, run: TestRun) -> None:
        """Read the record of the base."""
        self._begin_to_read(run)

    def on_stop(self, run: TestRun) -> None:
        """Read the record again if that has failed. With a web UI, compare now: the receipt may follow hours later."""
        if self._problem is not None and not self.is_busy:
            self._begin_to_read(run)
        if run.environment.web_ui is not None:
            self.is_comparing = True
            spawn(self._compare_soon, run)

    def cancel(self) -> None:
        """Nothing is given up: the receipt waits for the record."""

    def _begin_to_read(self, run: TestRun) -> None:
        self.is_busy, self._problem = True, None
        spawn(self._read, run)

    def _read(self, run: TestRun) -> None:
        try:
            self._base = self._find(run)
        except NoRecordError as error:
            self._problem, self._is_unknown = str(error), True
        except (_core.AwsError, TimeoutError) as error:
            self._problem = redact(str(error))
        finally:
            self.is_busy = False
        if self._problem is not None and run.is_under_way:
            logger.warning("The base of --cw-baseline %s could not be read: %s", self._name, self._problem)
        elif self._is_unset and run.is_under_way:
            logger.warning("There is no baseline %s yet, so this test is not compared", self._name)

    def _find(self, run: TestRun) -> Record | None:
        """The record; None if the name is that of no baseline and of no run."""
        spool_dir, group = run.options["spool_dir"], run.options["log_group"]
        # The local CloudWatch of a test is new, and a dry run calls no AWS.
        is_remote = not run.options["dry_run"] and not run.options["local"]
        account = Account(run.options.core, gevent.sleep) if is_remote else None
        found = None
        if not is_generated_run_id(self._name):
            shared = None if account is None else SharedBaselines(account, group)
            found = find_baseline(self._name, spool_dir, shared)
        run_id = self._name if found is None or found.run_id is None else found.run_id
        self._baseline = None if found is None else self._name
        try:
            return Record.read(run_id, spool_dir)
        except NoRecordError as error:
            missing = error
        try:
            if account is None:
                raise missing
            return SharedRecords(account, group).read(run_id)
        except NoRecordError as error:
            if found is not None:
                raise NoRecordError(f"the run of the baseline {self._name} has no record any more: {error}") from error
            if is_generated_run_id(self._name):
                raise
            self._is_unset = True
            return None

    # The comparison.

    @property
    def headline(self) -> tuple[str, str] | None:
        """The verdict, and the result in one line, once there is one."""
        return None if self.results is None else self.results.headline

    def _compare_soon(self, run: TestRun) -> None:
        try:
            await_requests(run, lambda: run.phase is not Phase.STOPPED)
            while self.is_busy and run.phase is Phase.STOPPED:
                gevent.sleep(_POLL_S)
            if run.phase is Phase.STOPPED:
                self.compare(run)
        finally:
            self.is_comparing = False

    def compare(self, run: TestRun) -> Results:
        """Compare the run, and note whether it is slower than the base."""
        self.results = self._compare(run)
        return self.results

    def _compare(self, run: TestRun) -> ComparisonResults | NoComparison:
        summary = run.publisher.statistics.summary()
        side = _side_of(run, summary)
        try:
            base = self._base
            if base is None:
                return NoComparison(side, self._name, self._why_not(run))
            compared = in_thread(
                lambda: compare_summaries(
                    (side_of(base, of_base := base.load_summary()), of_base),
                    (side, summary),
                    baseline=self._baseline,
                    tolerance=self._tolerance,
                )
            )
        except Exception as error:
            # Whatever it is, the results of checks are shown and written.
            logger.error("The run was not compared with %s: %s", self._name, error)  # noqa: TRY400 - the message says it all
            logger.debug("The error of the comparison", exc_info=True)
            return NoComparison(side, self._name, f"The run was not compared with {self._name}: {error}.")
        run.is_slower = compared.verdict == "slower"
        self.compared = compared, base
        return ComparisonResults(compared)

    def _why_not(self, run: TestRun) -> str:
        if self._is_unset:
            return (
                f"There is no baseline {self._name} yet. To set it to this run: locust-cw baseline set {run.run_id}"
                f" {shlex.quote(self._name)}"
            )
        problem = self._problem or "its record could not be read in time"
        logger.error("The run was not compared with %s: %s", self._name, problem)
        return f"The run was not compared with {self._name}: {problem}."


class RequiredBaseline(Baseline):
    """A run that must exist, or with `--cw-strict` a baseline that must be readable, before users start."""

    reason = "--cw-baseline: "

    def check(self, run: TestRun) -> str | None:
        """Why the test may not start."""
        deadline = time.monotonic() + _TIMEOUT_S
        while self.is_busy and time.monotonic() < deadline:
            gevent.sleep(_POLL_S)
        is_strict: bool = run.options["strict"]
        if self.is_busy:
            return "AWS did not respond within 30 s." if is_strict else None
        return self._problem if self._is_unknown or is_strict else None


def _side_of(run: TestRun, summary: _core.Summary) -> Side:
    statistics = run.publisher.statistics
    stopped = statistics.stopped or run.times.stopped or time.time()
    return Side(
        run_id=run.run_id,
        started=run.times.started,
        seconds=max(0.0, stopped - statistics.measured_from),
        requests=requests_of(summary),
        host=run.host,
        users=run.times.most_users,
        warmup_s=run.options["warmup"],
        is_approximate=summary.is_approximate,
    )
