"""A metric in CloudWatch with the statistic to show, and a signal: metrics that share one graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Dimensions: TypeAlias = "tuple[tuple[str, str], ...]"
Divisor: TypeAlias = Literal["PERIOD", "DIFF_TIME"]


@dataclass(frozen=True)
class Metric:
    """A metric in CloudWatch and one of its statistics.

    Attributes:
        label: The name of its line in a graph.
        namespace: The namespace, such as `AWS/EC2`.
        name: The metric name.
        dimensions: Names and values of all dimensions of the metric.
        stat: The statistic, such as `Sum` or `p95`.
        region: The region that stores the metric; None for the region that the test publishes to.
        divisor: What each value is divided by to get a rate per second, in terms of CloudWatch metric math. `PERIOD` is
            the requested period; `DIFF_TIME` is the time since the previous value, for metrics that are published less
            often than the period. None for a value that is shown as it is.

    """

    label: str
    namespace: str
    name: str
    dimensions: Dimensions
    stat: str
    region: str | None = None
    divisor: Divisor | None = None


@dataclass(frozen=True)
class Signal:
    """Metrics with the same unit, for one graph.

    Attributes:
        title: Which of the golden signals it is, such as `Latency`.
        metrics: The lines of the graph.
        unit: The unit of the values after division, such as `Seconds`, `Percent` or `Requests/s`; empty if unknown.

    """

    title: str
    metrics: tuple[Metric, ...]
    unit: str = ""
