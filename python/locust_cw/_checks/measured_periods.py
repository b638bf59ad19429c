"""The periods of CloudWatch that a target check covers, and whether their data has arrived. It uses no clock.

AWS services publish a value per minute, one to three minutes late. A check covers the full clock minutes of the
measured time, as part of a minute would mix the load with the idle time before or after it. Only a test that contains
no full minute is judged on the minutes that it touches.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from locust_cw._aws.metric_data import FRESH_S

if TYPE_CHECKING:
    from collections.abc import Sequence

MINUTE_S = 60
"""Seconds between two values of AWS services."""
STABLE_AFTER_S = 60
"""Seconds from the end of a minute until its value no longer changes: AWS publishes it from several servers."""
LOOKBACK_S = 15 * 60
"""Seconds before the measured time in which values show how often a metric is published."""


@dataclass(frozen=True)
class MeasuredPeriods:
    """The time that a check covers, as CloudWatch divides time.

    Attributes:
        start: Seconds since the epoch: the start of the first period.
        end: The end of the last period.
        period: Seconds per period: a minute, or longer for a run for which CloudWatch no longer keeps one-minute data.

    """

    start: int
    end: int
    period: int

    @classmethod
    def of(cls, start: float, end: float, period: int) -> MeasuredPeriods:
        """The full periods from `start` to `end`, or all periods that it touches if none is full."""
        first, last = math.ceil(start / period) * period, math.floor(end / period) * period
        if first >= last:
            first, last = math.floor(start / period) * period, math.ceil(end / period) * period
        return cls(first, max(last, first + period), period)

    @property
    def seconds(self) -> int:
        """Its length."""
        return self.end - self.start

    def includes(self, time: float) -> bool:
        """Whether a period that starts at this time belongs to it."""
        return self.start <= time < self.end

    def is_complete(self, times: Sequence[float], now: float) -> bool:
        """Whether all data of this time has arrived.

        Args:
            times: The starts of all periods with data, in order, also before and after this time.
            now: Seconds since the epoch.

        """
        if now >= self.end + FRESH_S:
            return True
        # A value is missing at the end if the usual interval of the metric has elapsed without one.
        return bool(times) and times[-1] + 2 * self.interval(times) > self.end

    def interval(self, times: Sequence[float]) -> float:
        """Seconds between two values of a metric with data at these times."""
        gaps = [after - before for before, after in pairwise(times)]
        return statistics.median_low(gaps) if gaps else self.period
