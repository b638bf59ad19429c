"""How CloudWatch tells of metrics: for how long, how soon and how finely, and asking for values over a time.

In as few calls of GetMetricData as its limits allow.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from locust_cw._aws.targets import Metric

    Call = Callable[..., dict[str, Any]]
    Points = list[tuple[float, float]]

MAX_QUERIES = 500
"""Of one call of GetMetricData."""
MAX_POINTS = 100_800
"""That one call of GetMetricData answers with."""
FRESH_S = 15 * 60
"""For so long after its end a run may not be told of completely."""
LATE_S = 10
"""How long after the stop the last requests may have ended: the workers' clocks are not the master's."""

_HOUR, _DAY = 3600, 86_400
# The shortest period that CloudWatch keeps for data of some age (documentation of GetMetricData). Its limits less a
# margin: the question takes a while.
_KEPT = ((3 * _HOUR - 300, 1), (15 * _DAY - _HOUR, 60), (63 * _DAY - _HOUR, 300), (455 * _DAY - _HOUR, 3600))
_AWS_PERIOD = 60


def shortest_period(start: float, now: float, resolution: int = 1) -> int | None:
    """Seconds of the shortest period that CloudWatch still keeps for data from `start`; None if it keeps none."""
    for age, period in _KEPT:
        if now - start < age:
            return max(period, resolution)
    return None


def period_of(metric: Metric, period: int) -> int:
    """Seconds of the period in which to ask for a metric: AWS's services publish by the minute at the shortest."""
    return max(period, _AWS_PERIOD) if metric.namespace.startswith("AWS/") else period


def points(call: Call, metrics: Sequence[Metric], start: float, end: float, period: int) -> list[Points]:
    """Ask for metrics that are all in one region.

    Args:
        call: An account's.
        metrics: What is wanted.
        start: Seconds since the epoch.
        end: The same.
        period: Seconds.

    Returns:
        Of each metric, in their order, the beginnings of periods with their values; none where CloudWatch has nothing.

    Raises:
        AwsError: If AWS refused a call, or it did not reach it.

    """
    found: list[Points] = []
    for batch in _batches(metrics, start, end, period):
        queries = [_query(f"m{index}", metric, period) for index, metric in enumerate(batch)]
        output = call("GetMetricData", MetricDataQueries=queries, StartTime=start, EndTime=end)
        results = {result["Id"]: result for result in output["MetricDataResults"]}
        for index in range(len(batch)):
            result = results.get(f"m{index}", {})
            found.append(sorted(zip(result.get("Timestamps", ()), result.get("Values", ()), strict=True)))
    return found


def _batches(metrics: Sequence[Metric], start: float, end: float, period: int) -> Iterator[Sequence[Metric]]:
    each = math.ceil((end - start) / period) + 1
    size = max(1, min(MAX_QUERIES, MAX_POINTS // each))
    for index in range(0, len(metrics), size):
        yield metrics[index : index + size]


def _query(query_id: str, metric: Metric, period: int) -> dict[str, Any]:
    return {
        "Id": query_id,
        "MetricStat": {
            "Metric": {
                "Namespace": metric.namespace,
                "MetricName": metric.name,
                "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions],
            },
            "Period": period_of(metric, period),
            "Stat": metric.stat,
        },
    }
