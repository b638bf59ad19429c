"""The series of a run from its own numbers: the summary in its record. They need no CloudWatch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust_cw._aws.metric_data import shortest_period
from locust_cw._report.findings import PERCENTILES, Line
from locust_cw._report.query import PERIODS, chart_period
from locust_cw._report.run_series import RunSeries, margin_of
from locust_cw._report.series import Series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locust_cw import _core
    from locust_cw._runs.record import Record

QUANTILES = tuple(float(name.removeprefix("p")) / 100 for name in PERCENTILES)
"""The quantiles of `PERCENTILES`."""


class OwnNumbers(RunSeries):
    """The series of a run from its summary: at most 120 periods.

    Attributes:
        summary: The summary.
        timelines: The requests by time: all, and then each method and name.

    """

    def __init__(self, record: Record, summary: _core.Summary, now: float) -> None:
        self.summary = summary
        self.timelines = summary.timelines(QUANTILES)
        all_requests = self.timelines[0]
        stopped = record.end(now)
        begin, _ = record.measured_time(now)
        shortest = shortest_period(record.started, now, 1) or PERIODS[-1]
        super().__init__(
            record,
            now,
            stopped,
            all_requests.period_s,
            query_period=chart_period(record.started, stopped + margin_of(record, stopped), shortest),
            counted_from=begin,
            latency_is="median",
        )
        self.requests, self.failures = self.rates_of(all_requests)
        self.percentiles = percentiles_of(all_requests)
        self.latency = next((line.series for line in self.percentiles if line.label == PERCENTILES[0]), Series())
        load = summary.load()
        self.users, self.cpu, self.memory = (
            _known(load.starts, values, load.period_s) for values in (load.users, load.cpu_percent, load.memory_bytes)
        )

    def rates_of(self, timeline: _core.RequestTimeline) -> tuple[Series, Series]:
        """Requests/s and failures/s. Periods of the measured time without requests have the value 0."""
        begin, end = self.record.measured_time(self.read_at)
        period = timeline.period_s
        # Requests that ended in the last fraction of a second count, too.
        first, last = int(begin // period * period), max(end - 1e-6, begin)
        counts = dict.fromkeys(range(first, int(last) + 1, period), (0, 0)) if timeline.starts else {}
        for start, requests, failures in zip(timeline.starts, timeline.requests, timeline.failures, strict=True):
            counts[start] = requests, failures
        starts = tuple(float(start) for start in sorted(counts))
        found = (
            self.rate_of([Series(starts, tuple(float(counts[int(start)][index]) for start in starts), period)])
            for index in (0, 1)
        )
        return next(found), next(found)


def percentiles_of(timeline: _core.RequestTimeline) -> list[Line]:
    """The percentiles that have values."""
    lines = [
        Line(name, _known(timeline.starts, values, timeline.period_s))
        for name, values in zip(PERCENTILES, timeline.quantiles_ms, strict=True)
    ]
    return [line for line in lines if line.series]


def _known(starts: Sequence[int], values: Sequence[float | None], period: int) -> Series:
    known = [(float(start), float(value)) for start, value in zip(starts, values, strict=True) if value is not None]
    return Series(tuple(start for start, _ in known), tuple(value for _, value in known), period)
