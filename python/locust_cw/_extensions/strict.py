"""`--cw-strict`: a test starts only if AWS accepts its first calls."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import gevent

from locust_cw._plugin.extension import Extension
from locust_cw._plugin.run import TestRun

if TYPE_CHECKING:
    from locust_cw._core import CallFailure
    from locust_cw._settings.table import Options

logger = logging.getLogger("locust_cw")

_POLL_S = 0.05
_TIMEOUT_S = 30.0


def create(_options: Options) -> Strict:
    """The extension of a run."""
    return Strict()


class Strict(Extension[TestRun]):
    """Publishes the first gauges before there are users, and waits for the response."""

    reason = "--cw-strict requires a successful first call: "

    def check(self, run: TestRun) -> str | None:
        """Why the test may not start."""
        failures = _first_failures(run)
        if failures is None:
            return None
        topics = {failure.topic for failure in failures[:1]}
        for message in run.publisher.take_messages():
            # The refusal contains the reason. Other messages must not be lost.
            if message.topic not in topics:
                logger.log(message.level, "%s", message.text)
        return failures[0].message if failures else "AWS did not respond within 30 s."


def _first_failures(run: TestRun) -> list[CallFailure] | None:
    """Why the first calls failed, as far as it is known; None if AWS accepts them."""
    publisher = run.publisher
    run.gauges.sample(run.environment, publisher)
    publisher.flush()
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        progress = publisher.progress()
        if progress.metrics_calls and (progress.logs_calls or not publisher.has_logs):
            return None
        # A retention does not stop a test: log events wait for a few attempts to set it, and are then sent without.
        failures = [failure for failure in progress.call_failures if failure.operation != "PutRetentionPolicy"]
        if refusals := [failure for failure in failures if failure.needs_action]:
            return refusals
        if time.monotonic() > deadline:
            if progress.metrics_calls and progress.call_failures and not failures:
                return None
            return failures
        gevent.sleep(_POLL_S)
