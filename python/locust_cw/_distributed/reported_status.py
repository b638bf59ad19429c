"""What is known of one process of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from locust_cw._core import StatusReport


class ReportedStatus(NamedTuple):
    """What is known of one process of a run.

    Attributes:
        report: Its last report.
        vanished: Whether it has not reported for too long.

    """

    report: StatusReport
    vanished: bool = False
