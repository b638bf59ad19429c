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
# How long workers may still report after their users have stopped. They report every three seconds, or later on a busy
# machine.
_REPORTS_TIMEOUT_S = 10.0


def process_role_of(run: TestRun) -> ProcessRole:
    """The role of this process."""
    return next(extension for extension in run.extensions if isinstance(extension, ProcessRole))


def await_requests(run: TestRun, until: float, is_over: Callable[[], bool]) -> None:
    """Wait, for a bounded time, until all requests that ended before `until` are counted, or `is_over` returns true."""
    role = process_role_of(run)
    deadline = time.monotonic() + locust_adapter.stop_timeout(run.environment) + _REPORTS_TIMEOUT_S
    while not is_over() and time.monotonic() < deadline and not role.has_all_requests(run, until):
        gevent.sleep(POLL_S)
