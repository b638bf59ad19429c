"""The start of a test that has to wait: its extensions may refuse it before there are users."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from weakref import ref

import gevent

from locust_cw._plugin import locust_adapter
from locust_cw._plugin.extension import Preflight, Refusable
from locust_cw._plugin.locust_adapter import Role
from locust_cw._plugin.locust_end import set_around_stop
from locust_cw._plugin.run import RunOutcome, RunPhase, TestRun

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger("locust_cw")

JOIN_TIMEOUT_S = 35.0
"""A worker that refuses later than this has joined late: `--cw-strict` waits for 30 s, and its report takes time."""


def let_start(run: TestRun) -> None:
    """Wait until the run's extensions allow its start.

    Raises:
        gevent.GreenletExit: If it is refused, to end the greenlet that is about to spawn users.

    """
    _watch_stops(run)
    for extension in run.extensions:
        if isinstance(extension, Preflight):
            refusal = _wait_for(extension, run)
            if run.outcome is not RunOutcome.OK or not run.is_under_way:
                _spawn_no_users(run)
                return
            if refusal is not None:
                refuse(run, refusal)
                return


def _wait_for(extension: Preflight[TestRun], run: TestRun) -> str | None:
    run.refusal_if_stopped = f"{extension.reason}the test stopped before AWS responded. --run-time includes this wait."
    try:
        refusal = extension.check(run)
    except Exception:
        # Locust logs it and goes on.
        run.refusal_if_stopped, run.phase = None, RunPhase.RUNNING
        raise
    # If another start ends this greenlet, the reason stays: the run still waits, for that start.
    run.refusal_if_stopped = None
    return None if refusal is None else f"{extension.reason}{refusal}"


def refuse(run: TestRun, reason: str) -> None:
    """Do not start a test, and end it."""
    run.end_with(RunOutcome.REFUSED, reason, f"The test was not started: {reason}")
    for extension in run.extensions:
        if isinstance(extension, Refusable):
            extension.on_refused(run)
    locust_adapter.end_test(run.environment)
    _spawn_no_users(run)


def refuse_for_worker(run: TestRun, client_id: str, reason: str) -> None:
    """End a fleet's test that one of its workers has refused, unless that worker has joined late."""
    if time.time() - run.times.started > JOIN_TIMEOUT_S:
        message = f"Worker {client_id} did not join the test: {reason}"
        logger.error("%s", message)
        run.problem = message, time.time()
        return
    message = f"The test was stopped: worker {client_id} refused to start: {reason}"
    run.end_with(RunOutcome.REFUSED_BY_WORKER, reason, message)
    if run.is_under_way:
        locust_adapter.end_test(run.environment)


def _spawn_no_users(run: TestRun) -> None:
    if run.environment.runner is not None and locust_adapter.role_of(run.environment) is not Role.WORKER:
        # Ends the greenlet that is about to spawn users. Locust would log any other exception as an error.
        raise gevent.GreenletExit


def _watch_stops(run: TestRun) -> None:
    """Have the runner's `stop` end a run that waits: Locust's does nothing before there are users."""
    # The runner may outlive the run.
    watched = ref(run)

    @contextmanager
    def around_stop() -> Iterator[None]:
        current = watched()
        if current is not None and current.is_held:
            reason = current.refusal_if_stopped or ""
            current.end_with(RunOutcome.REFUSED, reason, f"The test was not started: {reason}")
        yield
        if current is not None and current.outcome is RunOutcome.REFUSED and current.is_under_way:
            current.stop()

    set_around_stop(run.environment, around_stop)
