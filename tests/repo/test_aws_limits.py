"""The checker of AWS's limits finds each violation, and accepts calls at the limits."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import cbor2
import pytest

from support.aws_limits import assert_within_limits, violations
from support.proxy import Call

NOW = datetime.now(UTC).replace(microsecond=0)
NOW_MS = int(NOW.timestamp() * 1000)
METRICS_PATH = "/service/GraniteServiceVersion20100801/operation/PutMetricData"
ALARMS_PATH = "/service/GraniteServiceVersion20100801/operation/DescribeAlarms"


MakeCall = Callable[[], Call]
"""Makes a call. Some are large, so only the test that needs one makes it, not each process that imports this module."""


def metrics(
    datums: list[dict[str, Any]], namespace: Any = "Locust", *, compress: bool = False, **more: Any
) -> MakeCall:
    def make() -> Call:
        body = cbor2.dumps({"Namespace": namespace, "MetricData": datums, **more})
        headers = {"content-encoding": "gzip"} if compress else {}
        return Call("PutMetricData", METRICS_PATH, headers, gzip.compress(body) if compress else body, NOW.timestamp())

    return make


def datum(**changes: Any) -> dict[str, Any]:
    """A valid datum with changes; None removes a member."""
    good = {
        "MetricName": "ResponseTime_ms",
        "Dimensions": [{"Name": "Host", "Value": "http://h"}, {"Name": "Request", "Value": "/"}],
        "Timestamp": NOW,
        "Values": [1.0, 2.0],
        "Counts": [3.0, 1.0],
        "Unit": "Milliseconds",
        "StorageResolution": 1,
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def logs(operation: str, **params: Any) -> MakeCall:
    headers = {"x-amz-target": f"Logs_20140328.{operation}"}
    return lambda: Call(operation, "/", headers, json.dumps(params).encode(), NOW.timestamp())


def events(events: list[tuple[int, str]], group: str = "LocustTests", stream: str = "load-generator/r/w") -> MakeCall:
    def make() -> Call:
        listed = [{"timestamp": stamp, "message": message} for stamp, message in events]
        return logs("PutLogEvents", logGroupName=group, logStreamName=stream, logEvents=listed)()

    return make


EVENT = {"timestamp": NOW_MS, "message": "a"}


def dimension(name: str = "Host", value: str = "h") -> list[dict[str, str]]:
    return [{"Name": name, "Value": value}]


STATISTICS = {"SampleCount": 4.0, "Sum": 5.0, "Minimum": 1.0, "Maximum": 2.0}

GOOD = {
    "datum": metrics([datum()]),
    "1000 datums": metrics([datum()] * 1000, compress=True),
    "150 values": metrics([datum(Values=[float(n) for n in range(150)], Counts=[1.0] * 150)]),
    "values with statistics": metrics([datum(StatisticValues=STATISTICS)]),
    "values without counts": metrics([datum(Counts=None)]),
    "statistics alone": metrics([datum(Values=None, Counts=None, StatisticValues=STATISTICS)]),
    "one value": metrics([datum(Values=None, Counts=None, Value=0.0)]),
    "largest number": metrics([datum(Values=[2.0**360, -(2.0**360)])]),
    "longest dimension": metrics([datum(Dimensions=dimension("n" * 255, "v" * 1024))]),
    "30 dimensions": metrics([datum(Dimensions=[{"Name": f"n{n}", "Value": "v"} for n in range(30)])]),
    "oldest datum": metrics([datum(Timestamp=NOW - timedelta(days=13, hours=23))]),
    "no unit, no resolution": metrics([datum(Unit=None, StorageResolution=None)]),
    "log events": events([(NOW_MS, "a"), (NOW_MS, "b")]),
    "10000 log events": events([(NOW_MS, "x" * 78)] * 10_000),
    "largest log event": events([(NOW_MS, "x" * (1_048_576 - 26))]),
    "log events a day apart": events([(NOW_MS - 86_400_000, "a"), (NOW_MS, "b")]),
    "log group": logs("CreateLogGroup", logGroupName="/a.b-c_d#E1", logGroupClass="INFREQUENT_ACCESS"),
    "log stream": logs("CreateLogStream", logGroupName="g", logStreamName="load-generator/2026/w"),
    "retention": logs("PutRetentionPolicy", logGroupName="g", retentionInDays=3653),
    "sts": lambda: Call("AssumeRole", "/", {}, b"Action=AssumeRole&Version=2011-06-15", NOW.timestamp()),
}

BAD = {
    "1001 datums": (metrics([datum()] * 1001), "1001 datums"),
    "no datums": (metrics([]), "0 datums"),
    "large body": (metrics([datum(Dimensions=dimension(value="v" * 1024))] * 990), "bytes as sent"),
    "large body, compressed": (
        metrics([datum(Dimensions=dimension(value="v" * 1024))] * 990, compress=True),
        "bytes uncompressed",
    ),
    "not CBOR": (lambda: Call("PutMetricData", METRICS_PATH, {}, b"\xff\xfe{}", NOW.timestamp()), "cannot be decoded"),
    "unknown member": (metrics([datum(Colour="red")]), "Colour"),
    "second alarm type": (
        lambda: Call("DescribeAlarms", ALARMS_PATH, {}, cbor2.dumps({"AlarmTypes": ["MetricAlarm", "Loud"]}), 0),
        "Loud",
    ),
    "unknown operation": (logs("PutLogs", logGroupName="g"), "no such operation"),
    "second datum without metric name": (metrics([datum(), datum(MetricName=None)]), "MetricName"),
    "second datum with an unknown member": (metrics([datum(), datum(Colour="red")]), "Colour"),
    "second datum with an unknown unit": (metrics([datum(), datum(Unit="Parsecs")]), "Parsecs"),
    "second datum with a string for a number": (metrics([datum(), datum(Values=[1.0, "1"])]), "Values"),
    "second datum with a long metric name": (metrics([datum(), datum(MetricName="m" * 256)]), "no metric name"),
    "no metric name": (metrics([datum(MetricName=None)]), "MetricName"),
    "long metric name": (metrics([datum(MetricName="m" * 256)]), "256 characters"),
    "control character in a metric name": (metrics([datum(MetricName="a\nb")]), "no metric name"),
    "unknown unit": (metrics([datum(Unit="Parsecs")]), "Parsecs"),
    "string for a number": (metrics([datum(Values=["1"])]), "Values"),
    "151 values": (metrics([datum(Values=[float(n) for n in range(151)], Counts=[1.0] * 151)]), "151 Values"),
    "no values": (metrics([datum(Values=[], Counts=[])]), "0 Values"),
    "counts of another length": (metrics([datum(Counts=[1.0])]), "2 Values with 1 Counts"),
    "counts without values": (metrics([datum(Values=None, Value=1.0)]), "Counts without Values"),
    "a value twice": (metrics([datum(Values=[1.0, 1.0])]), "twice in Values"),
    "a count of nothing": (metrics([datum(Counts=[1.0, 0.0])]), "a count of 0"),
    "NaN": (metrics([datum(Values=[math.nan, 1.0])]), "no numbers"),
    "infinity": (metrics([datum(Values=None, Counts=None, Value=math.inf)]), "no numbers"),
    "too large a number": (metrics([datum(Values=[2.0**361, 1.0])]), "no numbers"),
    "NaN in statistics": (metrics([datum(StatisticValues=STATISTICS | {"Sum": math.nan})]), "no numbers"),
    "value and values": (metrics([datum(Value=1.0)]), "either Value"),
    "neither value nor values": (metrics([datum(Values=None, Counts=None)]), "either Value"),
    "impossible sum": (metrics([datum(StatisticValues=STATISTICS | {"Sum": 9.0})]), "statistics that cannot be"),
    "another sample count": (metrics([datum(StatisticValues=STATISTICS | {"SampleCount": 5.0})]), "a SampleCount of 5"),
    "31 dimensions": (
        metrics([datum(Dimensions=[{"Name": f"n{n}", "Value": "v"} for n in range(31)])]),
        "31 dimensions",
    ),
    "a dimension twice": (metrics([datum(Dimensions=dimension() * 2)]), "a dimension twice"),
    "empty dimension": (metrics([datum(Dimensions=dimension(value=""))]), "Value"),
    "blank dimension": (metrics([datum(Dimensions=dimension(value="   "))]), "no dimension value"),
    "long dimension": (metrics([datum(Dimensions=dimension(value="v" * 1025))]), "1025 characters"),
    "Korean dimension": (metrics([datum(Dimensions=dimension(value="주문"))]), "no dimension value"),
    "control character in a dimension": (metrics([datum(Dimensions=dimension(value="a\x07"))]), "no dimension value"),
    "dimension name with a colon": (metrics([datum(Dimensions=dimension(name=":a"))]), "no dimension name"),
    "long dimension name": (metrics([datum(Dimensions=dimension(name="n" * 256))]), "256 characters"),
    "AWS's namespace": (metrics([datum()], "AWS/EC2"), "no namespace"),
    "namespace with a colon": (metrics([datum()], ":a"), "Namespace"),
    "long namespace": (metrics([datum()], "n" * 256), "256 characters"),
    "no timestamp": (metrics([datum(Timestamp=None)]), "no timestamp"),
    "a fraction of a second": (metrics([datum(Timestamp=NOW + timedelta(milliseconds=250))]), "not to the second"),
    "over two weeks old": (metrics([datum(Timestamp=NOW - timedelta(days=14, seconds=5))]), "two weeks"),
    "over two hours ahead": (metrics([datum(Timestamp=NOW + timedelta(hours=2, minutes=1))]), "two hours ahead"),
    "storage resolution": (metrics([datum(StorageResolution=5)]), "storage resolution 5"),
    "10001 log events": (events([(NOW_MS, "x")] * 10_001), "10001 events"),
    "no log events": (events([]), "logEvents"),
    "second log event without a time": (
        logs("PutLogEvents", logGroupName="g", logStreamName="s", logEvents=[EVENT, {"message": "b"}]),
        "timestamp",
    ),
    "second log event with an unknown member": (
        logs("PutLogEvents", logGroupName="g", logStreamName="s", logEvents=[EVENT, EVENT | {"level": "INFO"}]),
        "level",
    ),
    "second log event without text": (events([(NOW_MS, "a"), (NOW_MS, "")]), "empty message"),
    "call without log events": (logs("PutLogEvents", logGroupName="g", logStreamName="s"), "logEvents"),
    "large log batch": (events([(NOW_MS, "x" * (1_048_576 - 25))]), "1048577 bytes of events"),
    "large log batch in UTF-8": (events([(NOW_MS, "주" * 350_000)]), "1050026 bytes of events"),
    "many small log events": (events([(NOW_MS, "x" * 79)] * 9990 + [(NOW_MS, "x" * 200)] * 10), "bytes of events"),
    "empty message": (events([(NOW_MS, "")]), "message"),
    "events out of order": (events([(NOW_MS, "a"), (NOW_MS - 1, "b")]), "out of order"),
    "events over a day apart": (events([(NOW_MS - 86_400_001, "a"), (NOW_MS, "b")]), "24.0 h apart"),
    "event over two weeks old": (events([(NOW_MS - 15 * 86_400_000, "a")]), "two weeks"),
    "event over two hours ahead": (events([(NOW_MS + 3 * 3_600_000, "a")]), "two hours ahead"),
    "log group with a space": (events([(NOW_MS, "a")], group="a b"), "logGroupName"),
    "AWS's log group": (events([(NOW_MS, "a")], group="aws/a"), "no log group name"),
    "long log group": (logs("CreateLogGroup", logGroupName="g" * 513), "513 characters"),
    "log stream with a colon": (events([(NOW_MS, "a")], stream="a:b"), "logStreamName"),
    "log stream with a star": (logs("CreateLogStream", logGroupName="g", logStreamName="a*"), "logStreamName"),
    "log class": (logs("CreateLogGroup", logGroupName="g", logGroupClass="CHEAP"), "CHEAP"),
    "retention": (logs("PutRetentionPolicy", logGroupName="g", retentionInDays=8), "no retention: 8"),
}


@pytest.mark.parametrize("make", GOOD.values(), ids=GOOD)
def test_a_call_at_the_limit_passes(make: MakeCall) -> None:
    assert violations(make()) == []


@pytest.mark.parametrize(("make", "words"), BAD.values(), ids=BAD)
def test_a_call_beyond_a_limit_is_found(make: MakeCall, words: str) -> None:
    call = make()
    found = violations(call)
    assert any(words in problem for problem in found), found
    with pytest.raises(AssertionError, match="violations of AWS's limits"):
        assert_within_limits([call])
