"""The series of a run, and what follows from them: the times of charts, and the samples for the saturation."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from locust_cw._report.saturation import Sample
from locust_cw._report.series import Series, sum_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locust_cw._report.findings import Latency, Line
    from locust_cw._runs.record import Record

# The rate of a shorter part of a period says little.
_SHORTEST_PART_S = 5.0
_MARGIN = 0.03


def margin_of(record: Record, stopped: float) -> float:
    """Seconds that charts show of targets before the start and after the stop."""
    return max(2.0, _MARGIN * (stopped - record.started))


@dataclass
class RunSeries:
    """The series of a run.

    Attributes:
        record: The record of the run.
        read_at: The time as of which the series are read, in seconds since the epoch.
        stopped: The stop of the run, in seconds since the epoch.
        period: Seconds of a period in the charts of the load.
        query_period: Seconds of a period in the charts of targets.
        counted_from: The first request that counts in `requests`, in seconds since the epoch.
        latency_is: What `latency` is.
        requests: Requests/s.
        failures: Failed requests/s.
        latency: Response times of successful requests, in milliseconds.
        percentiles: Response times as percentiles: a line per percentile, or with several hosts the p95 of each host.
        users: Users.
        workers: Workers.
        cpu: CPU use of the busiest process, in percent of a core.
        cpu_mean: Mean CPU use of the processes.
        memory: Memory of the largest process, in bytes.

    """

    record: Record
    read_at: float
    stopped: float
    period: int
    query_period: int
    counted_from: float
    latency_is: Latency = "mean"
    requests: Series = field(default_factory=Series)
    failures: Series = field(default_factory=Series)
    latency: Series = field(default_factory=Series)
    percentiles: list[Line] = field(default_factory=list)
    users: Series = field(default_factory=Series)
    workers: Series = field(default_factory=Series)
    cpu: Series = field(default_factory=Series)
    cpu_mean: Series = field(default_factory=Series)
    memory: Series = field(default_factory=Series)

    @property
    def margin(self) -> float:
        """Seconds before the start and after the stop that charts show of targets."""
        return margin_of(self.record, self.stopped)

    def rate_of(self, counts: Sequence[Series]) -> Series:
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
        return (min(end, self.stopped) if begin < self.stopped else end) - max(begin, self.counted_from)

    @property
    def ended(self) -> float:
        """The end of the last request: the stop, or later."""
        late = [begin + self.period for begin in self.requests.times if begin >= self.stopped]
        return max([self.stopped, *late])

    @property
    def chart_start(self) -> float:
        """The start of the time for which targets are read."""
        return (self.record.started - self.margin) // self.query_period * self.query_period

    @property
    def chart_end(self) -> float:
        """Its end."""
        return ((self.ended + self.margin) // self.query_period + 1) * self.query_period

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
        failures, latencies = self.failures.by_time(), self.latency.by_time()
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
