"""The result of a comparison: numbers of CloudWatch next to those of the record, and whether they agree."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from locust_cw._runs.record import Record

PUBLISHED = ("requests", "log_events")
"""The groups of the receipt that are compared."""


@dataclass(frozen=True)
class Number:
    """A number of CloudWatch next to that of the record.

    Attributes:
        what: `RequestCount`, `FailureCount`, or the kind of log events.
        of: The dimensions of the series, or the name of the request.
        expected: What CloudWatch has if everything has arrived.
        held: What CloudWatch has.
        lacking: How many fewer than expected are correct: they were dropped, or CloudWatch rejected them.
        spare: How many more than expected are correct: copies, in calls that were repeated after no response.

    """

    what: str
    of: str
    expected: int
    held: int
    lacking: int = 0
    spare: int = 0

    @property
    def agrees(self) -> bool:
        """Whether CloudWatch has what it should have."""
        return self.expected - self.lacking <= self.held <= self.expected + self.spare


@dataclass(frozen=True)
class MetricsComparison:
    """The comparison of the metrics.

    Attributes:
        numbers: A number for each series and metric.
        series: How many series were compared.
        requests: How many requests CloudWatch has in these series.
        failures: How many of them failed.
        notes: What readers need to know about the numbers.

    """

    numbers: list[Number]
    series: int
    requests: int
    failures: int
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class LogsComparison:
    """The comparison of the log events.

    Attributes:
        numbers: The number of all log events, and those by outcome and name.
        events: How many log events CloudWatch has.
        notes: What readers need to know about the numbers.

    """

    numbers: list[Number] = field(default_factory=list)
    events: int = 0
    notes: list[str] = field(default_factory=list)


class Agreement(Enum):
    """What a comparison shows."""

    COMPLETE = auto()
    """CloudWatch and the receipt agree, and CloudWatch has everything that was observed."""
    INCOMPLETE = auto()
    """They agree, and CloudWatch does not have everything: some was dropped or rejected."""
    DIFFERENT = auto()
    """They differ."""


@dataclass(frozen=True)
class Comparison:
    """The comparison of a run.

    Attributes:
        record: The record of the run.
        metrics: The comparison of the metrics.
        logs: The comparison of the log events.

    """

    record: Record
    metrics: MetricsComparison
    logs: LogsComparison

    @property
    def numbers(self) -> list[Number]:
        """All numbers."""
        return self.metrics.numbers + self.logs.numbers

    @property
    def differing(self) -> list[Number]:
        """The numbers that do not agree."""
        return [number for number in self.numbers if not number.agrees]

    @property
    def agreement(self) -> Agreement:
        """What the comparison shows."""
        receipt = self.record.receipt
        if self.differing:
            return Agreement.DIFFERENT
        if any(receipt[group]["dropped"] for group in PUBLISHED):
            return Agreement.INCOMPLETE
        # A later replay may have delivered what CloudWatch rejected. Copies could hide that something is missing.
        all_held = not receipt["uncertain"] and all(number.held >= number.expected for number in self.numbers)
        return Agreement.COMPLETE if all_held or not self.lost else Agreement.INCOMPLETE

    @property
    def lost(self) -> dict[str, int]:
        """How many requests and log events were dropped or rejected, of the groups with any."""
        return {group: number for group in PUBLISHED if (number := lost_of(self.record, group))}


def lost_of(record: Record, group: str) -> int:
    """How many of a group of the receipt were dropped or rejected."""
    counts = record.receipt[group]
    return int(counts["dropped"] + counts["rejected"])
