"""The table of requests: all of them, each host if there are several, and each name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from locust_cw._aws.metric_data import LATE_S, whole_period
from locust_cw._report.findings import PERCENTILES, Row
from locust_cw._report.query import fetch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from locust_cw._report.run_metrics import RunMetrics
    from locust_cw._report.series import Series

_STATISTICS = (*PERCENTILES, "Sum", "SampleCount")


def request_table(run: RunMetrics) -> tuple[Row, list[Row]]:
    """The row of all requests, and the other rows.

    Raises:
        AwsError: If AWS refused a call, or the call did not reach AWS.

    """
    names = [series for series in run.record.series if series not in run.hosts]
    ordered = [*run.hosts, *sorted(names, key=lambda series: -series["requests"])]
    found = _read(run, ordered)
    rows = [_row(run, series, statistics) for series, statistics in zip(ordered, found, strict=True)]
    hosts, rest = rows[: len(run.hosts)], rows[len(run.hosts) :]
    if len(hosts) == 1:
        return hosts[0], rest
    return _total(run, hosts, found[: len(hosts)]), hosts + rest


def _read(run: RunMetrics, requested: Sequence[Mapping[str, Any]]) -> list[list[Series]]:
    """The statistics of each series, in the order of `_STATISTICS`."""
    start = run.record.started // run.resolution * run.resolution
    end = run.stopped + LATE_S
    metrics = [
        run.metric("ResponseTime_ms", stat, series["dimensions"]) for series in requested for stat in _STATISTICS
    ]
    found = fetch(run.call, metrics, start, end, whole_period(start, end, run.shortest))
    width = len(_STATISTICS)
    return [found[index : index + width] for index in range(0, len(found), width)]


def _row(run: RunMetrics, series: Mapping[str, Any], statistics: Sequence[Series]) -> Row:
    *percentiles, duration, count = (part.values[-1] if part else None for part in statistics)
    dimensions = series["dimensions"]
    return Row(
        name=dimensions.get("Request", ""),
        method=dimensions.get("Method", ""),
        host=dimensions.get("Host", ""),
        requests=series["requests"],
        failures=series["failures"],
        requests_per_s=series["requests"] / run.seconds,
        mean=duration / count if duration is not None and count else None,
        percentiles=tuple(percentiles),
    )


def _total(run: RunMetrics, hosts: Sequence[Row], found: Sequence[Sequence[Series]]) -> Row:
    """The row of all hosts, which has no percentiles, as those of hosts cannot be combined."""
    duration, count = (sum(sum(statistics[index].values) for statistics in found) for index in (-2, -1))
    requests, failures = sum(row.requests for row in hosts), sum(row.failures for row in hosts)
    return Row(
        name="",
        method="",
        host="",
        requests=requests,
        failures=failures,
        requests_per_s=requests / run.seconds,
        mean=duration / count if count else None,
        percentiles=(None,) * len(PERCENTILES),
    )
