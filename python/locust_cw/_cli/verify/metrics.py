"""Comparing the metrics: RequestCount and FailureCount of each series."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from locust_cw._aws.graph_metric import Metric
from locust_cw._aws.metric_data import points, shortest_period
from locust_cw._cli.verify.comparison import MetricsComparison, Number, lost_of
from locust_cw._runs.neighbours import neighbours, span_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locust_cw._aws.account import Account
    from locust_cw._runs.record import Record

MAX_POINTS = 500_000
"""Most data points to read per second of the run. Above, minutes are read: CloudWatch returns 100,800 per page."""

_LONGEST_PERIOD_S = 3600
_MINUTE = 60
_COUNTS = {"RequestCount": "requests", "FailureCount": "failures"}
"""The compared metrics, and their names in the record."""


@dataclass(frozen=True)
class _Window:
    """What to read: from one second to before another, in periods of some seconds."""

    start: int
    end: int
    period: int


def period_of(record: Record, span: tuple[int, int], now: float) -> int:
    """Seconds of the shortest period that CloudWatch still has and that is not too much to read."""
    start, end = span
    period = shortest_period(start, now, int(record.option("resolution"))) or _LONGEST_PERIOD_S
    too_many = (end - start) / period * len(_COUNTS) * len(record.series) > MAX_POINTS
    return _MINUTE if period == 1 and too_many else period


def compare_metrics(account: Account, record: Record) -> MetricsComparison:
    """Read the metrics of a run and compare them with its record.

    Raises:
        AwsError: If AWS refused a call, or the call did not reach AWS.

    """
    others = neighbours(record)
    now = time.time()
    span = span_of(record, others, now)
    period = period_of(record, span, now)
    # CloudWatch aligns periods with multiples of their length.
    window = _Window(span[0] // period * period, -(-span[1] // period) * period, period)
    overlapping = _overlapping(others, window, now)
    separate = [series for series in record.series if "RunId" in series["dimensions"]]
    compared = separate if overlapping and separate else record.series
    sums = _sums(account, record, compared, window)
    requests, failures = (_in_own_series(record, compared, sums[metric]) for metric in _COUNTS)
    return MetricsComparison(
        numbers=[
            _number(record, metric, series, held)
            for series, helds in zip(compared, zip(*sums.values(), strict=True), strict=True)
            for metric, held in zip(_COUNTS, helds, strict=True)
        ],
        series=len(compared),
        requests=requests,
        failures=failures,
        notes=list(_overlap_notes(overlapping, period, are_separate=bool(separate))),
    )


def _overlapping(others: Sequence[Record], window: _Window, now: float) -> list[str]:
    """The runs that published to the same series in the same periods."""
    return sorted(
        other.run_id
        for other in others
        if math.floor(other.started) < window.end and math.floor(other.end(now)) >= window.start
    )


def _overlap_notes(overlapping: Sequence[str], period: int, *, are_separate: bool) -> list[str]:
    if not overlapping:
        return []
    consequence = (
        ": the roll-up of the host is not compared"
        if are_separate
        else ". With --cw-dimensions Host,Request,RunId, a test has series of its own"
    )
    runs, unit = ", ".join(overlapping), "seconds" if period == 1 else "minutes"
    return [f"{runs} published for the same host in the same {unit}, and CloudWatch adds them up{consequence}"]


def _sums(
    account: Account, record: Record, compared: Sequence[dict[str, Any]], window: _Window
) -> dict[str, list[int]]:
    """What CloudWatch has of each metric, by series in the given order."""
    namespace = record.option("namespace")
    metrics = [
        Metric("", namespace, metric, tuple(series["dimensions"].items()), "Sum")
        for series in compared
        for metric in _COUNTS
    ]
    found = points(account.call, metrics, window.start, window.end, window.period)
    sums = [round(math.fsum(value for _, value in each)) for each in found]
    return {metric: sums[index :: len(_COUNTS)] for index, metric in enumerate(_COUNTS)}


def _in_own_series(record: Record, compared: Sequence[dict[str, Any]], held: Sequence[int]) -> int:
    """The sum over the series of request names, as in the receipt: roll-ups contain the same requests again."""
    roll_ups = record.roll_ups
    is_roll_up = [series in roll_ups for series in compared]
    if all(is_roll_up):
        return sum(held)
    return sum(number for number, roll_up in zip(held, is_roll_up, strict=True) if not roll_up)


def _number(record: Record, metric: str, series: dict[str, Any], held: int) -> Number:
    expected: int = series[_COUNTS[metric]]
    return Number(
        what=metric,
        of=" ".join(f"{name}={value}" for name, value in sorted(series["dimensions"].items())),
        expected=expected,
        held=held,
        # The receipt does not say to which series they belonged.
        lacking=min(expected, lost_of(record, _COUNTS[metric])),
        # Without requests, there are no copies.
        spare=record.receipt["uncertain"] if expected else 0,
    )
