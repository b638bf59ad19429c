"""The dashboard of one run, which is marked while the run goes on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._dashboard.annotations import MAX_USER_MARKS, Event, Mark
from locust_cw._dashboard.client import put, save_queries
from locust_cw._dashboard.limits import DashboardError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locust_cw._aws.account import Account
    from locust_cw._dashboard.view import CustomMetric, View


class _State(Enum):
    IDLE = auto()
    WRITING = auto()
    """A call writes the dashboard, with all marks so far."""
    OUTDATED = auto()
    """A mark was added since that call began to write, so it will write again."""


@dataclass
class Dashboard:
    """The dashboard of one run.

    Each method reads the dashboard and writes it with all marks of the run so far, so the next call makes up for one
    that failed. A call during another one returns at once: the other call writes its mark too, even after a failure.

    Attributes:
        account: The account; its `sleep` lets other greenlets run.
        name: The name of the dashboard.
        view: What the dashboard shows.
        run_id: The run.

    """

    account: Account
    name: str
    view: View
    run_id: str
    _marks: list[Mark] = field(default_factory=list)
    _user_marks: list[Mark] = field(default_factory=list)
    _state: _State = _State.IDLE

    def begin(self, time: float) -> None:
        """Create or update the dashboard, mark the start, and save the queries.

        Raises:
            AwsError: If AWS refused a call, or a call did not reach AWS.
            DashboardError: If the dashboard cannot be put.

        """
        self._mark("start", time)
        save_queries(self.account, self.name, self.view)

    def ramped_up(self, time: float) -> None:
        """Mark the end of the ramp-up. Raises as `begin` does."""
        self._mark("ramped up", time)

    def stopped(self, time: float, reason: str | None = None) -> None:
        """Mark the stop, with the reason if there is one. Raises as `begin` does."""
        self._mark("stop", time, reason)

    def add(self, marks: Sequence[tuple[float, str]], metrics: Sequence[CustomMetric]) -> None:
        """Show all marks of users so far, and all custom metrics. Raises as `begin` does.

        Args:
            marks: Time and text of each mark, oldest first.
            metrics: The custom metrics.

        """
        self._user_marks = [Mark(self.run_id, "mark", time, text) for time, text in marks[-MAX_USER_MARKS:]]
        self.view = replace(self.view, custom_metrics=tuple(metrics))
        self._update()

    def _mark(self, event: Event, time: float, reason: str | None = None) -> None:
        self._marks.append(Mark(self.run_id, event, time, reason))
        self._update()

    def _update(self) -> None:
        if self._state is not _State.IDLE:
            self._state = _State.OUTDATED
            return
        try:
            self._write()
        finally:
            self._state = _State.IDLE

    def _write(self) -> None:
        self._state = _State.OUTDATED
        while self._state is _State.OUTDATED:
            self._state = _State.WRITING
            try:
                put(self.account, self.name, self.view, [*self._marks, *self._user_marks])
            except (_core.AwsError, DashboardError):
                # A caller that has added a mark in the meantime relies on this call.
                if self._state is not _State.OUTDATED:
                    raise
