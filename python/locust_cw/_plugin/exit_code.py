"""The exit code of the process, if it has to report more than Locust's."""

from __future__ import annotations

import logging
import sys
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust_cw import _core
    from locust_cw._plugin.run import TestRun

logger = logging.getLogger("locust_cw")


class ExitReason(Enum):
    """Why the process exits with another code than Locust's 0: the code and the message. The first one counts."""

    FAILED = 1, "Exit code 1: the test was not started, or an alarm stopped it"
    LOST = 1, "Exit code 1: some results were not delivered, and --cw-fail-on-loss is set"
    NOT_PASSED = 3, "Exit code 3: a check failed or is undecided"
    SLOWER = 3, "Exit code 3: the run is slower than its baseline"
    NOT_JUDGED = 3, "Exit code 3: the test was not judged"


def reasons_of(run: TestRun, receipt: _core.Receipt) -> set[ExitReason]:
    """The conditions that a run does not meet, and a loss if that counts."""
    found = {
        ExitReason.LOST: run.options["fail_on_loss"] and not receipt.complete,
        ExitReason.NOT_PASSED: not receipt.passed,
        ExitReason.SLOWER: run.is_slower,
    }
    return {reason for reason, applies in found.items() if applies}


def reasons_without_receipt(option: Callable[[str], object]) -> set[ExitReason]:
    """The reasons after a run of which nothing is known, by its options."""
    found = {
        ExitReason.LOST: option("fail_on_loss"),
        ExitReason.NOT_JUDGED: option("check") or option("baseline"),
    }
    return {reason for reason, applies in found.items() if applies}


def exit_with_failure(reasons: set[ExitReason], *, has_command_line: bool) -> None:
    """Exit with the code of the first reason, if there is one."""
    for reason in ExitReason:
        # A locustfile that sets the exit code by Locust's statistics does not know of a failure. A program decides by
        # itself.
        if reason in reasons and (has_command_line or reason is not ExitReason.FAILED):
            code, message = reason.value
            logger.error(message)
            sys.exit(code)
