"""What CloudWatch has of a run of `paced.py`: that it is current, and that it has everything at least once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from support.cloudwatch import CloudWatch, LogEvent
from support.locust_run import LocustRun
from support.paced import HOST
from support.proxy import Call, Proxy
from support.servers import wait_until


def wait_until_current(proxy: Proxy, within: float = 20) -> None:
    """AWS gets metrics of this very moment."""

    def newest(call: Call) -> float:
        datums = [datum for datum in call.params["MetricData"] if datum["MetricName"] == "RequestCount"]
        return max((float(datum["Timestamp"].timestamp()) for datum in datums), default=0)

    now = time.time()
    _wait_until_taken(proxy, "PutMetricData", lambda call: newest(call) >= int(now), now + within)


def wait_until_logged(proxy: Proxy, within: float = 20) -> None:
    """AWS gets log events of this very moment."""

    def newest(call: Call) -> float:
        return max(float(event["timestamp"]) for event in call.params["logEvents"]) / 1000

    now = time.time()
    _wait_until_taken(proxy, "PutLogEvents", lambda call: newest(call) >= now, now + within)


def _wait_until_taken(proxy: Proxy, operation: str, wanted: Callable[[Call], bool], until: float) -> None:
    """By when it came to AWS: the local one becomes slow with what it holds."""

    def taken() -> Call | None:
        return next((call for call in proxy.calls(operation) if call.accepted and wanted(call)), None)

    call = wait_until(taken, f"{operation} of what is as new as this wait")
    assert call
    assert call.received_at <= until, f"{operation} came {call.received_at - until:g} s too late"


def identities(events: list[LogEvent]) -> Counter[tuple[str, str, int]]:
    """How often each log event is there. None is damaged, or this fails."""
    fields = [event.fields for event in events]
    return Counter((each["run_id"], each["worker"], each["seq"]) for each in fields)


def check_at_least_once(cloudwatch: CloudWatch, run: LocustRun) -> None:
    """CloudWatch holds all of a run of `paced.py`, and what it holds twice is within the receipt's `uncertain`."""
    stats, receipt = run.stats, run.receipt.check()
    events = cloudwatch.events(f"load-generator/{receipt['run_id']}/")
    logged = identities(events)
    assert len(logged) == receipt["log_events"]["observed"]
    assert {seq for *_, seq in logged} == set(range(1, len(logged) + 1))
    fields = (event.fields for event in events)
    names = Counter({each["seq"]: each["name"] for each in fields if "outcome" in each}.values())
    assert names == +stats.requests
    logged_twice = logged.total() - len(logged)
    assert logged_twice + count_twice(cloudwatch, run) <= receipt["uncertain"]


def count_twice(cloudwatch: CloudWatch, run: LocustRun) -> int:
    """How many requests of a run of `paced.py` are counted twice in its metrics, which have all of it."""
    stats, requests = run.stats, run.receipt.check()["requests"]["observed"]
    assert requests == stats.requests.total() > 0
    counted_twice: int = round(cloudwatch.sum("RequestCount", Host=HOST)) - requests
    assert counted_twice >= 0
    for name, number in stats.requests.items():
        assert 0 <= cloudwatch.sum("RequestCount", Host=HOST, Request=name) - number <= counted_twice, name
        failures = cloudwatch.sum("FailureCount", Host=HOST, Request=name) - stats.failures[name]
        assert 0 <= failures <= counted_twice, name
        for metric in ("ResponseTime_ms", "ResponseSize_Bytes"):
            successes = cloudwatch.count(metric, Host=HOST, Request=name) - (number - stats.failures[name])
            assert 0 <= successes <= counted_twice, (metric, name)
    return counted_twice
