"""The master's registry of its workers: their reports of each run, and what Locust knows of them."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from locust_cw._core import StatusReport
from locust_cw._distributed.reported_status import ReportedStatus

if TYPE_CHECKING:
    from locust_cw._plugin.locust_fleet import WorkerStates

logger = logging.getLogger("locust_cw")

# Longer than two of Locust's reporting intervals: a report may be late from a busy machine.
_VANISHED_AFTER_S = 8.0


@dataclass
class _Worker:
    """A worker's last report of a run."""

    report: StatusReport
    received_at: float

    def has_vanished(self, now: float) -> bool:
        return not self.report.is_final and now - self.received_at > _VANISHED_AFTER_S

    @property
    def call_failure(self) -> str | None:
        """Why its calls fail; empty if the reason is not known, None if they do not fail."""
        return None if self.report.outage_since is None else "".join(self.report.call_failures[:1])

    def status(self, now: float) -> ReportedStatus:
        if self.has_vanished(now):
            return ReportedStatus(self.report.without_present(), vanished=True)
        return ReportedStatus(self.report.aged(now - self.received_at))


@dataclass
class _Run:
    """What is known of the workers of one run."""

    workers: dict[str, _Worker] = field(default_factory=dict)
    # Workers that Locust misses; it forgets them after a minute.
    missing: set[str] = field(default_factory=set)
    # Workers that were sent a start and may not have started, and when that was observed.
    beginning: set[str] = field(default_factory=set)
    beginning_seen_at: float = 0.0
    # Workers that had users, or were about to, and those that had started, as far as Locust knows.
    at_work: set[str] = field(default_factory=set)
    begun: set[str] = field(default_factory=set)
    # Workers whose reports cannot be read.
    unreadable: set[str] = field(default_factory=set)
    # Workers that opt out, with the option.
    opted_out: dict[str, str] = field(default_factory=dict)

    @property
    def unreported(self) -> set[str]:
        """Workers that were sent a start shortly before the end, and have not reported since."""
        return self.beginning - self.begun - self.workers.keys() - self.opted_out.keys()

    def has_last_reports(self, now: float) -> bool:
        """Whether every worker has sent its last report, or has vanished."""
        if self.unreported and now - self.beginning_seen_at <= _VANISHED_AFTER_S:
            return False
        return all(worker.report.is_final or worker.has_vanished(now) for worker in self.workers.values())


class WorkerRegistry:
    """The reports of all workers."""

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}
        # The run that each worker reports at present. It may also still report the end of an earlier one.
        self._current: dict[str, str] = {}
        self._warned: set[str] = set()

    def reporting(self, run_id: str) -> set[str]:
        """The workers that have reported a run."""
        return set(self._run(run_id).workers)

    def silent(self, run_id: str, present: set[str]) -> set[str]:
        """The workers of a run from which no requests are expected.

        They opt out, have vanished, their reports cannot be read, or they run without locust-cw: a worker that has
        spawned its users has reported before. One that is among the workers `present` in Locust has not vanished, even
        if it is too busy to report.
        """
        run = self._runs.get(run_id)
        if run is None:
            return set()
        now = time.monotonic()
        vanished = {client_id for client_id, worker in run.workers.items() if worker.has_vanished(now)} - present
        return run.opted_out.keys() | run.unreadable | vanished | (run.begun - run.workers.keys())

    def update(self, client_id: str, message: Any) -> str | None:  # noqa: ANN401 - a worker may send anything
        """Take a worker's message. The result is the run if the message is the worker's last report of a run."""
        run_id = message.get("run_id") if isinstance(message, dict) else None
        if not isinstance(run_id, str):
            self._warn_unreadable(client_id)
            return None
        run = self._runs.setdefault(run_id, _Run())
        if isinstance(option := message.get("opted_out"), str):
            run.opted_out[client_id] = option
            return None
        try:
            report = StatusReport.from_message(message)
        except ValueError as error:
            logger.debug("Worker %s: %s", client_id, error)
            run.unreadable.add(client_id)
            self._warn_unreadable(client_id)
            return None
        run.unreadable.discard(client_id)
        if not report.is_final:
            self._current[client_id] = run_id
        known = run.workers.get(client_id)
        if known is None or not known.report.is_final:
            run.workers[client_id] = _Worker(report, time.monotonic())
        return run_id if report.is_final else None

    def _warn_unreadable(self, client_id: str) -> None:
        if client_id not in self._warned:
            self._warned.add(client_id)
            logger.warning(
                "The reports of worker %s cannot be read and are not included. Install the same version of "
                "locust-cw on all machines.",
                client_id,
            )

    def observe(self, run_id: str, states: WorkerStates, *, publishing: bool) -> None:
        """Note which workers Locust misses, which have yet to start, and which have users. None needs to have reported.

        A slow worker may start when the test is over, and publish then, if the workers are `publishing` their own
        requests. A worker reports when it starts, unless it cannot publish.
        """
        run = self._runs.setdefault(run_id, _Run())
        run.missing = (run.missing - states.present) | states.missing
        if publishing:
            run.beginning = states.beginning
            run.beginning_seen_at = time.monotonic()
            run.at_work |= states.at_work
            run.begun |= states.begun

    def _run(self, run_id: str) -> _Run:
        return self._runs.get(run_id) or _Run()

    def progress(self, run_id: str) -> tuple[int, int]:
        """Samples that the workers still have to deliver, and those that they have settled."""
        reports = [worker.report for worker in self._run(run_id).workers.values()]
        return sum(report.left for report in reports), sum(report.settled for report in reports)

    def statuses(self, run_id: str) -> dict[str, ReportedStatus]:
        """What is known of each worker of a run."""
        now = time.monotonic()
        return {client_id: worker.status(now) for client_id, worker in self._run(run_id).workers.items()}

    def call_failures(self, run_id: str) -> dict[str, str | None]:
        """Why each worker's calls fail; empty if the reason is not known, None if they do not fail.

        Workers that have vanished, or report another run by now, are left out: their present state is not known.
        """
        now = time.monotonic()
        return {
            client_id: worker.call_failure
            for client_id, worker in self._run(run_id).workers.items()
            if not worker.has_vanished(now) and self._current.get(client_id, run_id) == run_id
        }

    def has_opted_out(self, client_id: str, run_id: str) -> bool:
        """Whether a worker has opted out of a run."""
        return client_id in self._run(run_id).opted_out

    def has_last_reports(self, run_id: str) -> bool:
        """Whether every worker has sent its last report, or has vanished."""
        return self._run(run_id).has_last_reports(time.monotonic())

    def reports(self, run_id: str, *, publishing: bool) -> tuple[list[StatusReport], list[str], bool]:
        """All workers' last reports, remarks on them, and whether they are complete. The run is forgotten.

        Args:
            run_id: The run.
            publishing: Whether the workers published their own requests.

        """
        run = self._runs.pop(run_id, _Run())
        reports, remarks, complete = [], [], True
        for client_id, worker in sorted(run.workers.items()):
            report = worker.report
            reports.append(report)
            remarks += [f"{client_id}: {remark}" for remark in report.remarks]
            if not report.is_final:
                complete = False
                requests = report.receipt.requests
                settled = max(requests.observed - requests.spooled, 0)
                remarks.append(
                    f"{client_id}: vanished before its last report, with {settled:,} of {requests.observed:,} "
                    f"reported requests settled; the rest may be in its spool"
                )
        opted_out = run.opted_out.keys() - run.workers.keys() - run.unreadable
        remarks += [
            f"{client_id}: opted out with {run.opted_out[client_id]}: Locust counts its requests, but they are not "
            f"published"
            for client_id in sorted(opted_out)
        ]
        vanished = (run.missing | run.unreported) - run.workers.keys() - run.unreadable - opted_out
        remarks += [
            f"{client_id}: its reports cannot be read and are not included" for client_id in sorted(run.unreadable)
        ]
        rest = "its results may be in its spool" if publishing else "what it had not reported is lost"
        remarks += [f"{client_id}: vanished; {rest}" for client_id in sorted(vanished)]
        silent = run.at_work - run.workers.keys() - run.unreadable - opted_out - vanished
        remarks += [f"{client_id}: reported no results; it probably published none" for client_id in sorted(silent)]
        return reports, remarks, complete and not (opted_out or vanished or run.unreadable or silent)
