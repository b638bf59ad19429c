"""The end of a session: runs that still need a receipt, and the exit code."""

from __future__ import annotations

import atexit
import logging
import os
import sys
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust.env import Environment

    from locust_cw import _core
    from locust_cw._plugin.run import TestRun

logger = logging.getLogger("locust_cw")


class ExitReason(Enum):
    """Why the process exits with another code than Locust's 0: the code and the reason. The first one counts."""

    FAILED = 1, "the test was not started, or an alarm stopped it"
    LOST = 1, "some results were not delivered, and --cw-fail-on-loss is set"
    NOT_JUDGED = 3, "the test was not judged"
    NOT_PASSED = 3, "a check failed or is undecided"
    SLOWER = 3, "the run is slower than its baseline"


def reasons_without_receipt(option: Callable[[str], object]) -> set[ExitReason]:
    """The reasons after a run of which nothing is known, by its options."""
    is_judged = option("check") or option("baseline")
    return {*([ExitReason.LOST] if option("fail_on_loss") else []), *([ExitReason.NOT_JUDGED] if is_judged else [])}


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

    def exit_with_failure(self, *, has_command_line: bool) -> None:
        """Exit with the code of the first reason, if there is one; Locust exits with 0."""
        for reason in ExitReason:
            # A locustfile that sets the exit code by Locust's statistics does not know of a failure. A program decides
            # by itself.
            if reason in self.exit_reasons and (has_command_line or reason is not ExitReason.FAILED):
                code, message = reason.value
                logger.error("Exit code %d: %s", code, message)
                sys.exit(code)
