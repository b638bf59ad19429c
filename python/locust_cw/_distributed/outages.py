"""What a master says of its workers' trouble: one line when it begins, and one when it is over for all of them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Workers report every three seconds: after that, all that are in the same trouble have told of it.
_TOLD_AFTER_S = 3.5


class WorkerOutages:
    """The trouble of the workers of one run."""

    def __init__(self) -> None:
        """There is none."""
        self._since: float | None = None
        self._told = False
        self._reason = ""
        self._failed: set[str] = set()

    def news(self, troubles: Mapping[str, str | None], now: float) -> tuple[int, str] | None:
        """What is to be logged, and its level; None where there is nothing new.

        Args:
            troubles: By worker, why its calls fail; empty where that is not known, None where they do not. Whoever
                vanished, or is in another run by now, is left out.
            now: Seconds, by any clock that never goes back.

        """
        failing = {worker: why for worker, why in troubles.items() if why is not None}
        if not failing:
            told, begun = self._told, self._since
            who = "All workers" if self._failed <= troubles.keys() else "All workers that are left"
            self._since, self._told, self._reason, self._failed = None, False, "", set()
            if not told or begun is None or not troubles:
                # Where nobody is left, nobody publishes.
                return None
            return logging.INFO, f"{who} publish again, after {now - begun:.0f} s."
        if self._since is None:
            self._since = now
        self._failed |= failing.keys()
        self._reason = self._reason or next((f"{worker}: {why}" for worker, why in failing.items() if why), "")
        if self._told or not self._reason or now - self._since < _TOLD_AFTER_S:
            return None
        self._told = True
        return logging.WARNING, f"{len(failing)} of {len(troubles)} workers cannot publish at present. {self._reason}"
