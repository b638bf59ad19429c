"""The table of requests: all of them, each host if there are several, and each name."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._aws.metric_data import LATE_S, whole_period
from locust_cw._report.findings import PERCENTILES, Row
from locust_cw._report.query import fetch
from locust_cw._report.readable import readable
from locust_cw._runs.record import NoRecordError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from locust_cw._report.run_metrics import RunMetrics
    from locust_cw._report.series import Series

_STATISTICS = (*PERCENTILES, "Sum", "SampleCount")
_QUANTILES = [float(name.removeprefix("p")) / 100 for name in PERCENTILES]


def request_table(run: RunMetrics) -> tuple[Row, list[Row]]:
    """The row of all requests, and the other rows.

    Raises:
        AwsError: If AWS refused a call, or the call did not reach AWS.

    """
    names = [series for series in run.record.series if series not in run.hosts]
    ordered = [*run.hosts, *sorted(names, key=lambda series: -series["requests"])]
    found = _read(run, ordered)
    rows = [_row(run, series, statistics) for series, statistics in zip(ordered, found, strict=True)]
    hosts, rest = rows[: len(run.hosts)], _with_methods(run, rows[len(run.hosts) :])
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
        name=readable(dimensions.get("Request", "")),
        method=dimensions.get("Method", ""),
        host=dimensions.get("Host", ""),
        requests=series["requests"],
        failures=series["failures"],
        requests_per_s=series["requests"] / run.seconds,
        mean=duration / count if duration is not None and count else None,
        percentiles=tuple(percentiles),
    )


def _with_methods(run: RunMetrics, rows: Sequence[Row]) -> list[Row]:
    """The rows of names, with the methods from the summary of the run: by default, series have no method.

    The summary does not distinguish hosts. If a name has series for several hosts, its methods are only added if it has
    just one.
    """
    if any(row.method for row in rows):
        return list(rows)
    methods = _methods_by_name(run)
    series = Counter(row.name for row in rows)
    found = []
    for row in rows:
        own = methods.get(row.name, [])
        if len(own) == 1:
            found.append(replace(row, method=own[0].method))
        elif series[row.name] == 1:
            found.append(replace(row, methods=tuple(own)))
        else:
            found.append(row)
    return found


def _methods_by_name(run: RunMetrics) -> dict[str, list[Row]]:
    """A row for each method of a name, the most requested first."""
    try:
        summary = run.record.load_summary()
    except NoRecordError:
        # The record is from another version, or has no summary.
        return {}
    found = defaultdict[str, list[Row]](list)
    for each in sorted(summary.requests(_QUANTILES), key=lambda each: -each.requests):
        # As a series names it: two long names may share one.
        name = readable(_core.dimension_value(each.name))
        row = Row(
            name=name,
            method=each.method,
            host="",
            requests=each.requests,
            failures=each.failures,
            requests_per_s=each.requests / run.seconds,
            mean=each.mean_ms,
            percentiles=tuple(each.quantiles_ms),
        )
        found[name].append(row)
    # Each process decides which names it publishes as the others.
    found.pop(_core.OTHER, None)
    return found


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
