"""The clocks of the workers, compared with that of the master: checks judge by the second."""

from __future__ import annotations

import logging
import math
import time

logger = logging.getLogger("locust_cw")

# Clocks that differ by less are synchronized. A message also takes some time.
_MIN_OFFSET_S = 2.0
_WARN_FROM_S = 10.0


class WorkerClocks:
    """How far the clock of each worker is behind that of this process."""

    def __init__(self) -> None:
        # The smallest difference between the time of receipt and that of sending is the one with the shortest delay.
        self._differences: dict[str, float] = {}
        self._warned: set[str] = set()

    def note(self, client_id: str, sent_at: float, *, publishes: bool) -> None:
        """Note the time at which a worker sent the message that has just arrived, by its clock.

        If the worker `publishes`, its metrics and log events have that clock's time, which is a warning.
        """
        known = self._differences.get(client_id, math.inf)
        self._differences[client_id] = min(known, time.time() - sent_at)
        offset = self.offset_of(client_id)
        if publishes and abs(offset) >= _WARN_FROM_S and client_id not in self._warned:
            self._warned.add(client_id)
            logger.warning(
                "The clock of worker %s is %d s %s that of the master. Checks correct this, but the metrics and log"
                " events of the worker have wrong times: synchronize the clocks of all machines.",
                client_id,
                abs(offset),
                "behind" if offset > 0 else "ahead of",
            )

    def offset_of(self, client_id: str) -> int:
        """How many seconds a worker's clock is behind that of this process; 0 if the clocks are synchronized."""
        difference = self._differences.get(client_id, 0.0)
        return round(difference) if abs(difference) >= _MIN_OFFSET_S else 0
