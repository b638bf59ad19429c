"""Custom metrics and marks in a worker whose master publishes: they are sent with Locust's reports."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._distributed import messages
from locust_cw._plugin import locust_fleet
from locust_cw._plugin.run import Times

if TYPE_CHECKING:
    from locust.env import Environment

    from locust_cw._settings.table import Options

logger = logging.getLogger("locust_cw")


class CustomForwarder:
    """Sends what the tasks and hooks of a test record in this process to the master.

    Attributes:
        run_id: The master's run.
        times: When the test started and stopped.
        collector: Takes the values until the next report.

    """

    def __init__(self, environment: Environment, options: Options) -> None:
        self.run_id: str = options["run_id"]
        self.times = Times()
        self.collector = _core.CustomCollector(options.core)
        self._environment = environment
        environment.events.test_stop.add_listener(self._note_stop)

    def _note_stop(self, **_kwargs: object) -> None:
        self.times.stopped = time.time()
        # Locust's next report comes up to three seconds later. The master may have started another test by then.
        if (message := self.take_message()) is not None:
            locust_fleet.send(self._environment, message)

    def resume(self) -> None:
        """Continue after the worker had lost the connection to its master, and Locust had stopped the test."""
        self.times.stopped = None

    def take_message(self) -> dict[str, Any] | None:
        """What was recorded since the last report; None if nothing was recorded."""
        for message in self.collector.take_messages():
            logger.log(message.level, "%s", message.text)
        report = self.collector.take_report()
        return None if report is None else messages.custom_report(self.run_id, report)

    def end(self) -> dict[str, Any] | None:
        """Stop listening, because another test starts, and return the last report."""
        self._environment.events.test_stop.remove_listener(self._note_stop)
        return self.take_message()
