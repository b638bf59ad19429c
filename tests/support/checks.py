"""Whether Locust, CloudWatch and the receipt tell the same story."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from types import UnionType

from support.cloudwatch import CloudWatch, LogEvent
from support.locust_run import LocustRun, LocustStats

SCALARS: dict[str, type | UnionType] = {
    "time": str,
    "run_id": str,
    "worker": str,
    "seq": int,
    "host": str,
    "method": str,
    "name": str,
    "outcome": str,
    "response_time_ms": int | float,
    "users": int,
}


def check_metrics(cloudwatch: CloudWatch, stats: LocustStats, host: str, uncertain: int = 0) -> None:
    """Every sum and sample count, for each name and for the host, is Locust's own; and there are no other series.

    So many samples as the receipt calls uncertain may be there twice.
    """
    series = {name: {"Host": host, "Request": name} for name in stats.requests} | {"": {"Host": host}}
    for name, dimensions in series.items():
        requests = stats.requests[name] if name else stats.requests.total()
        failures = stats.failures[name] if name else stats.failures.total()
        expected = {
            "RequestCount": requests,
            "FailureCount": failures,
            "ResponseTime_ms": requests - failures,
            "ResponseSize_Bytes": requests - failures,
            "FailedResponseTime_ms": failures,
        }
        held = {
            metric: cloudwatch.sum(metric, **dimensions)
            if metric.endswith("Count")
            else cloudwatch.count(metric, **dimensions)
            for metric in expected
        }
        assert all(number <= held[metric] <= number + uncertain for metric, number in expected.items()), (
            name or "all of the host", held, expected,
        )  # fmt: skip
    for metric in ("RequestCount", "FailureCount"):
        assert cloudwatch.series(metric) == {frozenset(dimensions.items()) for dimensions in series.values()}


def check_log_events(events: list[LogEvent], stats: LocustStats) -> None:
    """One event for each request, none twice, each with the documented fields; and the run's life-cycle."""
    logged = [event.fields for event in events if event.is_request]
    names = Counter(fields["name"] for fields in logged)
    failed = Counter(fields["name"] for fields in logged if fields["outcome"] == "failure")
    assert names == +stats.requests
    assert failed == +stats.failures
    assert len({(fields["run_id"], fields["worker"], fields["seq"]) for fields in logged}) == len(logged)
    for fields in logged:
        for field, kind in SCALARS.items():
            assert isinstance(fields.get(field), kind), (field, fields)
        assert datetime.fromisoformat(fields["time"]).tzinfo, fields
        assert fields["outcome"] in ("success", "failure")
        assert fields["outcome"] == "success" or (fields["error"] and fields["error_type"]), fields
    for what in ("test_start", "spawning_complete", "test_stop"):
        assert sum(event.is_event(what) for event in events) == 1, what


def check_delivered_run(cloudwatch: CloudWatch, run: LocustRun, host: str) -> None:
    """Check that Locust, the receipt and CloudWatch agree about a run that was delivered completely."""
    stats, receipt = run.stats, run.receipt.check_delivered()
    events = cloudwatch.events(f"load-generator/{receipt['run_id']}/")
    assert receipt["requests"]["observed"] == stats.requests.total() > 0
    assert receipt["failures"]["observed"] == stats.failures.total()
    assert receipt["log_events"]["observed"] == len(events)
    check_metrics(cloudwatch, stats, host, receipt["uncertain"])
    check_log_events(events, stats)
    assert receipts_printed(run) == 1


def receipts_printed(run: LocustRun) -> int:
    """How often a receipt stands in the output."""
    return len(re.findall(r"\breceipt\b", run.output, re.IGNORECASE))
