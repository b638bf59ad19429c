"""A CloudWatch in memory that answers GetMetricData: data arrives late, and periods begin at the start of the request.

https://github.com/boto/boto3/issues/3457 describes these periods.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from locust_cw._aws.graph_metric import Metric

Key = tuple[str, str, frozenset[tuple[str, str]]]


@dataclass
class Clock:
    """A time that passes only while something sleeps."""

    now: float
    slept: float = 0.0
    at: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds
        for due, action in [each for each in self.at if each[0] <= self.now]:
            self.at.remove((due, action))
            action()


@dataclass(frozen=True)
class Sample:
    time: float
    value: float
    arrives: float


def statistic(stat: str, values: Sequence[float]) -> float:
    """What CloudWatch computes of the samples of one period."""
    if stat.startswith("p"):
        rank = math.ceil(float(stat[1:]) / 100 * len(values) - 1e-9)
        return sorted(values)[max(0, rank - 1)]
    return {
        "SampleCount": float(len(values)),
        "Sum": math.fsum(values),
        "Average": math.fsum(values) / len(values),
        "Minimum": min(values),
        "Maximum": max(values),
    }[stat]


class MetricStore:
    """Metrics of one account and region, and the calls that read them.

    Attributes:
        failures: Errors of the next calls.
        no_percentiles: Whether percentiles have no values, as for metrics that AWS publishes as statistic sets.
        periods_from_epoch: Whether periods begin at multiples of their length, as those of a local CloudWatch do.

    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.samples: defaultdict[Key, list[Sample]] = defaultdict(list)
        self.calls: list[dict[str, Any]] = []
        self.failures: list[Exception] = []
        self.no_percentiles = False
        self.periods_from_epoch = False

    def put(self, metric: Metric, time: float, *values: float, late: float = 0.0) -> None:
        key = (metric.namespace, metric.name, frozenset(metric.dimensions))
        self.samples[key] += [Sample(time, value, time + late) for value in values]

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        assert operation == "GetMetricData"
        assert len(parameters["MetricDataQueries"]) <= 500
        self.calls.append(parameters)
        if self.failures:
            raise self.failures.pop(0)
        return {"MetricDataResults": [self._result(query, parameters) for query in parameters["MetricDataQueries"]]}

    def _result(self, query: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
        stat = query["MetricStat"]
        metric, period = stat["Metric"], stat["Period"]
        assert period % 60 == 0
        start = parameters["StartTime"] // 60 * 60
        end, origin = parameters["EndTime"], 0 if self.periods_from_epoch else start
        dimensions = frozenset((each["Name"], each["Value"]) for each in metric["Dimensions"])
        periods: defaultdict[float, list[float]] = defaultdict(list)
        for sample in self.samples.get((metric["Namespace"], metric["MetricName"], dimensions), ()):
            if start <= sample.time < end and sample.arrives <= self.clock.now:
                periods[origin + (sample.time - origin) // period * period].append(sample.value)
        if self.no_percentiles and stat["Stat"].startswith("p"):
            periods.clear()
        found = {time: statistic(stat["Stat"], values) for time, values in sorted(periods.items())}
        return {"Id": query["Id"], "Timestamps": list(found), "Values": list(found.values())}

    def asked(self, call: int = -1) -> list[tuple[str, str, int]]:
        """Metric, statistic and period of each query of a call, by default of the last one."""
        return [
            (query["MetricStat"]["Metric"]["MetricName"], query["MetricStat"]["Stat"], query["MetricStat"]["Period"])
            for query in self.calls[call]["MetricDataQueries"]
        ]
