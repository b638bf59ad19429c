"""The loop beside the load: gauges once a second, messages, and the end of a run that another one has replaced."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import gevent

from locust_cw._plugin.extension import Background, Judge, load
from locust_cw._plugin.gauges import count_users
from locust_cw._plugin.run import RunPhase, TestRun

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust_cw._plugin.process_role import ProcessRole
    from locust_cw._plugin.session_end import SessionEnd

logger = logging.getLogger("locust_cw")

_PERIOD_S = 1.0
_AFTER_FULL_SECOND_S = 0.03
_COUNT_USERS_EVERY_S = 0.1
# The modules that write the record are not loaded among the first requests.
_RECORD_AFTER_S = 5.0


def monitor_loop(run: TestRun, process_role: ProcessRole, end: SessionEnd, finish: Callable[[TestRun], None]) -> None:
    """Monitor a run until it has its receipt. A run that was replaced is finished as soon as it is delivered."""
    is_delivered, is_recorded = False, process_role.writes_record and run.options["record"] != "off"
    while run.phase is not RunPhase.FINALIZED:
        _sleep_until_next_second(run)
        if not run.is_attached:
            if not end.is_closing and _is_delivered(run, process_role):
                finish(run)
                return
        elif run.phase is RunPhase.STOPPED:
            # Requests may end after the test.
            run.snapshot_totals()
        else:
            run.gauges.sample(run.environment, run.publisher)
            if is_recorded and time.time() - run.times.started > _RECORD_AFTER_S:
                # In a thread, because greenlets would wait for an import.
                gevent.get_hub().threadpool.apply(load, ("record",)).of(run, process_role)
        for extension in run.extensions:
            extension.on_tick(run)
        run.log_messages()
        if run.times.stopped is not None and not is_delivered and _has_nothing_left(run, process_role):
            is_delivered = True
            logger.debug("CloudWatch has all of run %s", run.run_id)
            if is_recorded:
                # The receipt may take hours, as with a web UI; `verify` and `report` need the record now.
                load("record").of(run, process_role).request()


def _has_nothing_left(run: TestRun, process_role: ProcessRole) -> bool:
    """Whether everything is delivered so far, here and on the workers."""
    return not run.publisher.progress().left and not process_role.progress(run)[0]


def _sleep_until_next_second(run: TestRun) -> None:
    """Each second gets one sample, shortly after its start, so that the window before it can be closed."""
    due = time.time() // _PERIOD_S * _PERIOD_S + _PERIOD_S + _AFTER_FULL_SECOND_S
    # The clock may be set back meanwhile.
    while 0 < (left := due - time.time()) < 2 * _PERIOD_S:
        gevent.sleep(min(left, _COUNT_USERS_EVERY_S))
        if run.is_attached:
            count_users(run.environment, run.publisher)


def _is_delivered(run: TestRun, process_role: ProcessRole) -> bool:
    """Whether nothing of a detached run is left to wait for, here and on its workers."""
    progress = run.publisher.progress()
    is_settled = progress.over and (run.options["dry_run"] or not progress.left)
    is_busy = any(extension.is_busy for extension in run.extensions if isinstance(extension, Background))
    is_busy = is_busy or any(judge.is_judging for judge in run.extensions if isinstance(judge, Judge))
    return is_settled and not is_busy and process_role.has_all_last_reports(run)
