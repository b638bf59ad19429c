"""Reading metrics with GetMetricData, in as few calls as its limits allow, and how long CloudWatch keeps them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from locust_cw._aws.graph_metric import Metric

    Call = Callable[..., dict[str, Any]]
    AccountOf = Callable[[str | None], Call]
    """From a region, or None for the region of the run, to the method `call` of the account there."""
    Points = list[tuple[float, float]]

MAX_QUERIES = 500
"""Most queries of one call of GetMetricData."""
MAX_POINTS = 100_800
"""Most data points in the response to one call of GetMetricData."""
FRESH_S = 15 * 60
"""For this long after a run, CloudWatch may not return all of its data yet."""
LATE_S = 10
"""For this long after the stop, requests of the run may have ended: the workers' clocks differ from the master's."""

_HOUR, _DAY = 3600, 86_400
# The age up to which CloudWatch keeps data of each period (documentation of GetMetricData), less a margin for the time
# that the call takes.
_RETENTION = ((3 * _HOUR - 300, 1), (15 * _DAY - _HOUR, 60), (63 * _DAY - _HOUR, 300), (455 * _DAY - _HOUR, 3600))
_AWS_PERIOD_S = 60


def shortest_period(start: float, now: float, resolution: int = 1) -> int | None:
    """Seconds of the shortest period that CloudWatch still keeps for data from `start`; None if it keeps none."""
    for age, period in _RETENTION:
        if now - start < age:
            return max(period, resolution)
    return None


def period_of(metric: Metric, period: int) -> int:
    """Seconds of the period to request for a metric: AWS services publish once a minute at most."""
    return max(period, _AWS_PERIOD_S) if metric.namespace.startswith("AWS/") else period


def whole_period(start: float, end: float, shortest: int) -> int:
    """Seconds of one period that contains the time from `start` to `end`.

    Percentiles of parts cannot be combined, so those of a whole run need one period for all of it. CloudWatch may align
    the period with `start` or with the epoch.
    """
    unit = max(60, shortest)
    period = max(1, math.ceil((end - start // unit * unit) / unit)) * unit
    while start // period != (end - 0.001) // period:
        period += unit
    return period


def points(call: Call, metrics: Sequence[Metric], start: float, end: float, period: int) -> list[Points]:
    """Read metrics that are all in one region.

    Args:
        call: The method `call` of an account in that region.
        metrics: The metrics to read.
        start: Seconds since the epoch.
        end: Seconds since the epoch.
        period: Seconds.

    Returns:
        For each metric, in the given order, the start of each period with data and its value.

    Raises:
        AwsError: If AWS refused a call, or the call did not reach AWS.

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


def points_by_metric(
    account_of: AccountOf, metrics: Iterable[Metric], start: float, end: float, period: int
) -> dict[Metric, Points]:
    """Read metrics of any region, each of them once.

    Args:
        account_of: The accounts, by region.
        metrics: The metrics to read.
        start: Seconds since the epoch.
        end: Seconds since the epoch.
        period: Seconds.

    Returns:
        For each metric, the start of each period with data and its value.

    Raises:
        AwsError: If AWS refused a call, or the call did not reach AWS.

    """
    by_region: dict[str | None, dict[Metric, None]] = {}
    for metric in metrics:
        by_region.setdefault(metric.region, {})[metric] = None
    found: dict[Metric, Points] = {}
    for region, here in by_region.items():
        found.update(zip(here, points(account_of(region), list(here), start, end, period), strict=True))
    return found


def _batches(metrics: Sequence[Metric], start: float, end: float, period: int) -> Iterator[Sequence[Metric]]:
    points_each = math.ceil((end - start) / period) + 1
    size = max(1, min(MAX_QUERIES, MAX_POINTS // points_each))
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
