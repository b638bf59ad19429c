"""Waiting for the results of a stopped test. With a web UI, its receipt may follow only hours later."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import gevent

from locust_cw._plugin import locust_adapter
from locust_cw._plugin.process_role import ProcessRole

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust_cw._plugin.run import TestRun

POLL_S = 0.1
# How long workers may still report after their users have stopped.
_REPORTS_TIMEOUT_S = 10.0


def role_of(run: TestRun) -> ProcessRole:
    """The role of this process."""
    return next(extension for extension in run.extensions if isinstance(extension, ProcessRole))


def await_requests(run: TestRun, is_over: Callable[[], bool]) -> None:
    """Wait, for a bounded time, until all requests of a stopped run are counted, or until `is_over` returns true."""
    role, stopped = role_of(run), run.times.stopped or time.time()
    deadline = time.monotonic() + locust_adapter.stop_timeout(run.environment) + _REPORTS_TIMEOUT_S
    while not is_over() and time.monotonic() < deadline and not role.has_all_requests(run, stopped):
        gevent.sleep(POLL_S)
