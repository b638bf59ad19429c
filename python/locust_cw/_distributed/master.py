"""The master of a fleet: it sends opt-outs and the run ID to its workers, and adds up their reports."""

from __future__ import annotations

import functools
import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from locust_cw._distributed import messages
from locust_cw._distributed.clocks import WorkerClocks
from locust_cw._distributed.outages import WorkerOutages
from locust_cw._distributed.registry import WorkerRegistry
from locust_cw._plugin import locust_adapter, locust_fleet
from locust_cw._plugin.greenlets import spawn
from locust_cw._plugin.preflight import refuse_for_worker
from locust_cw._plugin.process_role import ProcessRole, WorkerReports
from locust_cw._plugin.run import RunOutcome, RunPhase, TestRun
from locust_cw._settings.opt_outs import OPT_OUTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gevent import Greenlet
    from locust.env import Environment

    from locust_cw import _core
    from locust_cw._distributed.reported_status import ReportedStatus
    from locust_cw._settings.table import Options

logger = logging.getLogger("locust_cw")

# How long after a run was replaced all workers have reported its end: they report it every second.
_REPORTS_TIMEOUT_S = 5.0


class _Unreadable(NamedTuple):
    """A kind of message that a worker has sent and that cannot be read: the warning, and the remark on the receipt."""

    warning: str
    remark: str


_INCREMENT = _Unreadable(
    "The checks and the summary do not include all requests of worker %s: %s",
    "the checks and the summary do not include all of its requests, because its reports cannot be read",
)
_CUSTOM_REPORT = _Unreadable(
    "Custom metrics and marks of worker %s are missing: %s",
    "custom metrics and marks are missing, because its reports of them cannot be read",
)


def create() -> Master:
    """The role of this process."""
    return Master()


@dataclass
class _Entry:
    run: TestRun
    outages: WorkerOutages = field(default_factory=WorkerOutages)
    # Workers that have had users.
    at_work: set[str] = field(default_factory=set)
    # Whether the workers have the run's request names, because there are too many.
    restricted: bool = False
    # Remarks on messages of workers that cannot be read.
    unreadable: set[str] = field(default_factory=set)


class Master(ProcessRole):
    """The master of a fleet."""

    def __init__(self) -> None:
        self.registry = WorkerRegistry()
        self._clocks = WorkerClocks()
        self._environment: Environment | None = None
        # Receives messages when Locust has ended its own greenlets.
        self._receiver: Greenlet[..., None] | None = None
        # Workers whose messages of this kind cannot be read.
        self._unreadable: dict[_Unreadable, set[str]] = {_INCREMENT: set(), _CUSTOM_REPORT: set()}
        self._runs: dict[str, _Entry] = {}
        # Of the run that was finalized last: the registry forgets it then.
        self._last: tuple[str, dict[str, ReportedStatus]] = ("", {})

    def prepare(self, environment: Environment, options: Options) -> None:
        """Have no worker publish if the master opts out."""
        self._environment = environment
        opt_outs = {name: bool(options[name]) for name in OPT_OUTS}
        locust_fleet.send_to_workers(environment, **opt_outs, local_url=None)

    def cancel(self, environment: Environment) -> None:
        """Have the workers publish nothing either, until the next test starts."""
        locust_fleet.send_to_workers(environment, disable=True)

    def local_url(self, environment: Environment, _options: Options, url: str | None) -> str | None:
        """Send the address to the workers."""
        locust_fleet.send_to_workers(environment, local_url=url)
        return url

    def on_start(self, run: TestRun) -> None:
        """Listen to the workers' messages."""
        self._runs[run.run_id] = _Entry(run)
        if run.options["source"] == "master":
            run.publisher.statistics.expect_reports()
        if locust_fleet.register(run.environment, self._handle_worker_message):
            # A program may use several runners, one after another.
            self._end_receiving()
            locust_fleet.before_start(run.environment, functools.partial(self._send_run_id, run.environment))
            locust_fleet.when_receiving_ends(run.environment, self._receive)

    def begin(self, run: TestRun) -> None:
        """The users of a run start now. The workers get the end of the warm-up with the options."""
        super().begin(run)
        locust_fleet.send_to_workers(
            run.environment, measured_from=run.publisher.statistics.measured_from, clock=time.time(), request_names=None
        )

    def _send_run_id(self, environment: Environment) -> None:
        """Send the ID of the present run to workers that join late: the web UI's form may contain another one.

        Also send the time of this start, by which workers recognize that their clocks differ.
        """
        for entry in self._runs.values():
            if entry.run.is_under_way:
                locust_adapter.set_run_id(environment, entry.run.run_id)
                locust_fleet.send_to_workers(environment, clock=time.time())

    def on_tick(self, run: TestRun) -> None:
        """Observe the workers, and log the end of the test when they have all stopped."""
        if run.is_under_way:
            self._observe(run)
        elif run.phase is RunPhase.STOPPED and locust_fleet.is_stopped(run.environment):
            run.log_test_stop()
        self._log_outages(run)

    def on_stop(self, run: TestRun) -> None:
        """Observe the workers for the last time."""
        self._observe(run)

    def _observe(self, run: TestRun) -> None:
        # Before there are users, no worker has to publish. A refused test never has any.
        publishing = run.options["source"] != "master" and locust_fleet.has_users(run.environment)
        states = locust_fleet.worker_states(run.environment)
        self.registry.observe(run.run_id, states, publishing=publishing)
        entry = self._runs.get(run.run_id)
        if entry is not None and publishing:
            entry.at_work |= states.at_work
            self._expect_workers(entry)

    def _expect_workers(self, entry: _Entry) -> None:
        """Have the statistics wait for the workers that report: not for those that are missing or silent."""
        states = locust_fleet.worker_states(entry.run.environment)
        silent = self.registry.silent(entry.run.run_id, states.present) | states.missing
        # A worker reports its start before Locust knows its state.
        at_work = entry.at_work | self.registry.reporting(entry.run.run_id)
        entry.run.publisher.statistics.expect_workers(sorted(at_work - silent))

    def _log_outages(self, run: TestRun) -> None:
        entry = self._runs.get(run.run_id)
        message = entry and entry.outages.next_message(self.registry.call_failures(run.run_id), time.monotonic())
        if message:
            logger.log(*message)

    # Reports.

    def on_worker_report(self, run: TestRun | None, client_id: str, data: dict[str, Any]) -> None:
        """Take a worker's report, and publish its statistics if the master does that."""
        if isinstance(message := data.get(locust_fleet.MESSAGE), dict):
            self._handle_worker_message(client_id, message)
        if run is None or run.options["source"] != "master" or self.registry.has_opted_out(client_id, run.run_id):
            return
        entries = data.get("stats")
        for entry in entries if isinstance(entries, list) else ():
            run.publisher.record_stats(entry)

    def _handle_worker_message(self, client_id: str, message: Any) -> None:  # noqa: ANN401 - a worker may send anything
        if isinstance(message, dict):
            if (sent_at := messages.take_clock(message)) is not None:
                # Only a worker whose master publishes reports custom metrics.
                self._clocks.note(client_id, sent_at, publishes=messages.CUSTOM not in message)
            if messages.CUSTOM in message:
                self._add_custom_report(client_id, message)
                return
            self._add_increments(client_id, message)
        final_run = self.registry.update(client_id, message)
        # Not after the receipt, which lacks it: the worker then makes its own.
        if final_run is not None and final_run in self._runs and self._environment is not None:
            locust_fleet.send(self._environment, messages.acknowledgement(final_run), client_id)
        for run in [entry.run for entry in self._runs.values()] if isinstance(message, dict) else ():
            reason = messages.refusal(message, run.run_id)
            if reason is not None and run.phase is not RunPhase.FINALIZED and run.outcome is RunOutcome.OK:
                refuse_for_worker(run, client_id, reason)

    def _add_custom_report(self, client_id: str, message: dict[str, Any]) -> None:
        """Publish the custom metrics and marks of a worker."""
        run_id, report = message.get("run_id"), message[messages.CUSTOM]
        entry = self._runs.get(run_id) if isinstance(run_id, str) else None
        if entry is None or entry.run.options["source"] != "master" or not isinstance(report, bytes):
            return
        if self.registry.has_opted_out(client_id, entry.run.run_id):
            return
        try:
            entry.run.publisher.add_custom_report(client_id, report, self._clocks.offset_of(client_id))
        except ValueError as error:
            self._note_unreadable(entry, client_id, _CUSTOM_REPORT, error)

    def _note_unreadable(self, entry: _Entry, client_id: str, kind: _Unreadable, error: ValueError) -> None:
        entry.unreadable.add(f"{client_id}: {kind.remark}")
        if client_id not in self._unreadable[kind]:
            self._unreadable[kind].add(client_id)
            logger.warning(kind.warning, client_id, error)

    def _add_increments(self, client_id: str, message: dict[str, Any]) -> None:
        """Add the requests that a worker has counted since its last report to the summary."""
        increments, run_id = messages.take_increments(message), message.get("run_id")
        entry = self._runs.get(run_id) if isinstance(run_id, str) else None
        if entry is None or self._environment is None:
            return
        received = []
        statistics, offset = entry.run.publisher.statistics, self._clocks.offset_of(client_id)
        for increment in increments:
            try:
                received.append(statistics.add_increment(client_id, increment, offset))
            except ValueError as error:
                self._note_unreadable(entry, client_id, _INCREMENT, error)
        if received:
            locust_fleet.send(self._environment, messages.received_increments(entry.run.run_id, received), client_id)
            self._restrict_requests(entry)

    @staticmethod
    def _restrict_requests(entry: _Entry) -> None:
        """Have the workers publish no further request names once the run has as many as it may have."""
        names = None if entry.restricted else entry.run.publisher.statistics.request_names()
        if names is not None:
            entry.restricted = True
            # Workers that join late have them from the options.
            locust_fleet.send_to_workers(entry.run.environment, request_names=names)
            locust_fleet.send(entry.run.environment, messages.request_names(entry.run.run_id, names))

    def has_all_requests(self, run: TestRun, time_s: float) -> bool:
        """Whether the requests that ended before a point in time are counted, as far as workers have reported."""
        if run.options["source"] == "master":
            # Locust's reports do not say which time they cover. Workers send the last one before they have stopped.
            is_over = locust_fleet.is_stopped(run.environment) or not locust_fleet.has_workers(run.environment)
            if run.is_attached:
                run.snapshot_totals()
            return is_over and run.publisher.statistics.observed >= run.totals.counts[0]
        if (entry := self._runs.get(run.run_id)) is not None:
            self._expect_workers(entry)
        return super().has_all_requests(run, time_s)

    def progress(self, run: TestRun) -> tuple[int, int]:
        """Samples that the workers still have to deliver, and those that they have settled."""
        return self.registry.progress(run.run_id)

    def receipt_so_far(self, run: TestRun) -> _core.Receipt:
        """The receipt so far of this process and its workers."""
        return run.status_report().merge(*(status.report for status in self.statuses(run).values())).receipt

    def call_failures(self, run: TestRun) -> Sequence[str]:
        """Why the workers' calls fail at present."""
        return [reason for reason in self.registry.call_failures(run.run_id).values() if reason]

    def has_no_pending_workers(self, run: TestRun) -> bool:
        """Whether all workers have sent their last reports, or have vanished."""
        return self.registry.has_last_reports(run.run_id)

    def has_all_last_reports(self, run: TestRun) -> bool:
        """Whether all workers have sent their last reports. One that has vanished may still come back."""
        if run.times.detached is None or time.monotonic() - run.times.detached <= _REPORTS_TIMEOUT_S:
            return False
        return all(status.report.is_final for status in self.registry.statuses(run.run_id).values())

    def statuses(self, run: TestRun) -> dict[str, ReportedStatus]:
        """What is known of each worker of a run."""
        run_id, statuses = self._last
        return statuses if run_id == run.run_id else self.registry.statuses(run.run_id)

    def worker_reports(self, run: TestRun) -> WorkerReports:
        """The workers' last reports. The run is forgotten."""
        self._log_outages(run)
        self._last = run.run_id, self.registry.statuses(run.run_id)
        entry = self._runs.pop(run.run_id, None)
        publishing = run.options["source"] != "master"
        reports, remarks, are_complete = self.registry.reports(run.run_id, publishing=publishing)
        return WorkerReports(reports, remarks + sorted(entry.unreadable if entry else ()), are_complete)

    @contextmanager
    def receiving(self) -> Iterator[None]:
        """Receive the workers' last messages: Locust's own greenlets end before `quit`."""
        if self._environment is not None and not locust_fleet.is_receiving(self._environment):
            self._receive()
        try:
            yield
        finally:
            self._end_receiving()

    def _receive(self) -> None:
        """Receive messages from now on. Workers wait for the acknowledgement of their last reports."""
        if (self._receiver is None or self._receiver.dead) and self._environment is not None:
            self._receiver = spawn(locust_fleet.receive, self._environment, self._handle_worker_message)

    def _end_receiving(self) -> None:
        if self._receiver is not None:
            self._receiver.kill(block=False)
            self._receiver = None
