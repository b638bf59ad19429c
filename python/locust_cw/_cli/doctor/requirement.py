"""What checks depend on, and which of it is not available."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Requirement(Enum):
    """Something that an earlier check finds."""

    REGION = auto()
    ANY_ENDPOINT = auto()
    """At least one endpoint can be reached."""
    CREDENTIALS = auto()
    METRICS_ENDPOINT = auto()
    LOGS_ENDPOINT = auto()


class Requirements:
    """The requirements that are not met, each with the reason."""

    def __init__(self) -> None:
        """Everything counts as available until a check fails."""
        self._unmet: dict[Requirement, str] = {}

    def fail(self, requirement: Requirement, reason: str) -> None:
        """Note that a requirement is not met."""
        self._unmet[requirement] = reason

    def reason_to_skip(self, needed: Iterable[Requirement]) -> str | None:
        """The reason why a check that needs these cannot be made; None if it can."""
        return next((self._unmet[each] for each in needed if each in self._unmet), None)
