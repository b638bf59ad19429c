"""What Locust's own OpenTelemetry exporter (`--otel`) has sent to the sink."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sink import Sink

HISTOGRAM = "locust.client.duration"
"""The metric that has each request: a histogram for each name and type of error."""


def requests_in(sink: Sink) -> int:
    """The number of requests that the sink has got, which must keep bodies and have ended.

    The histograms are cumulative, so the last one of each series has all of its requests.
    """
    counts: dict[str, int] = {}
    for body in bodies(sink):
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
                if metric.name == HISTOGRAM:
                    counts |= {str(point.attributes): point.count for point in metric.histogram.data_points}
    return sum(counts.values())


def bodies(sink: Sink) -> Iterator[bytes]:
    """The bodies of the exports of metrics, in order."""
    for number, call in enumerate(sink.stop()):
        if call.operation == "ExportMetrics":
            body = sink.body(number)
            yield gzip.decompress(body) if call.encoding == "gzip" else body
