"""`--cw-check`: judges a run by its own data and by AWS metrics of its targets, and stops it if a check requires it."""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import TYPE_CHECKING

import gevent

from locust_cw._extensions.after_stop import await_requests
from locust_cw._plugin import locust_adapter
from locust_cw._plugin.extension import Extension
from locust_cw._plugin.greenlets import spawn
from locust_cw._plugin.run import RunOutcome, RunPhase, TestRun
from locust_cw._settings.names import target_checks_of, targets_of

if TYPE_CHECKING:
    from gevent import Greenlet

    from locust_cw import _core
    from locust_cw._checks.target_values import TargetChecks
    from locust_cw._settings.table import Options

_POLL_S = 0.1


def create(options: Options) -> Checks:
    """The extension of a run.

    Raises:
        InvalidOptionError: If a check is malformed, or a check of a target cannot be used.

    """
    for name in ("junit", "summary"):
        if options[name] is not None:
            # The test may change the working directory before the results are written.
            options.set(name, Path(options[name]).absolute())
    of_targets = target_checks_of(options["check"], options["target"])
    if not of_targets:
        return Checks(None, "", 0.0)
    if options["dry_run"]:
        return Checks(None, "a dry run reads no metrics from AWS", 0.0)
    from locust_cw._aws.accounts import account_of  # noqa: PLC0415 - few tests have checks of targets
    from locust_cw._checks.target_values import TargetChecks  # noqa: PLC0415 - as said above

    accounts = functools.partial(account_of, options.core)
    targets = TargetChecks(accounts, of_targets, targets_of(options["target"]), gevent.sleep)
    targets.warn_of_unknown_metrics()
    return Checks(targets, "its metric is read after the test", options["check_wait"])


class Checks(Extension[TestRun]):
    """Judges a run: during the test for checks that may stop it, and after its stop."""

    def __init__(self, targets: TargetChecks | None, without_value: str, wait_s: float) -> None:
        """Nothing is read yet.

        Args:
            targets: The checks of targets, if there are any and their metrics are read.
            without_value: Why a check of a target has no value before its metric is read.
            wait_s: Seconds to wait for the metrics of targets at the end.

        """
        self._targets = targets
        self._without_value = without_value
        self._wait_s = wait_s
        self._given_up = False
        self._judging: Greenlet[..., None] | None = None
        self._run: TestRun | None = None
        self._results: list[_core.CheckResult] | None = None
        self._values: dict[str, float | str] = {}

    # During the test.

    def on_start(self, run: TestRun) -> None:
        """Watch the checks that may stop the test."""
        self._run = run
        if run.publisher.statistics.may_abort:
            spawn(self._watch, run)
        self._values = {
            check.text: self._without_value for check in target_checks_of(run.options["check"], run.options["target"])
        }
        if self._targets is not None and self._targets.may_abort:
            spawn(self._read_targets, run, self._targets)

    def _read_targets(self, run: TestRun, targets: TargetChecks) -> None:
        from locust_cw._checks.target_values import READ_EVERY_S  # noqa: PLC0415 - few tests have checks of targets

        statistics = run.publisher.statistics
        while run.is_under_way:
            for text, minutes in targets.newest(statistics.measured_from, time.time()).items():
                for minute, value in minutes:
                    self._values[text] = value
                    statistics.observe_target(text, minute, value)
            gevent.sleep(READ_EVERY_S)

    @staticmethod
    def _watch(run: TestRun) -> None:
        """Stop the test when a check with `abort after` has been breached for long enough."""
        while run.is_under_way and run.outcome is RunOutcome.OK:
            gevent.sleep(_POLL_S)
            breached = run.publisher.statistics.take_abort() if run.phase is RunPhase.RUNNING else None
            if breached is not None and run.outcome is RunOutcome.OK:
                run.end_with(RunOutcome.STOPPED_BY_CHECK, f"Stopped by check {breached.text}")
                locust_adapter.end_test(run.environment)
                return

    # After its stop.

    @property
    def is_judging(self) -> bool:
        """Whether the test has stopped and the results are still to come."""
        return self._judging is not None and not self._judging.dead

    def give_up(self) -> None:
        """Stop waiting for data."""
        self._given_up = True

    def results(self) -> list[_core.CheckResult]:
        """The final results, or those of the run so far if it has not been judged yet."""
        if self._results is not None or self._run is None:
            return self._results or []
        statistics = self._run.publisher.statistics
        return statistics.check_results(statistics.measured_until or time.time(), self._values)

    def on_stop(self, run: TestRun) -> None:
        """Judge the run as soon as all of its data is known."""
        run.publisher.statistics.end_measured_time(run.times.stopped or time.time())
        self._judging = spawn(self._judge, run)

    def _judge(self, run: TestRun) -> None:
        statistics = run.publisher.statistics
        stopped = statistics.measured_until or time.time()
        await_requests(run, stopped, lambda: self._given_up)
        if self._targets is not None:
            self._values |= self._targets.final(
                statistics.measured_from, stopped, wait_s=self._wait_s, given_up=lambda: self._given_up
            )
        results = statistics.check_results(stopped, self._values)
        for result in results:
            run.publisher.event("check", result.fields)
        self._results = results
        if not run.is_attached:
            run.publisher.seal()
