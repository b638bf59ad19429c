"""The starts of an environment's tests: which start repeats the last one, and the run IDs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust_cw import _core

if TYPE_CHECKING:
    from locust_cw._settings.table import Options


class Starts:
    """The starts so far."""

    def __init__(self) -> None:
        self._last: object = None
        self._run_ids: set[str] = set()
        self._chosen: str | None = None
        self._assigned: str | None = None

    def record(self, host: str | None, options: Options) -> bool:
        """Record a start. Return whether the previous start had the same host and options."""
        before, self._last = self._last, (host, options.without_run_id)
        return before == self._last

    def next_run_id(self, given: str | None) -> str:
        """The ID of the next run. Each test is a run of its own: if the user has named the first, others get a number.

        Args:
            given: The option, which may still be the ID that the last run was assigned.

        """
        if given is None or given != self._assigned:
            self._chosen = given
        run_id = self._chosen or _core.new_run_id()
        number = 1
        while run_id in self._run_ids:
            number += 1
            suffix = f"-{number}"
            chosen = self._chosen
            run_id = f"{chosen[: _core.MAX_RUN_ID_CHARS - len(suffix)]}{suffix}" if chosen else _core.new_run_id()
        self._assigned = run_id
        return run_id

    def use(self, run_id: str) -> None:
        """A run has this ID."""
        self._run_ids.add(run_id)
