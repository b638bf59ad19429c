"""The metrics of a run, as CloudWatch has them: the series of the load and of the load generator."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._aws.graph_metric import Metric
from locust_cw._aws.metric_data import LATE_S
from locust_cw._report.findings import PERCENTILES, Line
from locust_cw._report.query import chart_period, fetch
from locust_cw._report.saturation import Sample
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
# The rate of a shorter part of a period says little.
_SHORTEST_PART_S = 5.0
_MARGIN = 0.03


class RunMetrics:
    """The metrics of a run.

    Attributes:
        record: The record of the run.
        call: The method `call` of the account.
        shortest: Seconds of the shortest period that CloudWatch has for the time of the run.
        resolution: Seconds of a period that the run published.
        stopped: The stop of the run, in seconds since the epoch.
        period: Seconds of a period in the charts.
        hosts: The series of whole hosts, the most requested host first.
        observed: Requests that CloudWatch has in the time of the run.
        requests: Requests/s.
        failures: Failed requests/s.
        mean: Mean response time of successful requests, in milliseconds.
        percentiles: Response times as percentiles: a line per percentile, or with several hosts the p95 of each host.
        users: Users.
        workers: Workers.
        cpu: CPU use of the busiest process, in percent of a processor.
        cpu_mean: Mean CPU use of the processes.
        memory: Memory of the largest process, in bytes.

    """

    def __init__(self, record: Record, call: Call, shortest: int, stopped: float) -> None:
        """Read them.

        Raises:
            AwsError: If AWS refused a call, or the call did not reach AWS.

        """
        self.record = record
        self.call = call
        self.shortest = shortest
        self.resolution = int(record.option("resolution") or 1)
        self.stopped = stopped
        self._margin = max(2.0, _MARGIN * (stopped - record.started))
        self.period = chart_period(record.started, stopped + self._margin, shortest)
        self.hosts = sorted(record.roll_ups, key=lambda series: -series["requests"])
        self._read()

    def metric(self, name: str, stat: str, dimensions: Mapping[str, str], label: str = "") -> Metric:
        """A metric of the run."""
        return Metric(label or name, self.record.option("namespace"), name, tuple(dimensions.items()), stat)

    def _read(self) -> None:
        begin, end = span_of(self.record, neighbours(self.record))
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
        self.requests = self._rate(counts)
        self.failures = self._rate(failures)
        self.mean = quotient_of(sum_of(durations), sum_of(timed))
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

    def _rate(self, counts: Sequence[Series]) -> Series:
        """Sums per second. The periods of the start and the stop count for the part in which the test ran."""
        total = sum_of(counts)
        parts = [self._part(begin) for begin in total.times]
        # A very short run consists of parts only.
        least = min(self.period / 2, _SHORTEST_PART_S, max(parts, default=0.0))
        points = [
            (begin, value / part)
            for begin, value, part in zip(total.times, total.values, parts, strict=True)
            if part >= least and part > 0
        ]
        return Series(tuple(begin for begin, _ in points), tuple(value for _, value in points), total.period)

    def _part(self, begin: float) -> float:
        """Seconds of a period in which requests ended: those of the test, and all seconds after its stop."""
        end = begin + self.period
        return (min(end, self.stopped) if begin < self.stopped else end) - max(begin, self.record.started)

    @property
    def ended(self) -> float:
        """The end of the last request: the stop, or later."""
        late = [begin + self.period for begin in self.requests.times if begin >= self.stopped]
        return max([self.stopped, *late])

    @property
    def chart_start(self) -> float:
        """The start of the time for which targets are read."""
        return (self.record.started - self._margin) // self.period * self.period

    @property
    def chart_end(self) -> float:
        """Its end."""
        return ((self.ended + self._margin) // self.period + 1) * self.period

    @property
    def seconds(self) -> float:
        """The duration of the run, at least a second."""
        return max(1.0, self.stopped - self.record.started)

    @property
    def ramped_up(self) -> float | None:
        """The time at which the number of users first reached its maximum.

        Locust reports the first step of a load in steps. The metric shows the last one.
        """
        recorded = self.record.ramped_up
        if not self.users:
            return recorded
        most = max(self.users.values)
        seen = next(begin for begin, value in self.users.by_time().items() if value >= most)
        if recorded is not None and seen - recorded < 2 * self.period:
            return recorded
        return max(seen, self.record.started)

    def samples(self) -> list[Sample]:
        """The load and the response of the target in each period that lies within the test."""
        failures, latencies = self.failures.by_time(), self.mean.by_time()
        samples = []
        for begin, rate in self.requests.by_time().items():
            users = self.users.value_at(begin)
            if users is None or begin < self.record.started or begin + self.period > self.stopped:
                continue
            failed = min(failures.get(begin, 0.0), rate)
            share = failed / rate if rate else 0.0
            samples.append(Sample(begin, users, rate - failed, latencies.get(begin), share))
        return samples

    def median_cpu(self, since: float | None) -> float | None:
        """Median CPU use of the busiest process, since a time or over the whole test; None without data."""
        start = self.record.started if since is None else since
        seen = [value for begin, value in self.cpu.by_time().items() if start <= begin < self.stopped]
        return statistics.median(seen) if seen else None


def _without_scheme(host: str) -> str:
    return host.partition("://")[2] or host
