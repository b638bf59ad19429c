"""Reads metrics and log events back from CloudWatch, with boto3."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3

PERCENTILES = ("p50", "p95", "p99")


@dataclass(frozen=True)
class Series:
    """One series over the whole test. `timed` is the number of samples of both response time metrics."""

    requests: float
    failures: float
    timed: float
    percentiles: dict[str, float]


@dataclass(frozen=True)
class Now:
    """The state of the test, as CloudWatch has it."""

    users: float
    requests: float
    failures: float
    p99_ms: float


@dataclass(frozen=True)
class ReadBack:
    """Everything that the report needs. `total` is the roll-up by `Host`; log events are sorted by time."""

    by_request: dict[str, Series]
    total: Series
    users_peak: float
    log_events: list[dict[str, Any]]


class CloudWatch:
    """The metrics of one namespace and the events of one log group, of a test that has just started."""

    def __init__(self, endpoint_url: str, namespace: str, log_group: str) -> None:
        """Read from `endpoint_url`, with credentials and region from the environment."""
        self._metrics = boto3.client("cloudwatch", endpoint_url=endpoint_url)
        self._logs = boto3.client("logs", endpoint_url=endpoint_url)
        self._namespace = namespace
        self._log_group = log_group
        self._start = datetime.now(UTC).replace(microsecond=0)

    def so_far(self) -> Now:
        """Sum up what has arrived so far."""
        total = self._total()
        return Now(self._users_peak(), total.requests, total.failures, total.percentiles.get("p99", 0))

    def read_back(self) -> ReadBack:
        """Read all data of the test."""
        return ReadBack(
            by_request={
                dimensions["Request"]: self._series(dimensions)
                for dimensions in self._dimensions("RequestCount", ["Host", "Request"])
            },
            total=self._total(),
            users_peak=self._users_peak(),
            log_events=self._log_events(),
        )

    def _total(self) -> Series:
        hosts = [self._series(host) for host in self._dimensions("RequestCount", ["Host"])]
        return hosts[0] if hosts else Series(0, 0, 0, {})

    def _users_peak(self) -> float:
        hosts = self._dimensions("UserCount", ["Host"])
        return max((self._statistics("UserCount", host, ["Maximum"]).get("Maximum", 0) for host in hosts), default=0)

    def _dimensions(self, metric: str, names: list[str]) -> list[dict[str, str]]:
        pages = self._metrics.get_paginator("list_metrics").paginate(Namespace=self._namespace, MetricName=metric)
        found = [{d["Name"]: d["Value"] for d in m["Dimensions"]} for page in pages for m in page["Metrics"]]
        return [dimensions for dimensions in found if sorted(dimensions) == names]

    def _series(self, dimensions: dict[str, str]) -> Series:
        succeeded = self._statistics("ResponseTime_ms", dimensions, ["SampleCount"])
        failed = self._statistics("FailedResponseTime_ms", dimensions, ["SampleCount"])
        return Series(
            requests=self._statistics("RequestCount", dimensions, ["Sum"]).get("Sum", 0),
            failures=self._statistics("FailureCount", dimensions, ["Sum"]).get("Sum", 0),
            timed=succeeded.get("SampleCount", 0) + failed.get("SampleCount", 0),
            percentiles=self._statistics("ResponseTime_ms", dimensions, PERCENTILES),
        )

    def _statistics(
        self, metric: str, dimensions: dict[str, str], wanted: list[str] | tuple[str, ...]
    ) -> dict[str, float]:
        """Statistics of one metric over the whole test; empty without data."""
        end = datetime.now(UTC) + timedelta(minutes=1)
        kind = "ExtendedStatistics" if wanted is PERCENTILES else "Statistics"
        answer = self._metrics.get_metric_statistics(
            Namespace=self._namespace,
            MetricName=metric,
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            StartTime=self._start,
            EndTime=end,
            Period=_period_spanning(self._start, end),
            **{kind: list(wanted)},
        )
        points = answer["Datapoints"]
        if not points:
            return {}
        (point,) = points
        statistics: dict[str, float] = point.get("ExtendedStatistics", point)
        return {name: statistics[name] for name in wanted if name in statistics}

    def _log_events(self) -> list[dict[str, Any]]:
        pages = self._logs.get_paginator("describe_log_streams").paginate(logGroupName=self._log_group)
        try:
            streams = [stream["logStreamName"] for page in pages for stream in page["logStreams"]]
        except self._logs.exceptions.ResourceNotFoundException:
            return []  # no event has arrived
        events = [event for stream in streams for event in self._stream(stream)]
        logged = [json.loads(event["message"]) for event in sorted(events, key=lambda event: int(event["timestamp"]))]
        # The record of the run, which is for the commands, is in streams of its own.
        return [event for event in logged if not str(event.get("event", "")).startswith("run_record")]

    def _stream(self, name: str) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        token: dict[str, str] = {}
        while True:
            page = self._logs.get_log_events(
                logGroupName=self._log_group, logStreamName=name, startFromHead=True, **token
            )
            # At the end, the token no longer changes.
            if page["nextForwardToken"] == token.get("nextToken"):
                return events
            events += page["events"]
            token = {"nextToken": page["nextForwardToken"]}


def _period_spanning(start: datetime, end: datetime) -> int:
    """The shortest period of whole minutes that puts all of the test into one datapoint.

    Percentiles of several datapoints cannot be put together. Periods are counted from the epoch on.
    """
    first, last = int(start.timestamp()), int(end.timestamp())
    return next(period for period in range(60, 86_400, 60) if first // period == last // period)
