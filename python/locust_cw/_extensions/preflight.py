"""What keeps a test from running in vain or too long: `--cw-strict` and `--cw-stop-on-alarm`."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import gevent

from locust_cw._aws.alarms import LOOK_EVERY_S, AlarmError
from locust_cw._distributed.registry import is_worker
from locust_cw._plugin.greenlets import spawn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from locust.env import Environment

    from locust_cw._aws.alarms import Alarms
    from locust_cw._core import CallFailure
    from locust_cw._plugin.run import TestRun

logger = logging.getLogger("locust_cw")

_POLL_S = 0.05
_STRICT_TIMEOUT_S = 30.0
# How much later the master hears of a worker that has waited for so long.
_MARGIN_S = 5.0
# How often the alarms are asked for before the test is refused: one call may be throttled.
_ATTEMPTS = 3
_BETWEEN_ATTEMPTS_S = 1.0
_AS_STRICT = "as --cw-strict asks: "
_AS_UNWATCHED = "as its alarms cannot be watched: "


def refuse_unless_published(test: TestRun) -> None:
    """Let a test start only if AWS takes its first calls.

    Raises:
        gevent.GreenletExit: To end the greenlet that is about to spawn users.

    """
    with _before_users(test, _AS_STRICT):
        failures = _why_unpublished(test)
    if failures is None:
        return
    topics = {failure.topic for failure in failures[:1]}
    for message in test.publisher.diagnostics():
        # The reason is told with the refusal. What else has come up is not to be lost.
        if message.topic not in topics:
            logger.log(message.level, "%s", message.text)
    _refuse(test, f"{_AS_STRICT}{failures[0].message if failures else 'AWS did not answer.'}")


def _why_unpublished(test: TestRun) -> list[CallFailure] | None:
    """Wait for the first calls' answers; what failed, perhaps nothing, or None if AWS takes the calls."""
    publisher = test.publisher
    test.sample()
    publisher.flush()
    deadline = time.monotonic() + _STRICT_TIMEOUT_S
    while True:
        progress = publisher.progress()
        if progress.metrics_calls and (progress.logs_calls or not publisher.has_logs):
            return None
        # A retention stops no test: log events wait for a few tries of setting it, and then go without.
        failures = [failure for failure in progress.failures if failure.operation != "PutRetentionPolicy"]
        if refusals := [failure for failure in failures if failure.needs_action]:
            return refusals
        if time.monotonic() > deadline:
            if progress.metrics_calls and progress.failures and not failures:
                return None
            return failures
        gevent.sleep(_POLL_S)


def watch_alarms(test: TestRun, alarms: Alarms) -> None:
    """Let a test start only if its alarms can be watched, and stop it when one of them goes off.

    Raises:
        gevent.GreenletExit: To end the greenlet that is about to spawn users.

    """
    with _before_users(test, _AS_UNWATCHED):
        reason = _why_unwatched(alarms)
    if reason is None:
        spawn(_stop_on_alarm, test, alarms)
    else:
        _refuse(test, f"{_AS_UNWATCHED}{reason}")


def _why_unwatched(alarms: Alarms) -> str | None:
    """Ask for the alarms' states; what went wrong, if anything did."""
    reason = None
    for attempt in range(_ATTEMPTS):
        if attempt:
            gevent.sleep(_BETWEEN_ATTEMPTS_S)
        try:
            alarms.check()
        except AlarmError as error:
            reason = str(error)
        else:
            return None
    return reason


def _stop_on_alarm(test: TestRun, alarms: Alarms) -> None:
    while test.is_under_way:
        gevent.sleep(LOOK_EVERY_S)
        alarm = alarms.gone_off() if test.is_under_way else None
        if alarm is not None and test.is_under_way:
            test.stop_reason = f"Stopped by alarm {alarm.name}: {alarm.reason}"
            logger.error("%s", test.stop_reason)
            test.environment.process_exit_code = 1
            test.publisher.event("alarm", {"alarm_name": alarm.name, "reason": alarm.reason})
            _stop(test.environment)
            return


@contextmanager
def _before_users(test: TestRun, why: str) -> Iterator[None]:
    """Have a test that is stopped while it waits for AWS count as refused: it has made no request."""
    test.refused_if_stopped = f"{why}it was stopped before AWS had answered. --run-time counts that wait."
    try:
        yield
    except Exception:
        # Locust logs it and goes on.
        test.refused_if_stopped = None
        raise
    # Not where another start has ended this greenlet: that one goes on in its place.
    if test.refusal is not None or not test.is_under_way:
        _spawn_no_users(test.environment)
    test.refused_if_stopped = None


def refuse_for_worker(test: TestRun, client_id: str, why: str) -> None:
    """End a fleet's test that one of its workers has refused, unless that one has come later."""
    if time.time() - test.started > _STRICT_TIMEOUT_S + _MARGIN_S:
        logger.error("Worker %s did not join the test, %s", client_id, why)
        test.problem = f"Worker {client_id} did not join the test, {why}", time.time()
        return
    test.refuse(why, worker=client_id)
    if test.is_under_way:
        _stop(test.environment)


def _refuse(test: TestRun, why: str) -> None:
    test.refuse(why)
    if is_worker(test.environment):
        # It ends the test of the whole fleet, which is for the master to tell.
        test.report_to_master()
    _stop(test.environment)
    _spawn_no_users(test.environment)


def _spawn_no_users(environment: Environment) -> None:
    if environment.runner is not None and not is_worker(environment):
        # Ends the greenlet that is about to spawn users. Locust takes any other exception for an error of ours.
        raise gevent.GreenletExit


def _stop(environment: Environment) -> None:
    """Have Locust end the test. Where there is a web UI, it stays."""
    if environment.runner is not None:
        keeps_web_ui = environment.web_ui is not None
        spawn(environment.runner.stop if keeps_web_ui else environment.runner.quit)
