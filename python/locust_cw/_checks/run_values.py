"""The values of target checks over a run, and why a value is unknown.

A value is what the CloudWatch console shows for the statistic if the period is the measured time. CloudWatch calculates
it over this one period, so an average is weighted by samples, and a percentile is not derived from those of minutes.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from locust_cw import _core
from locust_cw._aws.metric_data import points_by_metric, shortest_period, whole_period
from locust_cw._checks.measured_periods import LOOKBACK_S, MINUTE_S, STABLE_AFTER_S, MeasuredPeriods
from locust_cw._checks.target_metrics import by_region

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from locust_cw._aws.graph_metric import Metric
    from locust_cw._aws.metric_data import AccountOf
    from locust_cw._checks.target_metrics import TargetMetrics

_NOT_KEPT = "CloudWatch keeps metrics for 15 months only, and the run is older"


class Remedies(NamedTuple):
    """What a user can do if data has not arrived.

    Attributes:
        wait: To wait longer.
        later: The same, or to judge the run when the data has arrived.

    """

    wait: str
    later: str


IN_TEST = Remedies("raise --cw-check-wait", "raise --cw-check-wait, or judge the run again later with locust-cw check")
IN_COMMAND = Remedies("repeat the command later", "repeat the command later")


class RunValues:
    """The values of a run, as far as CloudWatch has them.

    Args:
        metrics: The metrics of each check.
        start: The start of the measured time, in seconds since the epoch.
        end: The stop of the run.
        remedies: What the user can do if data has not arrived.

    """

    def __init__(
        self, metrics: Sequence[TargetMetrics], start: float, end: float, remedies: Remedies = IN_TEST
    ) -> None:
        self._metrics = metrics
        self._start = start
        self._end = end
        self._remedies = remedies
        # By the index of the check: the value, or the reason why it is not known yet.
        not_read = f"CloudWatch did not respond in time: {remedies.wait}"
        self._found: dict[int, float | str] = dict.fromkeys(range(len(metrics)), not_read)
        # Checks for which no further attempt is made.
        self._decided: set[int] = set()

    def found(self) -> dict[str, float | str]:
        """The value of each check by its text, or the reason why it is unknown and what to do."""
        return {metrics.check.text: self._found[index] for index, metrics in enumerate(self._metrics)}

    def read(self, account_of: AccountOf, now: float) -> bool:
        """Read the values that are not known yet.

        Args:
            account_of: The accounts, by region.
            now: Seconds since the epoch.

        Returns:
            Whether no further attempt can change a value.

        """
        period = shortest_period(self._start, now, MINUTE_S)
        undecided = [index for index in range(len(self._metrics)) if index not in self._decided]
        if period is None:
            self._found |= dict.fromkeys(undecided, _NOT_KEPT)
            return True
        measured = MeasuredPeriods.of(self._start, self._end, period)
        for indices in by_region(self._metrics, undecided):
            try:
                self._read_region(account_of, indices, measured, now)
            except _core.AwsError as error:
                self._found |= dict.fromkeys(set(indices) - self._decided, error.message)
                if not error.is_transient:
                    self._decided |= set(indices)
        return len(self._decided) == len(self._metrics)

    def _read_region(
        self, account_of: AccountOf, indices: Sequence[int], measured: MeasuredPeriods, now: float
    ) -> None:
        counts = _sample_counts(account_of, (self._metrics[index] for index in indices), measured, now)
        complete: list[int] = []
        for index in indices:
            metrics = self._metrics[index]
            own = _times(counts, metrics.series)
            traffic = [
                each for each in _times(counts, metrics.traffic) if each + measured.period + STABLE_AFTER_S <= now
            ]
            if not measured.is_complete(sorted({*own, *traffic}), now):
                self._found[index] = self._why_incomplete(metrics, own, measured)
            elif any(map(measured.includes, own)):
                complete.append(index)
            elif any(map(measured.includes, traffic)):
                self._decide(index, 0.0)
            else:
                self._decide(index, self._why_no_data(metrics, own, measured))
        wanted = [metric for index in complete for metric in self._metrics[index].series]
        values = _whole_values(account_of, wanted, measured)
        for index in complete:
            metrics = self._metrics[index]
            found = [values[metric] for metric in metrics.series if metric in values]
            self._decide(index, metrics.worst(found) if found else _why_no_statistic(metrics))

    def _decide(self, index: int, found: float | str) -> None:
        self._decided.add(index)
        self._found[index] = found

    def _why_incomplete(self, metrics: TargetMetrics, own: Sequence[float], measured: MeasuredPeriods) -> str:
        newest = max((each for each in own if each < measured.end), default=None)
        if newest is None or newest < measured.start:
            return self._why_no_data(metrics, own, measured)
        return (
            f"CloudWatch has data for {_subject(metrics)} only until {_clock(newest + measured.period)} UTC, not until"
            f" {_clock(measured.end)}: {self._remedies.later}"
        )

    def _why_no_data(self, metrics: TargetMetrics, own: Sequence[float], measured: MeasuredPeriods) -> str:
        period = f"between {_clock(measured.start)} and {_clock(measured.end)} UTC"
        reason = f"CloudWatch has no data for {_subject(metrics)} {period}"
        interval = measured.interval(own)
        if interval > measured.period:
            minutes = f"{interval / MINUTE_S:.0f} minutes"
            return (
                f"{reason}: the metric has a value only every {minutes}; run a longer test, or enable detailed"
                " monitoring"
            )
        if metrics.is_known:
            return f"{reason}: check the ID of the target and --cw-region, or {self._remedies.wait}"
        return (
            f"{reason}: check the metric name, or use a target of kind metric if AWS publishes it with more dimensions."
            f" Known metrics of this target: {', '.join(metrics.known_names)}"
        )


def _sample_counts(
    account_of: AccountOf, metrics: Iterable[TargetMetrics], measured: MeasuredPeriods, now: float
) -> dict[Metric, list[float]]:
    """The starts of the periods with data of each metric, in the measured time and some time before and after it."""
    counts = {metric: replace(metric, stat="SampleCount") for each in metrics for metric in each.all}
    start, end = measured.start - LOOKBACK_S, min(now, measured.end + LOOKBACK_S)
    found = points_by_metric(account_of, counts.values(), start, end, measured.period)
    return {metric: [start for start, _ in found[count]] for metric, count in counts.items()}


def _times(counts: dict[Metric, list[float]], metrics: Iterable[Metric]) -> list[float]:
    return sorted({start for metric in metrics for start in counts[metric]})


def _whole_values(account_of: AccountOf, metrics: Sequence[Metric], measured: MeasuredPeriods) -> dict[Metric, float]:
    """The value of each metric that has one, over the whole measured time."""
    found = points_by_metric(account_of, metrics, measured.start, measured.end, measured.seconds)
    if any(len(each) > 1 for each in found.values()):
        # CloudWatch counts periods from the start of the request (https://github.com/boto/boto3/issues/3457). A local
        # CloudWatch counts them from the epoch, which can divide the measured time.
        period = whole_period(measured.start, measured.end, measured.period)
        found = points_by_metric(account_of, metrics, measured.start, measured.end, period)
    return {metric: each[0][1] for metric, each in found.items() if each}


def _subject(metrics: TargetMetrics) -> str:
    return f"{metrics.check.metric} of {metrics.check.name}"


def _why_no_statistic(metrics: TargetMetrics) -> str:
    return (
        f"CloudWatch has no {metrics.check.statistic} of {_subject(metrics)}: AWS publishes no individual"
        " values of the metric; check its Average, Minimum or Maximum"
    )


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M}"
