"""What CloudWatch holds of some metrics over a time, as lines in a chart."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from locust_cw._aws.metric_data import period_of, points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locust_cw._aws.metric_data import Call, Points
    from locust_cw._aws.targets import Metric

WANTED_POINTS = 1200
"""Of a line in a chart; more would not be seen."""
PERIODS = (1, 5, 10, 30, 60, 300, 900, 3600)
"""Seconds; those below a minute are CloudWatch's for metrics of high resolution."""


@dataclass(frozen=True)
class Series:
    """Values of a metric in the order of time.

    Attributes:
        times: The beginning of each period, in seconds since the epoch.
        values: As many.
        period: Seconds.

    """

    times: tuple[float, ...]
    values: tuple[float, ...]
    period: int

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.times)


def chart_period(start: float, end: float, shortest: int) -> int:
    """Seconds of the period in which a chart from `start` to `end` is drawn."""
    fitting = [period for period in PERIODS if period >= shortest]
    return next((period for period in fitting if (end - start) / period <= WANTED_POINTS), fitting[-1])


def whole_period(start: float, end: float, shortest: int) -> int:
    """Seconds of a period that holds all from `start` to `end`, wherever CloudWatch begins to count.

    Percentiles cannot be added up: to have those of a whole run, it must be one period. It may be counted from `start`
    or from the epoch.
    """
    unit = max(60, shortest)
    period = max(1, math.ceil((end - start // unit * unit) / unit)) * unit
    while start // period != (end - 0.001) // period:
        period += unit
    return period


def fetch(call: Call, metrics: Sequence[Metric], start: float, end: float, period: int) -> list[Series]:
    """Ask for metrics that are all in one region.

    Args:
        call: An account's.
        metrics: What is wanted.
        start: Seconds since the epoch.
        end: The same.
        period: Seconds.

    Returns:
        A series for each metric, in their order; an empty one where CloudWatch has nothing.

    Raises:
        AwsError: If AWS refused a call, or it did not reach it.

    """
    found = points(call, metrics, start, end, period)
    return [_series(metric, each, period_of(metric, period)) for metric, each in zip(metrics, found, strict=True)]


def _series(metric: Metric, found: Points, period: int) -> Series:
    times = tuple(time for time, _ in found)
    values = tuple(value for _, value in found)
    if metric.divisor == "PERIOD":
        values = tuple(value / period for value in values)
    elif metric.divisor == "DIFF_TIME":
        gaps = [after - before for before, after in itertools.pairwise(times)]
        # Before the first there is none: most likely it is as long as the next.
        gaps = [gaps[0] if gaps else period, *gaps]
        values = tuple(value / gap for value, gap in zip(values, gaps, strict=False))
    return Series(times, values, period)
