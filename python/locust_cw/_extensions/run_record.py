"""The record of a run: written a few seconds after the start, every minute, after the stop, and with the receipt.

A test that is killed therefore has a record. Nothing here holds up a greenlet: the core makes the text of the summary
without the GIL, a thread writes the file and compresses the text, and calls of AWS are waited for by polling.
"""

from __future__ import annotations

import json
import logging
import time
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

import gevent
from gevent.lock import Semaphore

from locust_cw import _core
from locust_cw._aws.account import Account
from locust_cw._extensions.test_setup import setup_of
from locust_cw._plugin import locust_adapter
from locust_cw._plugin.extension import Extension
from locust_cw._plugin.greenlets import in_thread, spawn
from locust_cw._plugin.run import TestRun
from locust_cw._runs.custom_data import custom_data_of
from locust_cw._runs.fleet_series import series_of
from locust_cw._runs.folder import absolute
from locust_cw._runs.record import Record
from locust_cw._runs.shared_records import RecordWriter, events_of_update
from locust_cw._runs.tags import tags_of_run
from locust_cw._terminal.redaction import redact

if TYPE_CHECKING:
    from locust_cw._plugin.process_role import ProcessRole
    from locust_cw._runs.record_events import UpdatePhase

logger = logging.getLogger("locust_cw")

_PERIOD_S = 60.0
_LAST_CALL_TIMEOUT_S = 5.0


def of(run: TestRun, role: ProcessRole) -> RunRecord:
    """The extension of a run. It is created with the first call, and is called with the other ones from then on."""
    known = (each for each in run.extensions if isinstance(each, RunRecord))
    record = next(known, None)
    if record is None:
        record = RunRecord(run, role)
        run.extensions.append(record)
    return record


class _Stage(Enum):
    """How far the record is."""

    OPEN = auto()
    """Updates are written, also after the stop."""
    ENDING = auto()
    """No more updates are written: the record with the receipt follows."""
    COMPLETE = auto()
    """The record with the receipt is written, or being written. No update replaces it."""


class RunRecord(Extension[TestRun]):
    """Writes the record of a run.

    Attributes:
        is_busy: Whether an update is being written.

    """

    def __init__(self, run: TestRun, role: ProcessRole) -> None:
        """Nothing is written before the next second."""
        self._run = run
        self._role = role
        self._users = 0
        self._due = 0.0
        self._stage = _Stage.OPEN
        self._next_phase: UpdatePhase = "start"
        # Of a failed call. Only the first one is a warning.
        self._log_level = logging.WARNING
        self._lock = Semaphore()
        self._writer = self._writer_of(run) if _is_shared(run) else None
        self.is_busy = False

    @staticmethod
    def _writer_of(run: TestRun) -> RecordWriter:
        account = Account(run.options.core, gevent.sleep)
        return RecordWriter(account.call, run.options["log_group"])

    # When it is written.

    def on_tick(self, run: TestRun) -> None:
        """Update the record if that is due."""
        self._users = max(self._users, run.times.most_users, locust_adapter.user_count(run.environment))
        if self.is_busy or time.monotonic() < self._due or self._stage is not _Stage.OPEN:
            return
        self._due = time.monotonic() + _PERIOD_S
        self.is_busy = True
        spawn(self._update)

    def on_stop(self, run: TestRun) -> None:
        """Update the record in the next second."""
        del run
        self.request()

    def request(self) -> None:
        """Update the record in the next second."""
        self._due = 0.0

    def cancel(self) -> None:
        """Write no more updates: the record with the receipt follows."""
        if self._stage is _Stage.OPEN:
            self._stage = _Stage.ENDING

    def finish(self, receipt: _core.Receipt) -> None:
        """Write the record with the receipt, and wait until CloudWatch Logs has it, for a few seconds at most."""
        self.cancel()
        if self._run.options["record"] == "off":
            return
        try:
            self._finish(receipt)
        except Exception:
            # The user needs the receipt, and not the record.
            logger.debug("The record of run %s could not be completed", self._run.run_id, exc_info=True)

    def _finish(self, receipt: _core.Receipt) -> None:
        record = self.record(receipt)
        self._write_file(record, is_complete=True)
        # If calls fail, their spool is replayed later, and the wait would be in vain.
        if self._writer is not None and not self._run.publisher.progress().call_failures:
            sending = gevent.spawn(self._send, record, "end")
            sending.join(timeout=_LAST_CALL_TIMEOUT_S)
            if not sending.ready():
                sending.kill(block=False)
                self._warn("CloudWatch Logs did not respond in time")

    def _update(self) -> None:
        run = self._run
        try:
            record = self.record(self._role.receipt_so_far(run))
            self._write_file(record)
            # Without --cw-live, a test makes no calls before its stop.
            if self._writer is not None and (run.options["live"] or not run.is_under_way):
                self._send(record, self._next_phase)
        except Exception:
            logger.debug("The record of run %s could not be updated", run.run_id, exc_info=True)
        finally:
            self.is_busy = False

    # What is written, and where.

    def record(self, receipt: _core.Receipt) -> Record:
        """The record with this receipt."""
        run = self._run
        statistics, now = run.publisher.statistics, time.time()
        fields = json.loads(receipt.json)
        if not fields.get("checks") and run.options["check"]:
            fields["checks"] = [each.fields for each in statistics.check_results(statistics.measured_until or now)]
        summary = statistics.summary()
        text, p95_ms = in_thread(lambda: (summary.to_json(), summary.quantile_ms(0.95)))
        return Record(
            run_id=run.run_id,
            options=run.options.core | {"spool_dir": absolute(run.options["spool_dir"])},
            started=run.times.started,
            ramped_up=run.times.ramped_up,
            stopped=run.times.stopped,
            updated=now,
            host=run.host,
            targets=list(run.options["target"] or ()),
            checks=list(run.options["check"] or ()),
            tags=tags_of_run(run.options["tag"]),
            users=max(self._users, run.times.most_users),
            p95_ms=p95_ms,
            dashboard=run.dashboard[0],
            receipt=fields,
            series=receipt.series or self._series(summary),
            destination=run.publisher.destination() or {},
            summary=text,
            measured_from=statistics.measured_from,
            measured_until=statistics.measured_until,
            setup=setup_of(run.environment),
            lacks_reports=receipt.lacks_reports,
            **custom_data_of(statistics),
        )

    def _series(self, summary: _core.Summary) -> list[dict[str, Any]]:
        """The series so far, which only the last receipt has."""
        run = self._run
        # A master publishes no requests, unless with --cw-source master.
        options = _core.default_options() | run.options.core | {"run_id": run.run_id}
        return run.publisher.series() or series_of(summary, run.host, options)

    def _write_file(self, record: Record, *, is_complete: bool = False) -> None:
        with self._lock:
            # The record with the receipt may have been written meanwhile.
            if self._stage is _Stage.COMPLETE:
                return
            if is_complete:
                self._stage = _Stage.COMPLETE
            try:
                in_thread(record.write)
            except OSError as error:
                logger.debug("The record of run %s could not be written: %s", record.run_id, error)

    def _send(self, record: Record, phase: UpdatePhase) -> None:
        """Write the record to CloudWatch Logs. After a failure, the next update tries again."""
        writer: Any = self._writer
        try:
            writer.write(record.run_id, in_thread(lambda: events_of_update(record, phase)))
            self._next_phase = "update"
        except _core.AwsError as error:
            # The publisher creates the log group with its first events.
            if error.kind != "not_found":
                self._warn(redact(str(error)))

    def _warn(self, reason: str) -> None:
        logger.log(
            self._log_level,
            "The record of run %s could not be written to CloudWatch Logs, so other machines may not see the run: %s",
            self._run.run_id,
            reason,
        )
        self._log_level = logging.DEBUG


def _is_shared(run: TestRun) -> bool:
    options = run.options
    return options["record"] == "cloudwatch" and options["logs"] != "off" and not options["dry_run"]
