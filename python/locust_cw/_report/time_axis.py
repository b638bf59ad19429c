"""The time axis that all charts of a report share, and the moments that are marked on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from locust_cw._report.findings import Findings


MAX_USER_MARKS = 20
"""Most marks of users on an axis, the newest."""
_MAX_NAME_CHARS = 40
_MAX_NAME_ROWS = 4


@dataclass(frozen=True)
class Moment:
    """A moment of the run: seconds since the start, its name, and what kind of moment it is."""

    at: float
    name: str
    kind: Literal["of the run", "saturation", "mark"] = "of the run"


def marks_of_users(findings: Findings, last: float) -> list[Moment]:
    """The newest marks of `locust_cw.mark` up to the right end of the axis, with the beginning of their texts."""
    marks = [Moment(when - findings.started, shortened(text), "mark") for when, text in findings.record.marks]
    return [mark for mark in marks if 0 <= mark.at <= last][-MAX_USER_MARKS:]


def free_row(rows: list[list[tuple[float, float]]], taken: tuple[float, float]) -> int | None:
    """The first row of names with room for a range, which is added to it; None if there is none."""
    free = (row for row, others in enumerate(rows) if all(taken[1] <= a or b <= taken[0] for a, b in others))
    row = next(free, len(rows))
    if row == _MAX_NAME_ROWS:
        return None
    if row == len(rows):
        rows.append([])
    rows[row].append(taken)
    return row


def shortened(text: str) -> str:
    """The beginning of a text."""
    return text if len(text) <= _MAX_NAME_CHARS else f"{text[: _MAX_NAME_CHARS - 1].rstrip()}…"


@dataclass(frozen=True)
class TimeAxis:
    """Seconds since the start of the run.

    Attributes:
        started: The start, in seconds since the epoch.
        stopped: The stop, in seconds since the start.
        first: The left end.
        last: The right end.
        moments: The moments in the order of time.

    """

    started: float
    stopped: float
    first: float
    last: float
    moments: tuple[Moment, ...]

    @classmethod
    def of(cls, findings: Findings) -> TimeAxis:
        """The axis of a report."""
        length = findings.ended - findings.started
        margin = max(0.02 * length, 0.2)
        moments = [Moment(0.0, "start"), Moment(findings.seconds, "stop")]
        if findings.ramped_up is not None:
            moments.append(Moment(findings.ramped_up - findings.started, "ramp-up ends"))
        if findings.saturation.time is not None:
            moments.append(Moment(findings.saturation.time - findings.started, "target saturates", "saturation"))
        moments += marks_of_users(findings, length + margin)
        ordered = tuple(sorted(moments, key=lambda moment: moment.at))
        return cls(findings.started, findings.seconds, -margin, length + margin, ordered)

    @property
    def saturated(self) -> float | None:
        """When the target saturates."""
        return next((moment.at for moment in self.moments if moment.kind == "saturation"), None)
