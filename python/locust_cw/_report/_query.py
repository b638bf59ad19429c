"""What CloudWatch holds of some metrics over a time, asked in as few calls of GetMetricData as its limits allow."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from locust_cw._targets import Metric

    Call = Callable[..., dict[str, Any]]

MAX_QUERIES = 500
"""Of one call of GetMetricData."""
MAX_POINTS = 100_800
"""That one call of GetMetricData answers with."""
WANTED_POINTS = 1200
"""Of a line in a chart; more would not be seen."""
PERIODS = (1, 5, 10, 30, 60, 300, 900, 3600)
"""Seconds; those below a minute are CloudWatch's for metrics of high resolution."""

_HOUR, _DAY = 3600, 86_400
# The shortest period that CloudWatch keeps for data of some age (documentation of GetMetricData). Its limits less a
# margin: the question takes a while.
_KEPT = ((3 * _HOUR - 300, 1), (15 * _DAY - _HOUR, 60), (63 * _DAY - _HOUR, 300), (455 * _DAY - _HOUR, 3600))
_AWS_PERIOD = 60


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


def shortest_period(start: float, now: float, resolution: int = 1) -> int | None:
    """Seconds of the shortest period that CloudWatch still keeps for data from `start`; None if it keeps none."""
    for age, period in _KEPT:
        if now - start < age:
            return max(period, resolution)
    return None


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
        metrics: What is wanted; those of AWS's services are asked for by the minute at the shortest.
        start: Seconds since the epoch.
        end: The same.
        period: Seconds.

    Returns:
        A series for each metric, in their order; an empty one where CloudWatch has nothing.

    Raises:
        AwsError: If AWS refused a call, or it did not reach it.

    """
    found: list[Series] = []
    for batch in _batches(metrics, start, end, period):
        queries = [_query(f"m{index}", metric, period) for index, metric in enumerate(batch)]
        output = call("GetMetricData", MetricDataQueries=queries, StartTime=start, EndTime=end)
        results = {result["Id"]: result for result in output["MetricDataResults"]}
        for index, metric in enumerate(batch):
            result = results.get(f"m{index}", {})
            points = sorted(zip(result.get("Timestamps", ()), result.get("Values", ()), strict=True))
            found.append(_series(metric, points, _period_of(metric, period)))
    return found


def _batches(metrics: Sequence[Metric], start: float, end: float, period: int) -> Iterator[Sequence[Metric]]:
    points = math.ceil((end - start) / period) + 1
    size = max(1, min(MAX_QUERIES, MAX_POINTS // points))
    for index in range(0, len(metrics), size):
        yield metrics[index : index + size]


def _period_of(metric: Metric, period: int) -> int:
    return max(period, _AWS_PERIOD) if metric.namespace.startswith("AWS/") else period


def _query(query_id: str, metric: Metric, period: int) -> dict[str, Any]:
    return {
        "Id": query_id,
        "MetricStat": {
            "Metric": {
                "Namespace": metric.namespace,
                "MetricName": metric.name,
                "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions],
            },
            "Period": _period_of(metric, period),
            "Stat": metric.stat,
        },
    }


def _series(metric: Metric, points: Sequence[tuple[float, float]], period: int) -> Series:
    times = tuple(time for time, _ in points)
    values = tuple(value for _, value in points)
    if metric.divisor == "PERIOD":
        values = tuple(value / period for value in values)
    elif metric.divisor == "DIFF_TIME":
        gaps = [after - before for before, after in itertools.pairwise(times)]
        # Before the first there is none: most likely it is as long as the next.
        gaps = [gaps[0] if gaps else period, *gaps]
        values = tuple(value / gap for value, gap in zip(values, gaps, strict=False))
    return Series(times, values, period)


def for_command(error: Exception) -> str:
    """What an error says on one line, in the command's options instead of the test's."""
    return " ".join(str(error.args[0]).split()).replace("--cw-", "--")
