"""Every limit CloudWatch puts on a call, checked on what was on the wire.

The local CloudWatch enforces none of them, so a call it takes proves nothing. The tables are those of the AWS
documentation (PutMetricData, MetricDatum, Dimension; PutLogEvents, InputLogEvent, CreateLogGroup, PutRetentionPolicy);
shapes are checked with botocore's service models. Shares no code with the product.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import botocore.loaders
import botocore.model
import botocore.validate

from support.proxy import Call

# PutMetricData
MAX_BODY_BYTES = 1_000_000  # "1 MB", read the strict way
MAX_DATUMS = 1000
MAX_VALUES = 150
MAX_NUMBER = 2.0**360
MAX_DIMENSIONS = 30
MAX_DIMENSION_NAME = 255
MAX_DIMENSION_VALUE = 1024
MAX_NAME = 255
OLDEST_DATUM = 14 * 24 * 3600.0
NEWEST = 2 * 3600.0
RESOLUTIONS = (1, 60)

# PutLogEvents
MAX_EVENTS = 10_000
MAX_EVENT_BATCH_BYTES = 1_048_576
EVENT_OVERHEAD_BYTES = 26
MAX_SPAN_MS = 24 * 3600 * 1000
OLDEST_EVENT = 14 * 24 * 3600.0
GROUP_NAME = re.compile(r"(?!aws/)[.\-_/#A-Za-z0-9]{1,512}")
STREAM_NAME = re.compile(r"[^:*]{1,512}")
RETENTION_DAYS = {
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
}  # fmt: skip


def violations(call: Call) -> list[str]:
    """What AWS would refuse in this call, in words; empty if nothing."""
    try:
        params = call.params
    except Exception as error:  # noqa: BLE001 - any error of the decoder means an invalid body
        return [f"{call.operation}: the body cannot be decoded: {error!r}"]
    found = [f"{call.operation}: {problem}" for problem in _shape(call, params)]
    if not found:
        found = [f"{call.operation}: {problem}" for problem in _check(call, params)]
    return found


def assert_within_limits(calls: Iterable[Call]) -> None:
    found = [problem for call in calls for problem in violations(call)]
    assert not found, f"{len(found)} violations of AWS's limits, such as:\n" + "\n".join(found[:20])


def _check(call: Call, params: dict[str, Any]) -> Iterator[str]:
    if call.operation == "PutMetricData":
        yield from _put_metric_data(call, params)
    elif call.operation == "PutLogEvents":
        yield from _put_log_events(call, params)
    elif call.service == "logs":
        yield from _log_names(params)
        if "retentionInDays" in params and params["retentionInDays"] not in RETENTION_DAYS:
            yield f"no retention: {params['retentionInDays']}"


# Shapes


@cache
def _model(service: str) -> Any:
    loader = botocore.loaders.Loader()
    return botocore.model.ServiceModel(loader.load_service_model(service, "service-2"))


def _shape(call: Call, params: dict[str, Any]) -> Iterator[str]:
    if call.service == "sts":  # its query protocol carries text alone
        return
    model = _model(call.service)
    if call.operation not in model.operation_names:
        yield "no such operation"
        return
    shape = model.operation_model(call.operation).input_shape
    for name in {"MetricData", "logEvents"} & set(params):
        # They may have thousands of items, and botocore's validator is slow. `_check` checks the values of all.
        params = params | {name: _one_of_each_form(params[name])}
    report = botocore.validate.ParamValidator().validate(params, shape)
    if report.has_errors():
        yield report.generate_report()
        return
    yield from _members(shape, params, call.operation)


def _one_of_each_form(items: list[Any]) -> list[Any]:
    """The first item of each form."""
    return list({_form(item): item for item in reversed(items)}.values())


def _form(value: Any) -> Any:
    """The members of a value and their types, and its unit, which is an enumeration."""
    if isinstance(value, dict):
        return frozenset((name, member if name == "Unit" else _form(member)) for name, member in value.items())
    return frozenset(map(_form, value)) if isinstance(value, list) else type(value)


def _members(shape: Any, value: Any, where: str) -> Iterator[str]:
    """What botocore leaves out: unknown members, enumerations, patterns, the upper ends of ranges."""
    if shape.type_name == "structure":
        for name, member in value.items():
            if name not in shape.members:
                yield f"{where}: no such member {name}"
            else:
                yield from _members(shape.members[name], member, f"{where}.{name}")
    elif shape.type_name == "list":
        for member in value:
            yield from _members(shape.member, member, f"{where}[]")
    elif shape.type_name == "string":
        if shape.enum and value not in shape.enum:
            yield f"{where}: {value!r} is none of {shape.enum}"
        if (longest := shape.metadata.get("max")) and len(value) > longest:
            yield f"{where}: {len(value)} characters, at most {longest}"
        if (pattern := shape.metadata.get("pattern")) and not re.fullmatch(pattern, value):
            yield f"{where}: {value[:60]!r} does not match {pattern}"


# PutMetricData


def _put_metric_data(call: Call, params: dict[str, Any]) -> Iterator[str]:
    for what, size in (("as sent", len(call.body)), ("uncompressed", len(call.plain_body))):
        if size > MAX_BODY_BYTES:
            yield f"body of {size} bytes {what}, at most {MAX_BODY_BYTES}"
    namespace = params["Namespace"]
    if not _is_text(namespace, MAX_NAME) or namespace.startswith((":", "AWS/")):
        yield f"no namespace: {namespace!r}"
    datums = params.get("MetricData", [])
    if not 1 <= len(datums) <= MAX_DATUMS:
        yield f"{len(datums)} datums, 1 to {MAX_DATUMS}"
    for datum in datums:
        for problem in _datum(datum, call.received_at):
            yield f"{datum['MetricName'][:80]} {datum.get('Dimensions')!r:.200}: {problem}"


def _datum(datum: dict[str, Any], now: float) -> Iterator[str]:
    if not _is_text(datum["MetricName"], MAX_NAME) or datum["MetricName"].startswith(":"):
        yield "no metric name"
    yield from _dimensions(datum.get("Dimensions", []))
    yield from _numbers(datum)
    if datum.get("StorageResolution", 60) not in RESOLUTIONS:
        yield f"storage resolution {datum['StorageResolution']}"
    if (time := datum.get("Timestamp")) is None:
        yield "no timestamp: CloudWatch would take the time of arrival"
        return
    seconds = time.timestamp() if isinstance(time, datetime) else float(time)
    if seconds != math.floor(seconds):
        yield f"timestamp {time} is not to the second, as it would be stored"
    if not now - OLDEST_DATUM <= seconds <= now + NEWEST:
        yield f"timestamp {datetime.fromtimestamp(seconds, UTC)} is not within two weeks back and two hours ahead"


def _dimensions(dimensions: Sequence[dict[str, str]]) -> Iterator[str]:
    if len(dimensions) > MAX_DIMENSIONS:
        yield f"{len(dimensions)} dimensions, at most {MAX_DIMENSIONS}"
    names = [dimension["Name"] for dimension in dimensions]
    if len(set(names)) < len(names):
        yield f"a dimension twice: {names}"
    for name in names:
        if not _is_text(name, MAX_DIMENSION_NAME) or name.startswith(":"):
            yield f"no dimension name: {name[:80]!r}"
    for dimension in dimensions:
        if not _is_text(dimension["Value"], MAX_DIMENSION_VALUE):
            yield f"no dimension value ({len(dimension['Value'])} characters): {dimension['Value'][:80]!r}"


def _is_text(value: str, longest: int) -> bool:
    """1 to `longest` ASCII characters, no control characters, not blank."""
    return 1 <= len(value) <= longest and value.isascii() and value.isprintable() and bool(value.strip())


def _numbers(datum: dict[str, Any]) -> Iterator[str]:
    value, values, counts = datum.get("Value"), datum.get("Values"), datum.get("Counts")
    statistics = datum.get("StatisticValues")
    if (value is not None) + (values is not None or statistics is not None) != 1:
        yield "either Value or Values or StatisticValues, please"
    numbers = [*([] if value is None else [value]), *(values or []), *(counts or []), *(statistics or {}).values()]
    if bad := [number for number in numbers if not (math.isfinite(number) and abs(number) <= MAX_NUMBER)]:
        yield f"no numbers for CloudWatch: {bad[:5]}"
        return
    yield from _values(values, counts)
    if statistics:
        yield from _statistics(statistics)
        samples = sum(counts or [1] * len(values or []))
        if values and not math.isclose(samples, statistics["SampleCount"]):
            yield f"a SampleCount of {statistics['SampleCount']} for {samples} samples in Counts"


def _values(values: list[float] | None, counts: list[float] | None) -> Iterator[str]:
    if values is None:
        if counts is not None:
            yield "Counts without Values"
    elif not 1 <= len(values) <= MAX_VALUES:
        yield f"{len(values)} Values, 1 to {MAX_VALUES}"
    elif len(set(values)) < len(values):
        yield "a value twice in Values"
    elif counts is not None and len(counts) != len(values):
        yield f"{len(values)} Values with {len(counts)} Counts"
    if counts and min(counts) <= 0:
        yield f"a count of {min(counts)}"


def _statistics(statistics: dict[str, float]) -> Iterator[str]:
    count, total = statistics["SampleCount"], statistics["Sum"]
    low, high = statistics["Minimum"], statistics["Maximum"]
    slack = 1e-9 * count * max(abs(low), abs(high))
    if count <= 0 or low > high or not low * count - slack <= total <= high * count + slack:
        yield f"statistics that cannot be: {statistics}"


# PutLogEvents


def _log_names(params: dict[str, Any]) -> Iterator[str]:
    if (group := params.get("logGroupName")) is not None and not GROUP_NAME.fullmatch(group):
        yield f"no log group name: {group!r}"
    if (stream := params.get("logStreamName")) is not None and not STREAM_NAME.fullmatch(stream):
        yield f"no log stream name: {stream!r}"


def _put_log_events(call: Call, params: dict[str, Any]) -> Iterator[str]:
    yield from _log_names(params)
    events = params["logEvents"]
    if not 1 <= len(events) <= MAX_EVENTS:
        yield f"{len(events)} events, 1 to {MAX_EVENTS}"
        return
    sizes = [len(event["message"].encode("utf-8", "surrogatepass")) + EVENT_OVERHEAD_BYTES for event in events]
    if sum(sizes) > MAX_EVENT_BATCH_BYTES:
        yield f"{sum(sizes)} bytes of events (the largest {max(sizes)}), at most {MAX_EVENT_BATCH_BYTES}"
    if min(sizes) <= EVENT_OVERHEAD_BYTES:
        yield "an empty message"
    times = [event["timestamp"] for event in events]
    if times != sorted(times):
        yield "events out of order"
    if max(times) - min(times) > MAX_SPAN_MS:
        yield f"events {(max(times) - min(times)) / 3_600_000:.1f} h apart, at most 24"
    if not call.received_at - OLDEST_EVENT <= min(times) / 1000 <= max(times) / 1000 <= call.received_at + NEWEST:
        yield "an event not within two weeks back and two hours ahead"
