"""The metrics of a run, as CloudWatch has them: the series of the load and of the load generator."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._aws.graph_metric import Metric
from locust_cw._aws.metric_data import LATE_S
from locust_cw._report.findings import PERCENTILES, Line
from locust_cw._report.query import chart_period, fetch
from locust_cw._report.run_series import RunSeries, margin_of
from locust_cw._report.series import Series, quotient_of, sum_of
from locust_cw._runs.neighbours import neighbours, span_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from locust_cw._aws.metric_data import Call
    from locust_cw._runs.record import Record

MAX_HOSTS_DRAWN = 5
"""Most hosts whose response times are drawn."""

_TOTALS = (
    ("RequestCount", "Sum"),
    ("FailureCount", "Sum"),
    ("ResponseTime_ms", "Sum"),
    ("ResponseTime_ms", "SampleCount"),
)


class RunMetrics(RunSeries):
    """The metrics of a run.

    Attributes:
        call: The method `call` of the account.
        shortest: Seconds of the shortest period that CloudWatch has for the time of the run.
        resolution: Seconds of a period that the run published.
        hosts: The series of whole hosts, the most requested host first.
        observed: Requests that CloudWatch has in the time of the run.

    """

    def __init__(self, record: Record, call: Call, shortest: int, stopped: float, read_at: float) -> None:
        """Read them.

        Raises:
            AwsError: If AWS refused a call, or the call did not reach AWS.

        """
        period = chart_period(record.started, stopped + margin_of(record, stopped), shortest)
        super().__init__(record, read_at, stopped, period, query_period=period, counted_from=record.started)
        self.call = call
        self.shortest = shortest
        self.resolution = int(record.option("resolution") or 1)
        self.hosts = sorted(record.roll_ups, key=lambda series: -series["requests"])
        self._read()

    def metric(self, name: str, stat: str, dimensions: Mapping[str, str], label: str = "") -> Metric:
        """A metric of the run."""
        return Metric(label or name, self.record.option("namespace"), name, tuple(dimensions.items()), stat)

    def _read(self) -> None:
        begin, end = span_of(self.record, neighbours(self.record), self.read_at)
        end = min(end, math.ceil(self.stopped) + LATE_S)
        # CloudWatch aligns periods with multiples of their length.
        begin, end = begin // self.period * self.period, -(-end // self.period) * self.period
        hosts = [series["dimensions"] for series in self.hosts]
        totals = [self.metric(name, stat, host) for name, stat in _TOTALS for host in hosts]
        percentiles = self._percentile_metrics(hosts)
        gauge_dimensions = self._gauge_dimensions(hosts)
        gauges = self._gauges()
        gauge_metrics = [self.metric(name, stat, host) for name, stat in gauges for host in gauge_dimensions]
        found = iter(fetch(self.call, [*totals, *percentiles, *gauge_metrics], begin, end, self.period))
        counts, failures, durations, timed = ([next(found) for _ in hosts] for _ in _TOTALS)
        self.observed = sum(sum(series.values) for series in counts)
        self.requests = self.rate_of(counts)
        self.failures = self.rate_of(failures)
        self.latency = quotient_of(sum_of(durations), sum_of(timed))
        self.percentiles = [Line(metric.label, next(found)) for metric in percentiles]
        empty = Series((), (), self.period)
        self.users, self.workers, self.cpu, self.cpu_mean, self.memory = (
            next((series for series in [next(found) for _ in gauge_dimensions] if series), empty) for _ in gauges
        )

    def _percentile_metrics(self, hosts: Sequence[Mapping[str, str]]) -> list[Metric]:
        if len(hosts) == 1:
            return [self.metric("ResponseTime_ms", stat, hosts[0], stat) for stat in PERCENTILES]
        # Percentiles of several hosts cannot be combined.
        return [
            self.metric("ResponseTime_ms", "p95", host, f"p95 {_without_scheme(host['Host'])}")
            for host in hosts[:MAX_HOSTS_DRAWN]
        ]

    def _gauges(self) -> tuple[tuple[str, str], ...]:
        return (
            # A second contains the last value, which may be from after the stop.
            ("UserCount", "Maximum" if self.period == 1 else "Average"),
            ("WorkerCount", "Maximum"),
            ("GeneratorCpu_Percent", "Maximum"),
            ("GeneratorCpu_Percent", "Average"),
            ("GeneratorMemory_Bytes", "Maximum"),
        )

    def _gauge_dimensions(self, hosts: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
        """The dimensions that gauges may have, the most likely ones first."""
        own = _core.dimension_value(self.record.host) if self.record.host else None
        named = sorted({host["Host"] for host in hosts}, key=lambda host: host != own)
        names = dict.fromkeys([*([own] if own else []), *named, _core.NO_HOST])
        return [dict(hosts[0]) | {"Host": name} for name in names]


def _without_scheme(host: str) -> str:
    return host.partition("://")[2] or host
