"""`--cw-dashboard`: create or update the dashboard of a test, and mark its start, ramp-up, stop and users' marks."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import gevent

from locust_cw import _core
from locust_cw._aws.account import Account
from locust_cw._aws.console import at_times, link_to_dashboard
from locust_cw._dashboard.limits import DashboardError
from locust_cw._dashboard.run_dashboard import Dashboard
from locust_cw._dashboard.view import CustomMetric, View
from locust_cw._plugin.extension import Extension
from locust_cw._plugin.greenlets import spawn
from locust_cw._plugin.run import RunOutcome, TestRun
from locust_cw._settings.names import targets_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust_cw._settings.table import Options

# Each update reads and writes the whole dashboard.
_ADDITIONS_EVERY_S = 10.0
_LAST_CALL_TIMEOUT_S = 5.0

logger = logging.getLogger("locust_cw")


def create(options: Options) -> DashboardMarks:
    """The extension of a run."""
    return DashboardMarks(options)


class DashboardMarks(Extension[TestRun]):
    """Marks a run on its dashboard, beside the load."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._name = options.dashboard
        self._url: str | None = None
        self._dashboard: Dashboard | None = None
        self._calls: list[gevent.Greenlet[..., None]] = []
        self._shown: tuple[list[tuple[float, str]], list[CustomMetric]] = ([], [])
        self._due = 0.0

    def dashboard(self, run: TestRun) -> tuple[str | None, str | None]:
        """Name and URL. The name is known before there is a dashboard, for links to it."""
        return self._name, at_times(self._url, run.times.started, run.times.stopped)

    @property
    def is_busy(self) -> bool:
        """Whether a call is under way."""
        return not all(call.dead for call in self._calls)

    def cancel(self) -> None:
        """The last mark is waited for."""

    def on_start(self, run: TestRun) -> None:
        """Create or update the dashboard."""
        self._call(self._create, run)

    def _create(self, run: TestRun) -> None:
        account = Account(self._options.core, gevent.sleep)
        region = account.region()
        if region is None:
            logger.warning(
                "locust-cw did not create a dashboard: no AWS region is configured. Set --cw-region or AWS_REGION."
            )
            self._name = None
            return
        name = self._name or ""
        view = View.of(self._options.core, region=region, host=run.host, targets=targets_of(self._options["target"]))
        self._dashboard = Dashboard(account, name, view, run.run_id)
        self._url = link_to_dashboard(account.destination(), name)
        # To resolve the region may take seconds, in which the test has gone on.
        self.on_ramp_up_complete(run)
        self.on_stop(run)
        self._dashboard.begin(run.times.started)

    def on_ramp_up_complete(self, run: TestRun) -> None:
        """Mark the end of the ramp-up."""
        if self._dashboard is not None and run.times.ramped_up is not None:
            self._call(self._dashboard.ramped_up, run.times.ramped_up)

    def on_stop(self, run: TestRun) -> None:
        """Mark the stop."""
        if self._dashboard is not None and run.times.stopped is not None:
            reason = run.reason if run.outcome is RunOutcome.STOPPED_BY_ALARM else None
            self._call(self._dashboard.stopped, run.times.stopped, reason)

    def on_tick(self, run: TestRun) -> None:
        """Show what users have added: their marks and custom metrics. During the test, not in every second."""
        if not run.is_under_way or time.monotonic() >= self._due:
            self._show_additions(run)

    def on_finished(self, run: TestRun, receipt: _core.Receipt, remarks: list[str]) -> None:
        """Show what the last reports of workers have added."""
        del receipt, remarks
        self._show_additions(run)
        gevent.joinall(self._calls, timeout=_LAST_CALL_TIMEOUT_S)

    def _show_additions(self, run: TestRun) -> None:
        statistics = run.publisher.statistics
        additions = statistics.marks, [CustomMetric.of(metric) for metric in statistics.custom_metrics]
        if self._dashboard is not None and additions != self._shown:
            self._shown, self._due = additions, time.monotonic() + _ADDITIONS_EVERY_S
            self._call(self._dashboard.add, *additions)

    def _call(self, function: Callable[..., None], *args: object) -> None:
        """Call in a greenlet, which must not delay the load."""

        def call() -> None:
            try:
                function(*args)
            except _core.AwsError as error:
                logger.warning("locust-cw could not update the dashboard: %s", error.message)
            except DashboardError as error:
                logger.warning("locust-cw could not update the dashboard: %s", error)

        self._calls.append(spawn(call))
