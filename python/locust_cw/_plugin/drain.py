"""The drain at the end of a process: it delivers what is left, within the drain timeout, and finalizes the runs.

From Ctrl-C to the exit:

1. `Session.on_quitting`: with checks, Locust's exit code no longer depends on failed requests (`locust_end.py`).
2. Locust stops the test: `Session.on_test_stopping` ends the measured time, and `Session.on_test_stop` calls
   `TestRun.stop`. From then on, the core sends at once.
3. `Session.on_quit` closes the session: `Drain.await_judgements` waits for the results of checks, `TestRun.detach` ends
   the recording, and `Drain.close` waits for the delivery and, on a master, for the last reports of its workers.
4. For each run, `Drain.finalize` makes the receipt (`finish_run`), which ends the core's delivery and writes the
   record. A worker hands its receipt over to the master.
5. `Session._exit_with_failure`, the last listener of `quit`, exits with the code of the first reason (`exit_code.py`),
   unless Locust's own exit code is not 0.
"""

from __future__ import annotations

import atexit
import logging
import time
from typing import TYPE_CHECKING, Any

import gevent

from locust_cw._plugin import locust_adapter
from locust_cw._plugin.drain_wait import DrainWait
from locust_cw._plugin.exit_code import ExitReason, reasons_of, reasons_without_receipt
from locust_cw._plugin.extension import Background, Judge, load
from locust_cw._plugin.finalize import finish_run
from locust_cw._plugin.locust_adapter import Role
from locust_cw._plugin.run import RunPhase, TestRun

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust_cw._plugin.process_role import ProcessRole
    from locust_cw._plugin.session_end import FinishedRun, SessionEnd

logger = logging.getLogger("locust_cw")

_POLL_S = 0.05
# How much longer than its own drain timeout a master waits for its workers' receipts.
_RECEIPTS_TIMEOUT_S = 3.0
# How long a judge takes for its results when it waits for nothing.
_RESULTS_TIMEOUT_S = 2.0
# How long other listeners to `quit` may take before a second shutdown goes on.
_OTHER_LISTENERS_S = 10.0
# The progress bar is imported when there is something to see.
_SHOW_PROGRESS_AFTER_S = 0.25


class Drain:
    """The end of a session. All of it may happen twice, and from several greenlets."""

    def __init__(self, end: SessionEnd) -> None:
        self._end = end
        self._wait = DrainWait()
        self._quitting: object = None

    def on_start(self) -> None:
        """A test starts after an end."""
        self._quitting = None

    def on_quitting(self) -> None:
        """Hold a second shutdown back while the first one delivers.

        After SIGTERM, Locust shuts down in a greenlet of its own. While that greenlet waits in `quit`, the main
        greenlet shuts down too, and would write the statistics again, which the first one has emptied. The first one
        ends the process, and with it this wait.
        """
        if self._quitting not in (None, gevent.getcurrent()) and self._end.is_ours:
            self._wait_for_receipts()
            self._wait.sleep(_OTHER_LISTENERS_S)

    def on_quit(self, close: Callable[[], object]) -> None:
        """Close the session. Each caller returns when that is done."""
        if not self._end.is_ours:
            return
        if self._quitting is None:
            self._quitting = gevent.getcurrent()
            close()
        self._wait_for_receipts()

    def on_exit(self, on_quit: Callable[[], None]) -> None:
        """The process ends without `quit`."""
        if self._end.runs and self._quitting is None:
            on_quit()

    def _wait_for_receipts(self) -> None:
        while self._end.runs:
            self._wait.sleep(_POLL_S)

    def await_judgements(self, process_role: ProcessRole) -> bool:
        """Wait until all runs are judged. Returns whether the user has ended the wait and the delivery would take long.

        Ctrl-C ends the wait for metrics of targets, which takes minutes. What a working CloudWatch takes in a moment is
        still delivered then, with the results.
        """
        judges = [judge for run in self._end.runs for judge in run.extensions if isinstance(judge, Judge)]
        if not judges:
            return False
        with self._wait.ended_by_ctrl_c(), process_role.receiving():
            while any(judge.is_judging for judge in judges) and not self._wait.given_up:
                self._wait.sleep(_POLL_S)
            for judge in judges:
                judge.give_up()
            deadline = time.monotonic() + _RESULTS_TIMEOUT_S
            while any(judge.is_judging for judge in judges) and time.monotonic() < deadline:
                self._wait.sleep(_POLL_S)
        return self._wait.given_up and any(run.publisher.progress().call_failures for run in self._end.runs)

    def close(
        self, process_role: ProcessRole, at_exit: Callable[[], None], *, given_up: bool = False
    ) -> list[FinishedRun]:
        """Deliver and finalize all runs, which are detached. The result is those that were not returned before."""
        end = self._end
        end.is_closing = True
        begun = time.monotonic()
        try:
            with self._wait.ended_by_ctrl_c(given_up=given_up), process_role.receiving():
                while end.runs:
                    run = end.runs[0]
                    for extension in run.extensions:
                        if isinstance(extension, Background):
                            extension.cancel()
                    self._wait_for_delivery(run, process_role, begun)
                    if run.phase is RunPhase.FINALIZED:
                        # Delivered before the end: the monitor's greenlet makes its receipt.
                        self._wait.sleep(_POLL_S)
                        continue
                    if self._wait.given_up:
                        _log_undelivered(run, process_role)
                    self.finalize(run, process_role)
        finally:
            end.is_closing = False
        atexit.unregister(at_exit)
        end.owner = None
        finished, end.finished = sorted(end.finished, key=lambda each: each.started), []
        return finished

    def finalize(self, run: TestRun, process_role: ProcessRole) -> None:
        """Make the receipt of a run and forget the run. A second call does nothing."""
        end = self._end
        with self._wait.uninterrupted():
            if run.phase is RunPhase.FINALIZED:
                return
            run.phase = RunPhase.FINALIZED
            reasons = reasons_without_receipt(run.options.__getitem__)
            try:
                finished, is_shown = finish_run(run, process_role, self._wait)
                end.finished.append(finished)
                reasons = reasons_of(run, finished.receipt) if is_shown else set()
            except Exception:
                # The other runs get their receipts.
                logger.exception("locust-cw could not create the receipt of run %s", run.run_id)
            finally:
                end.exit_reasons |= {*reasons, ExitReason.FAILED} if run.outcome.is_failure else reasons
                # Greenlets that wait for the end wait for this list to be empty.
                end.runs.remove(run)

    def _wait_for_delivery(self, run: TestRun, process_role: ProcessRole, begun: float) -> None:
        role = locust_adapter.role_of(run.environment)
        deadline = begun + run.publisher.drain_timeout + (_RECEIPTS_TIMEOUT_S if role is Role.MASTER else 0)
        progress_bar: Any = None
        while not self._wait.given_up and run.phase is not RunPhase.FINALIZED:
            progress = run.publisher.progress()
            now = time.monotonic()
            if (progress.over and process_role.has_no_pending_workers(run)) or now > deadline:
                break
            if role is not Role.WORKER and now - begun > _SHOW_PROGRESS_AFTER_S:
                progress_bar = progress_bar or load("progress").ProgressBar(begun=begun)
                left, settled = process_role.progress(run)
                failures = [failure.message for failure in progress.call_failures] or process_role.call_failures(run)
                progress_bar.show(
                    progress.left + left, progress.settled + settled, failures, seconds_to_wait=deadline - now
                )
            self._wait.sleep(_POLL_S)
        if progress_bar is not None:
            progress_bar.clear()


def _log_undelivered(run: TestRun, process_role: ProcessRole) -> None:
    """Log where the samples are that Ctrl-C has left undelivered."""
    role = locust_adapter.role_of(run.environment)
    left = 0 if run.options["dry_run"] else run.publisher.progress().left + process_role.progress(run)[0]
    if left and role is not Role.WORKER:
        where = "the spools of master and workers" if role is Role.MASTER else "the spool"
        command = load("receipt").replay_command(run.run_id, run.options["spool_dir"])
        logger.warning(
            "Ctrl-C: no longer waiting for CloudWatch. %s results (requests or log events) are left in %s. Send them "
            "with: %s",
            f"{left:,}",
            where,
            command,
        )
