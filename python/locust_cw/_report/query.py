"""Reading metrics of a time from CloudWatch as series, and the period in which to read them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from locust_cw._aws.metric_data import period_of, points
from locust_cw._report.series import Series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locust_cw._aws.graph_metric import Metric
    from locust_cw._aws.metric_data import Call, Points

MAX_LINE_POINTS = 1200
"""Most points of a line in a chart. More could not be distinguished."""
PERIODS = (1, 5, 10, 30, 60, 300, 900, 3600)
"""Seconds. CloudWatch has those below a minute for high-resolution metrics only."""


def chart_period(start: float, end: float, shortest: int) -> int:
    """Seconds of the period of a chart from `start` to `end`."""
    possible = [period for period in PERIODS if period >= shortest]
    return next((period for period in possible if (end - start) / period <= MAX_LINE_POINTS), possible[-1])


def fetch(call: Call, metrics: Sequence[Metric], start: float, end: float, period: int) -> list[Series]:
    """Read metrics as `points` does.

    Returns:
        A series for each metric, in the given order; empty if CloudWatch has no data.

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
        # The gap before the first value is unknown: most likely it is as long as the next one.
        gaps = [gaps[0] if gaps else period, *gaps]
        values = tuple(value / gap for value, gap in zip(values, gaps, strict=False))
    return Series(times, values, period)
