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

from locust_cw._comparison.compare import compare_summaries, requests_of, side_of
from locust_cw._comparison.output import ComparisonResults, NoComparison
from locust_cw._comparison.results import Side
from locust_cw._comparison.tolerance import parse_tolerance
from locust_cw._extensions.after_stop import await_requests
from locust_cw._extensions.baseline_lookup import Base, Found, Missing, NotSet, Unreadable, look_up
from locust_cw._plugin.extension import Extension
from locust_cw._plugin.greenlets import in_thread, spawn
from locust_cw._plugin.run import RunPhase, TestRun
from locust_cw._runs.baselines import is_generated_run_id

if TYPE_CHECKING:
    from locust_cw import _core
    from locust_cw._checks.output import Results
    from locust_cw._comparison.results import ComparedRuns
    from locust_cw._runs.record import Record
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
        # None while it is read.
        self._base: Base | None = None
        self.is_comparing = False
        self.results: ComparisonResults | NoComparison | None = None
        self.compared: tuple[ComparedRuns, Record] | None = None

    # The base.

    @property
    def is_busy(self) -> bool:
        """Whether the record of the base is being read."""
        return self._base is None

    def on_start(self, run: TestRun) -> None:
        """Read the record of the base."""
        self._begin_to_read(run)

    def on_stop(self, run: TestRun) -> None:
        """Read the record again if that has failed. With a web UI, compare now: the receipt may follow hours later."""
        if isinstance(self._base, (Missing, Unreadable)):
            self._begin_to_read(run)
        if run.environment.web_ui is not None:
            self.is_comparing = True
            spawn(self._compare_soon, run)

    def cancel(self) -> None:
        """Nothing is given up: the receipt waits for the record."""

    def _begin_to_read(self, run: TestRun) -> None:
        self._base = None
        spawn(self._read, run)

    def _read(self, run: TestRun) -> None:
        base: Base = Unreadable("reading its record was interrupted")
        try:
            base = look_up(self._name, run.options)
        finally:
            self._base = base
        if isinstance(base, (Missing, Unreadable)) and run.is_under_way:
            logger.warning("The base of --cw-baseline %s could not be read: %s", self._name, base.reason)
        elif isinstance(base, NotSet) and run.is_under_way:
            logger.warning("There is no baseline %s yet, so this test is not compared", self._name)

    # The comparison.

    @property
    def headline(self) -> tuple[str, str] | None:
        """The verdict, and the result in one line, once there is one."""
        return None if self.results is None else self.results.headline

    def _compare_soon(self, run: TestRun) -> None:
        try:
            await_requests(run, run.times.stopped or time.time(), lambda: run.phase is not RunPhase.STOPPED)
            while self.is_busy and run.phase is RunPhase.STOPPED:
                gevent.sleep(_POLL_S)
            if run.phase is RunPhase.STOPPED:
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
            if not isinstance(base, Found):
                return NoComparison(side, self._name, self._why_not(base, run))
            compared = in_thread(
                lambda: compare_summaries(
                    (side_of(base.record, of_base := base.record.load_summary()), of_base),
                    (side, summary),
                    baseline=base.baseline,
                    tolerance=self._tolerance,
                )
            )
        except Exception as error:
            # Whatever it is, the results of checks are shown and written.
            logger.error("The run was not compared with %s: %s", self._name, error)  # noqa: TRY400 - the message says it all
            logger.debug("The error of the comparison", exc_info=True)
            return NoComparison(side, self._name, f"The run was not compared with {self._name}: {error}.")
        run.is_slower = compared.verdict == "slower"
        self.compared = compared, base.record
        return ComparisonResults(compared)

    def _why_not(self, base: NotSet | Missing | Unreadable | None, run: TestRun) -> str:
        if isinstance(base, NotSet):
            return (
                f"There is no baseline {self._name} yet. To set it to this run: locust-cw baseline set {run.run_id}"
                f" {shlex.quote(self._name)}"
            )
        problem = "its record could not be read in time" if base is None else base.reason
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
        if isinstance(self._base, Missing):
            return self._base.reason
        return self._base.reason if isinstance(self._base, Unreadable) and is_strict else None


def _side_of(run: TestRun, summary: _core.Summary) -> Side:
    statistics = run.publisher.statistics
    stopped = statistics.measured_until or run.times.stopped or time.time()
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
