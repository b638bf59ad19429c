"""The role of a process in a fleet: that of the only process. `_distributed` has those of master and worker."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from locust_cw._plugin.extension import Extension
from locust_cw._plugin.run import TestRun, Times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locust.env import Environment

    from locust_cw import _core
    from locust_cw._settings.table import Options


class WorkerReports(NamedTuple):
    """The last reports of a run's workers, remarks for the receipt, and whether every worker has reported."""

    reports: list[_core.StatusReport]
    remarks: list[str]
    are_complete: bool


class ProcessRole(Extension[TestRun]):
    """The role of the only process of a test."""

    writes_record = True
    """Whether this process writes the record of a run."""
    forwarding: tuple[Times, _core.CustomCollector] | None = None
    """The times of the test and the collector of custom metrics and marks, if another process publishes them."""

    def receipt_so_far(self, run: TestRun) -> _core.Receipt:
        """The receipt so far of all processes."""
        return run.status_report().receipt

    def prepare(self, environment: Environment, options: Options) -> None:
        """Coordinate with the other processes which of them publish. This may change the options."""

    def cancel(self, environment: Environment) -> None:
        """Note that this process publishes nothing of a test."""

    def publishes(self, options: Options) -> bool:
        """Whether this process publishes a test with these options."""
        return not options["disable"]

    def resumes(self, _run: TestRun, _options: Options) -> bool:
        """Whether a start continues a run."""
        return False

    def local_url(self, _environment: Environment, _options: Options, url: str | None) -> str | None:
        """The address of the local CloudWatch to publish to; None without one.

        Args:
            url: The address of the local CloudWatch that this process has started.

        Raises:
            StartError: If the options require a local CloudWatch and its address is unknown.

        """
        return url

    def on_report_to_master(self, run: TestRun | None, data: dict[str, Any]) -> None:
        """Add data to the report that Locust sends to the master."""

    def on_worker_report(self, run: TestRun | None, client_id: str, data: dict[str, Any]) -> None:
        """Process the report of a worker."""

    def measured_from(self, _environment: Environment) -> float | None:
        """The end of the warm-up, if another process has determined it."""
        return None

    def begin(self, run: TestRun) -> None:
        """The users of a run start now."""
        run.publisher.statistics.begin(time.time())

    def end_measured_time(self, run: TestRun) -> None:
        """Locust has begun to stop the test of a run."""
        run.publisher.statistics.end_measured_time(time.time())

    def has_all_requests(self, run: TestRun, time_s: float) -> bool:
        """Whether the requests that ended before a point in time are counted."""
        return run.publisher.statistics.has_all_requests(time_s)

    def progress(self, _run: TestRun) -> tuple[int, int]:
        """Samples that the workers still have to deliver, and those that they have settled."""
        return 0, 0

    def call_failures(self, _run: TestRun) -> Sequence[str]:
        """The messages of the workers' calls that fail at present."""
        return ()

    def has_no_pending_workers(self, _run: TestRun) -> bool:
        """Whether no more reports will arrive at the end of the process."""
        return True

    def has_all_last_reports(self, _run: TestRun) -> bool:
        """Whether no more reports will arrive while the process continues."""
        return True

    def worker_reports(self, _run: TestRun) -> WorkerReports:
        """The workers' last reports."""
        return WorkerReports([], [], are_complete=True)

    def hand_over(self, _run: TestRun, _receipt: _core.Receipt, _remarks: list[str]) -> bool:
        """Whether the master has taken over the receipt, so that this process does not show it."""
        return False

    def receiving(self) -> AbstractContextManager[None]:
        """Receive messages after Locust's own greenlets have ended."""
        return nullcontext()
