"""The time axis that all charts of a report share, and the moments that are marked on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from locust_cw._report.findings import Findings


@dataclass(frozen=True)
class Moment:
    """A moment of the run: seconds since the start, and its name."""

    at: float
    name: str
    is_saturation: bool = False


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
            moments.append(Moment(findings.saturation.time - findings.started, "target saturates", is_saturation=True))
        ordered = tuple(sorted(moments, key=lambda moment: moment.at))
        return cls(findings.started, findings.seconds, -margin, length + margin, ordered)

    @property
    def saturated(self) -> float | None:
        """When the target saturates."""
        return next((moment.at for moment in self.moments if moment.is_saturation), None)
