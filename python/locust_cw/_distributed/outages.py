"""The outages of a master's workers: one message when they start, and one when they have ended for all workers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Workers report every three seconds: after that, all workers in the same outage have reported it.
_LOG_AFTER_S = 3.5


class WorkerOutages:
    """The outages of the workers of one run."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._logged = False
        self._reason = ""
        self._failed: set[str] = set()

    def next_message(self, failures: Mapping[str, str | None], now: float) -> tuple[int, str] | None:
        """What is to be logged, with its level; None if there is nothing new.

        Args:
            failures: By worker, why its calls fail: empty if the reason is not known, None if they do not fail. It has
                no workers that have vanished, or are in another run by now.
            now: Seconds of any clock that is never set back.

        """
        failing = {worker: why for worker, why in failures.items() if why is not None}
        if not failing:
            return self._end(failures, now)
        if self._since is None:
            self._since = now
        self._failed |= failing.keys()
        self._reason = self._reason or next((f"{worker}: {why}" for worker, why in failing.items() if why), "")
        if self._logged or not self._reason or now - self._since < _LOG_AFTER_S:
            return None
        self._logged = True
        return logging.WARNING, f"{len(failing)} of {len(failures)} workers cannot publish. {self._reason}"

    def _end(self, failures: Mapping[str, str | None], now: float) -> tuple[int, str] | None:
        logged, since = self._logged, self._since
        workers = "All workers" if self._failed <= failures.keys() else "All remaining workers"
        self._since, self._logged, self._reason, self._failed = None, False, "", set()
        if not logged or since is None or not failures:
            # If no worker is left, none publishes.
            return None
        return logging.INFO, f"{workers} publish again after an outage of {now - since:.0f} s."
