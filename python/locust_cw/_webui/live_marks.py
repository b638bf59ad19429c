"""The moments of a run that the live view marks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from locust_cw._terminal.redaction import redact

if TYPE_CHECKING:
    from locust_cw._plugin.run import TestRun


@dataclass(frozen=True)
class Mark:
    """A moment of a run.

    Attributes:
        time: Seconds since the epoch.
        label: What happened: one line of text.

    """

    time: float
    label: str


def marks_of(run: TestRun) -> list[Mark]:
    """The marks of a run so far, oldest first."""
    marks = [Mark(when, redact(" ".join(text.split()))) for when, text in run.publisher.statistics.marks]
    if run.times.ramped_up is not None:
        marks.append(Mark(run.times.ramped_up, "ramp-up complete"))
    if run.times.stopped is not None:
        reason = run.stop_reason
        marks.append(Mark(run.times.stopped, "stop" if reason is None else redact(" ".join(reason.split()))))
    return sorted(marks, key=lambda mark: mark.time)
