"""The end of a session: runs that still need a receipt, and what the exit code has to report."""

from __future__ import annotations

import atexit
import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust.env import Environment

    from locust_cw import _core
    from locust_cw._plugin.exit_code import ExitReason
    from locust_cw._plugin.run import TestRun


class FinishedRun(NamedTuple):
    """The receipt of a run, when it started, and lines for the receipt's text."""

    started: float
    receipt: _core.Receipt
    remarks: list[str]


class SessionEnd:
    """What a session still has to do at its end.

    Attributes:
        runs: The runs without a receipt, oldest first.
        finished: The runs whose receipts `close` has not returned yet.
        exit_reasons: What the exit code has to report.
        is_closing: Whether the session is being closed.
        owner: The process that the runs are in.

    """

    def __init__(self) -> None:
        self.runs: list[TestRun] = []
        self.finished: list[FinishedRun] = []
        self.exit_reasons: set[ExitReason] = set()
        self.is_closing = False
        self.owner: int | None = None
        self._has_exit_listener = False

    @property
    def is_ours(self) -> bool:
        """Whether there may be something to do: a process that this one has forked leaves the runs alone."""
        return self.owner in (None, os.getpid())

    def expect(self, environment: Environment, at_exit: Callable[[], None], on_quit: Callable[..., None]) -> None:
        """Register for the end of the process."""
        if self.owner != os.getpid():
            self.owner = os.getpid()
            atexit.register(at_exit)
        if not self._has_exit_listener:
            self._has_exit_listener = True
            # The last of the listeners, because it may end the process.
            environment.events.quit.add_listener(on_quit)
