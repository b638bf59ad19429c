"""What the web UI shows of a session: the status of its last run and of each worker, and links."""

from __future__ import annotations

import time
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import gevent

from locust_cw._distributed.reported_status import ReportedStatus
from locust_cw._plugin import locust_adapter
from locust_cw._plugin.extension import Judge
from locust_cw._plugin.locust_adapter import Role
from locust_cw._webui import status as _status
from locust_cw._webui.console_links import ConsoleLinks

if TYPE_CHECKING:
    from pathlib import Path

    from locust_cw._plugin.run import TestRun
    from locust_cw._plugin.session import Session
    from locust_cw._webui.check_table import CheckTable, Stage
    from locust_cw._webui.live_view import LiveView
    from locust_cw._webui.status import Mode, Status


@runtime_checkable
class ReportFile(Protocol):
    """An extension that writes the report of the run."""

    @property
    def report_file(self) -> Path | None:
        """The file, once it is written."""


@runtime_checkable
class Compares(Protocol):
    """An extension that compares the run with a baseline."""

    @property
    def headline(self) -> tuple[str, str] | None:
        """The verdict, and the result in one line, once there is one."""


class View(Protocol):
    """What the tab shows."""

    def statuses(self) -> list[Status]:
        """The status of the whole run, and those of its workers; none before the first run."""

    def checks(self) -> CheckTable | None:
        """The table of checks; None for a run without checks."""

    def comparison(self) -> tuple[str, str] | None:
        """Verdict and result of the comparison with a baseline; None before the end, or without one."""

    def links(self) -> dict[str, str]:
        """URLs by title."""

    def report_file(self) -> Path | None:
        """The report of the last run; None if there is none."""

    def live(self, run_id: str | None, since: int | None, targets: int | None) -> str:
        """What a browser lacks that shows a run and these revisions of its values, as a JSON object."""


class SessionView:
    """The view of a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._links: tuple[TestRun, ConsoleLinks] | None = None
        self._live: LiveView | None = None

    def statuses(self) -> list[Status]:
        """The status of the whole run, and those of its workers; none before the first run."""
        if self._session.unpublished is not None:
            return [_status.off(*self._session.unpublished)]
        run = self._session.last_run
        if run is None:
            return []
        shown = _status.Run(run.run_id, _mode(run), run.times.started, run.times.stopped)
        workers: dict[str, ReportedStatus] = {}
        if locust_adapter.role_of(run.environment) is Role.MASTER:
            from locust_cw._distributed.master import Master  # noqa: PLC0415 - only loaded on a master

            if isinstance(self._session.role, Master):
                workers = self._session.role.statuses(run)
        return _status.statuses(shown, ReportedStatus(run.status_report()), workers, time.time())

    def checks(self) -> CheckTable | None:
        """The table of checks; None for a run without checks."""
        run = self._session.last_run
        if run is None or self._session.unpublished is not None:
            return None
        judge = next((extension for extension in run.extensions if isinstance(extension, Judge)), None)
        if judge is None:
            return None
        from locust_cw._webui.check_table import check_table  # noqa: PLC0415 - most tests have no checks

        return check_table(judge.results(), _stage(run, judge))

    def comparison(self) -> tuple[str, str] | None:
        """Verdict and result of the comparison with a baseline; None before the end, or without one."""
        run = self._session.last_run
        if run is None or self._session.unpublished is not None:
            return None
        return next((extension.headline for extension in run.extensions if isinstance(extension, Compares)), None)

    def report_file(self) -> Path | None:
        """The report of the last run; None without `--cw-report`, or before it is written."""
        run = self._session.last_run
        if run is None or self._session.unpublished is not None:
            return None
        found = (extension.report_file for extension in run.extensions if isinstance(extension, ReportFile))
        return next(found, None)

    def links(self) -> dict[str, str]:
        """URLs in the AWS console, by title."""
        run = self._session.last_run
        if run is None or self._session.unpublished is not None:
            return {}
        if self._links is None or self._links[0] is not run:
            options = run.options.core | {"spool_dir": run.options["spool_dir"]}
            self._links = run, ConsoleLinks(options, run.dashboard[0])
        return self._links[1].links

    def live(self, run_id: str | None, since: int | None, targets: int | None) -> str:
        """What a browser lacks that shows a run and these revisions of its values, as a JSON object."""
        if self._live is None:
            # In a thread, because users would wait for the import.
            module = gevent.get_hub().threadpool.apply(import_module, ("locust_cw._webui.live_view",))
            self._live = self._live or module.LiveView(self._session)
        found: str = self._live.changes(run_id, since, targets)
        return found


def _stage(run: TestRun, judge: Judge) -> Stage:
    if run.times.stopped is None:
        return "running"
    return "judging" if judge.is_judging else "over"


def _mode(run: TestRun) -> Mode:
    if run.options["dry_run"]:
        return "dry run"
    return "live" if run.options["live"] else "after the test"
