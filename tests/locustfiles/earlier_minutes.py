"""Checks of targets that may stop the test also read the minutes before it: AWS's services publish by the minute."""

from typing import Any

from locust_cw._checks.target_values import TargetChecks
from planned import Planned

EARLIER_S = 300

newest = TargetChecks.newest


def newest_and_earlier(checks: TargetChecks, start: float, now: float) -> Any:
    return newest(checks, start - EARLIER_S, now)


TargetChecks.newest = newest_and_earlier  # type: ignore[assignment,method-assign]

__all__ = ["Planned"]
