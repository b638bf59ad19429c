"""The outages of a master's workers: one message when they start, and one when they have ended for all workers."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Workers report every three seconds: after that, all workers in the same outage have reported it.
_LOG_AFTER_S = 3.5


@dataclass
class _Outage:
    """An outage under way: when it started, the workers whose calls failed in it, why, and whether it is logged."""

    since: float
    failed: set[str] = field(default_factory=set)
    reason: str = ""
    is_logged: bool = False


class WorkerOutages:
    """The outages of the workers of one run."""

    def __init__(self) -> None:
        self._outage: _Outage | None = None

    def next_message(self, failures: Mapping[str, str | None], now: float) -> tuple[int, str] | None:
        """What is to be logged, with its level; None if there is nothing new.

        Args:
            failures: By worker, why its calls fail: empty if the reason is not known, None if they do not fail. It has
                no workers that have vanished, or are in another run by now.
            now: Seconds of any clock that is never set back.

        """
        failing = {worker: why for worker, why in failures.items() if why is not None}
        if not failing:
            ended, self._outage = self._outage, None
            # If no worker is left, none publishes.
            return _end_message(ended, failures, now) if ended and ended.is_logged and failures else None
        outage = self._outage = self._outage or _Outage(now)
        outage.failed |= failing.keys()
        outage.reason = outage.reason or next((f"{worker}: {why}" for worker, why in failing.items() if why), "")
        if outage.is_logged or not outage.reason or now - outage.since < _LOG_AFTER_S:
            return None
        outage.is_logged = True
        return logging.WARNING, f"{len(failing)} of {len(failures)} workers cannot publish. {outage.reason}"


def _end_message(outage: _Outage, failures: Mapping[str, str | None], now: float) -> tuple[int, str]:
    workers = "All workers" if outage.failed <= failures.keys() else "All remaining workers"
    return logging.INFO, f"{workers} publish again after an outage of {now - outage.since:.0f} s."
