"""What depends on a process's role in a fleet. This is the only process of a test; `_distributed` has the others."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from locust_cw._plugin.extension import Extension
from locust_cw._plugin.run import TestRun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locust.env import Environment

    from locust_cw import _core
    from locust_cw._settings.table import Options


class WorkerReports(NamedTuple):
    """The last reports of a run's workers, remarks for the receipt, and whether they are all there is."""

    reports: list[_core.StatusReport]
    remarks: list[str]
    are_complete: bool


class Distribution(Extension[TestRun]):
    """The only process of a test. It has no other processes to agree with."""

    writes_record = True
    """Whether this process writes the record of a run."""

    def summary(self, run: TestRun) -> _core.Receipt:
        """The receipt so far of all processes."""
        return run.status_report().receipt

    def prepare(self, environment: Environment, options: Options) -> None:
        """Agree with the other processes on what is published; this may change the options."""

    def cancel(self, environment: Environment) -> None:
        """Nothing of this test is published."""

    def publishes(self, options: Options) -> bool:
        """Whether this process publishes a test with these options."""
        return not options["disable"]

    def resumes(self, _run: TestRun, _options: Options) -> bool:
        """Whether a start continues a run."""
        return False

    def local_url(self, _environment: Environment, _options: Options, url: str | None) -> str | None:
        """The address of the local CloudWatch to publish to, if there is one; `url` is that of this process's own.

        Raises:
            StartError: If there should be one.

        """
        return url

    def report(self, run: TestRun | None, data: dict[str, Any]) -> None:
        """Add to the report that Locust sends to the master."""

    def on_worker_report(self, run: TestRun | None, client_id: str, data: dict[str, Any]) -> None:
        """Take what a worker has reported."""

    def progress(self, _run: TestRun) -> tuple[int, int]:
        """Samples that the workers still have to deliver, and those that they have settled."""
        return 0, 0

    def failures(self, _run: TestRun) -> Sequence[str]:
        """Why the workers' calls fail at present."""
        return ()

    def is_complete(self, _run: TestRun) -> bool:
        """Whether no more reports are to be expected at the end of the process."""
        return True

    def is_settled(self, _run: TestRun) -> bool:
        """Whether no more reports are to be expected while the process goes on."""
        return True

    def worker_reports(self, _run: TestRun) -> WorkerReports:
        """The workers' last reports."""
        return WorkerReports([], [], are_complete=True)

    def hand_over(self, _run: TestRun, _receipt: _core.Receipt, _remarks: list[str]) -> bool:
        """Whether the master has taken over the receipt, so that this process does not show it."""
        return False

    def receiving(self) -> AbstractContextManager[None]:
        """Receive messages instead of Locust, whose greenlets have ended."""
        return nullcontext()
