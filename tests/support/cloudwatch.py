"""Reading back what CloudWatch holds, and what a series of recorded calls published."""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import Any

import boto3

from locust_cw._aws.graph_metric import Metric
from support.proxy import Call
from support.servers import REGION

Dimensions = frozenset[tuple[str, str]]

ONE_PERIOD = 100 * 365 * 86_400  # longer than any test and starting in 1970: one datapoint has it all

TEXT_LINE = re.compile(
    r"\[timestamp=(?P<timestamp>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} UTC)\] \[host=(?P<host>.*?)\] "
    r"\[request_type=(?P<request_type>.*?)\] \[name=(?P<name>.*?)\] \[response_time=(?P<response_time>.*?)\] "
    r"(?:\[response_length=(?P<response_length>.*?)\]|\[exception=(?P<exception>.*?)\]) \[user=(?P<user>.*?)\]",
    re.DOTALL,
)


@dataclass(frozen=True)
class Statistics:
    """A metric over all time, as CloudWatch tells it."""

    count: float = 0
    sum: float = 0
    min: float = math.inf
    max: float = -math.inf
    percentiles: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class LogEvent:
    stream: str
    timestamp: int  # ms
    message: str

    @cached_property
    def fields(self) -> dict[str, Any]:
        value = json.loads(self.message)
        assert isinstance(value, dict), self.message[:200]
        return value

    @property
    def is_request(self) -> bool:
        """One finished request; all others are life-cycle events."""
        if self.message.startswith("{"):
            return "outcome" in self.fields
        return TEXT_LINE.fullmatch(self.message) is not None

    def is_event(self, what: str) -> bool:
        """Whether it is the life-cycle event `what`; of an event in the text format, whether it contains the name."""
        if self.message.startswith("{"):
            return bool(self.fields.get("event") == what)
        return not self.is_request and what in self.message


@cache
def _session(region: str) -> boto3.Session:
    return boto3.Session("test", "test", region_name=region)


@cache
def client(service: str, url: str, region: str = REGION) -> Any:
    """Botocore's client of a service; to make one takes longer than most of what is asked of it."""
    return _session(region).client(service, endpoint_url=url)


class CloudWatch:
    """What one namespace and one log group hold."""

    def __init__(self, url: str, namespace: str, log_group: str, region: str = REGION) -> None:
        self.metrics = client("cloudwatch", url, region)
        self.logs = client("logs", url, region)
        self.namespace = namespace
        self.log_group = log_group

    def series(self, metric: str) -> set[Dimensions]:
        """The sets of dimensions the metric has."""
        found = self.metrics.list_metrics(Namespace=self.namespace, MetricName=metric)["Metrics"]
        return {frozenset((each["Name"], each["Value"]) for each in one["Dimensions"]) for one in found}

    def statistics(self, metric: str, percentiles: Sequence[str] = (), **dimensions: str) -> Statistics:
        """The metric with exactly these dimensions (at least one), over all time."""
        points = self.metrics.get_metric_statistics(
            Namespace=self.namespace,
            MetricName=metric,
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            StartTime=datetime.now(UTC) - timedelta(days=15),
            EndTime=datetime.now(UTC) + timedelta(days=1),
            Period=ONE_PERIOD,
            Statistics=["SampleCount", "Sum", "Minimum", "Maximum"],
            **({"ExtendedStatistics": list(percentiles)} if percentiles else {}),
        )["Datapoints"]
        if not points:
            return Statistics()
        (point,) = points
        extended = point.get("ExtendedStatistics", {})
        return Statistics(point["SampleCount"], point["Sum"], point["Minimum"], point["Maximum"], extended)

    def sum(self, metric: str, **dimensions: str) -> float:
        return self.statistics(metric, **dimensions).sum

    def count(self, metric: str, **dimensions: str) -> float:
        return self.statistics(metric, **dimensions).count

    def streams(self) -> list[str]:
        try:
            pages = list(self.logs.get_paginator("describe_log_streams").paginate(logGroupName=self.log_group))
        except self.logs.exceptions.ResourceNotFoundException:
            return []
        return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]

    def events(self, prefix: str = "") -> list[LogEvent]:
        """All events of the streams that begin with `prefix`."""
        return [event for stream in self.streams() if stream.startswith(prefix) for event in self._stream(stream)]

    def _stream(self, stream: str) -> list[LogEvent]:
        found: list[LogEvent] = []
        token: dict[str, str] = {}
        while True:
            page = self.logs.get_log_events(
                logGroupName=self.log_group, logStreamName=stream, startFromHead=True, **token
            )
            if not page["events"]:
                return found
            found += [LogEvent(stream, event["timestamp"], event["message"]) for event in page["events"]]
            token = {"nextToken": page["nextForwardToken"]}


@dataclass
class Published:
    """One metric with one set of dimensions, added up from datums as CloudWatch does."""

    counts: Counter[float] = field(default_factory=Counter)  # by value
    count: float = 0
    sum: float = 0
    min: float = math.inf
    max: float = -math.inf
    seconds: Counter[datetime] = field(default_factory=Counter)  # datums by timestamp

    def add(self, datum: dict[str, Any]) -> None:
        values = datum.get("Values", [datum["Value"]] if "Value" in datum else [])
        counts = datum.get("Counts", [1.0] * len(values))
        for value, count in zip(values, counts, strict=True):
            self.counts[value] += count
        statistics = datum.get("StatisticValues") or {
            "SampleCount": sum(counts),
            "Sum": math.fsum(value * count for value, count in zip(values, counts, strict=True)),
            "Minimum": min(values),
            "Maximum": max(values),
        }
        self.count += statistics["SampleCount"]
        self.sum += statistics["Sum"]
        self.min = min(self.min, statistics["Minimum"])
        self.max = max(self.max, statistics["Maximum"])
        self.seconds[datum["Timestamp"]] += 1

    def percentile(self, percent: float) -> float:
        return nearest_rank(self.counts, percent)


def put_metric(url: str, metric: Metric, time: float, *values: float) -> None:
    """Publish as a service of AWS does, to which the limits of other publishers do not apply."""
    shared = {
        "MetricName": metric.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions],
        "Timestamp": datetime.fromtimestamp(time, UTC),
    }
    client("cloudwatch", url, metric.region or REGION).put_metric_data(
        Namespace=metric.namespace, MetricData=[{**shared, "Value": value} for value in values]
    )


def put_alarm(metrics: Any, name: str) -> None:
    """Create an alarm on a metric without data, so that the test can set its state. `metrics` is a client of boto3."""
    metrics.put_metric_alarm(
        AlarmName=name,
        Namespace="None",
        MetricName="None",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )


def nearest_rank(counts: Counter[float], percent: float) -> float:
    """The smallest value with at least `percent` of all samples at or below it."""
    rank = math.ceil(percent / 100 * sum(counts.values()) - 1e-9)
    seen = 0.0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= rank:
            return value
    raise AssertionError("no samples")


def published(calls: Iterable[Call]) -> dict[tuple[str, Dimensions], Published]:
    """What the accepted PutMetricData calls among these published, by metric and dimensions."""
    series: defaultdict[tuple[str, Dimensions], Published] = defaultdict(Published)
    for call in calls:
        if call.operation == "PutMetricData" and call.accepted:
            for datum in call.params["MetricData"]:
                dimensions = frozenset((each["Name"], each["Value"]) for each in datum.get("Dimensions", []))
                series[datum["MetricName"], dimensions].add(datum)
    return dict(series)
