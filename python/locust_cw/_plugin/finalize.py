"""The end of a run: its receipt, which this process shows or hands over to its master."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from locust_cw._plugin import locust_adapter
from locust_cw._plugin.extension import Background, Judge, load
from locust_cw._plugin.locust_adapter import Role
from locust_cw._plugin.session_end import FinishedRun

if TYPE_CHECKING:
    from locust_cw import _core
    from locust_cw._plugin.drain_wait import DrainWait
    from locust_cw._plugin.process_role import ProcessRole
    from locust_cw._plugin.run import TestRun

_POLL_S = 0.05
# How long the receipt waits for extensions such as the dashboard's last mark.
_BACKGROUND_TIMEOUT_S = 10.0


def finish_run(run: TestRun, process_role: ProcessRole, wait: DrainWait) -> tuple[FinishedRun, bool]:
    """Make the receipt of a run. The second result is whether this process has shown it, and not its master."""
    _wait_for_background(run, wait)
    receipt, remarks = build_receipt(run, process_role)
    run.log_messages()
    finished = FinishedRun(run.times.started, receipt, remarks)
    if process_role.hand_over(run, receipt, remarks):
        return finished, False
    load("record").of(run, process_role).finish(receipt)
    load("receipt").create(run.options).on_finished(run, receipt, remarks)
    if receipt.checks or run.options["baseline"]:
        load("check_output").create(run.options).on_finished(run, receipt, remarks)
    for extension in run.extensions:
        extension.on_finished(run, receipt, remarks)
    return finished, True


def build_receipt(run: TestRun, process_role: ProcessRole) -> tuple[_core.Receipt, list[str]]:
    """End the publisher. The second result is lines for the receipt's text."""
    reports, remarks, are_complete = process_role.worker_reports(run)
    if run.stop_reason is not None:
        remarks.append(run.stop_reason)
    if ignored := run.publisher.ignored:
        remarks.append(f"{ignored:,} values of custom metrics or marks were ignored: the log has the reason")
    is_worker = locust_adapter.role_of(run.environment) is Role.WORKER
    is_dry_run_of_master = bool(locust_adapter.sent_by_master(run.environment, "dry_run"))
    if is_worker and run.options.own["dry_run"] and not is_dry_run_of_master:
        remarks.append("opted out with --cw-dry-run: its results are in its spool and were not sent")
    receipt = run.publisher.finish(
        # A worker's own totals are reset at each report.
        locust_totals=None if is_worker else run.totals.counts,
        workers=reports,
        lacks_reports=not are_complete,
        dashboard_url=run.dashboard[1],
        stop_reason=run.stop_reason,
        checks=_check_results(run),
    )
    return receipt, remarks


def _check_results(run: TestRun) -> list[_core.CheckResult]:
    """The results of the run's checks. A worker that shows the receipt itself cannot judge the run."""
    for extension in run.extensions:
        if isinstance(extension, Judge):
            return extension.results()
    return run.publisher.statistics.undecided_results("this worker does not know the requests of the other workers")


def _wait_for_background(run: TestRun, wait: DrainWait) -> None:
    busy = [extension for extension in run.extensions if isinstance(extension, Background)]
    deadline = time.monotonic() + _BACKGROUND_TIMEOUT_S
    while any(each.is_busy for each in busy) and not wait.given_up and time.monotonic() < deadline:
        wait.sleep(_POLL_S)
