"""The tools of the tests work: the proxy records calls and fails as configured, and readers read what was written."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from support.cloudwatch import TEXT_LINE, nearest_rank, published
from support.fixtures import Aws
from support.order import long_tests_first
from support.paths import TESTS
from support.proxy import error, hang, lose_answer, reset
from support.servers import REGION, Target, ending, free_port, get, wait_until


@pytest.fixture(autouse=True)
def _cbor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes botocore use CBOR, as the AWS SDK for Rust does. Botocore prefers JSON."""
    monkeypatch.setattr("botocore.model.PRIORITY_ORDERED_SUPPORTED_PROTOCOLS", ("smithy-rpc-v2-cbor", "json", "query"))


def client(aws: Aws, service: str, **config: Any) -> Any:
    settings = Config(retries={"max_attempts": 0}, **config)
    return boto3.client(
        service,
        endpoint_url=aws.proxy.url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - not a secret
        config=settings,
    )


def datum(name: str, **values: Any) -> dict[str, Any]:
    dimensions = [{"Name": "Host", "Value": "h"}]
    return {
        "MetricName": name,
        "Dimensions": dimensions,
        "Timestamp": datetime.now(UTC).replace(microsecond=0),
        **values,
    }


def put(aws: Aws, *datums: dict[str, Any], **config: Any) -> None:
    client(aws, "cloudwatch", **config).put_metric_data(Namespace=aws.cloudwatch.namespace, MetricData=list(datums))


def test_the_target_answers_and_counts(target: Target) -> None:
    before = target.served
    assert get(f"{target.url}/ok") == b"fine"
    assert len(get(f"{target.url}/items/3")) == 300
    for path, status in (("missing", 404), ("broken", 500)):
        with pytest.raises(urllib.error.HTTPError) as caught:
            get(f"{target.url}/{path}")
        assert caught.value.code == status
    assert target.served == before + 4


def test_metrics_are_recorded_and_read_back(aws: Aws) -> None:
    """The proxy decodes a call, compressed or not, and CloudWatch has its data."""
    put(aws, datum("Time", Values=[1.0, 5.0], Counts=[3.0, 1.0]), datum("Count", Value=2.0))
    put(aws, *[datum("Time", Values=[float(n) for n in range(100)], Counts=[1.0] * 100) for _ in range(50)])
    first, second = aws.proxy.calls("PutMetricData")
    assert first.accepted
    assert first.params["MetricData"][0]["Values"] == [1.0, 5.0]
    assert second.headers.get("content-encoding") == "gzip"
    assert len(second.body) < len(second.plain_body)
    statistics = aws.cloudwatch.statistics("Time", percentiles=["p50"], Host="h")
    assert (statistics.count, statistics.sum, statistics.min, statistics.max) == (5004, 8 + 50 * 4950, 0, 99)
    assert statistics.percentiles["p50"] == pytest.approx(49.5, abs=1)
    assert aws.cloudwatch.sum("Count", Host="h") == 2
    series = published(aws.proxy.calls())["Time", frozenset({("Host", "h")})]
    assert (series.count, series.sum, series.min, series.max) == (5004, 8 + 50 * 4950, 0, 99)
    assert aws.cloudwatch.series("Time") == {frozenset({("Host", "h")})}


def test_log_events_are_recorded_and_read_back(aws: Aws) -> None:
    """All pages of all streams with the prefix, and of no others."""
    logs, group = client(aws, "logs"), aws.cloudwatch.log_group
    assert aws.cloudwatch.events() == []
    logs.create_log_group(logGroupName=group)
    now = int(time.time() * 1000)
    for stream in ("a/1", "a/2", "b/1"):
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        for start in (0, 8000):
            events = [{"timestamp": now + n, "message": f"{stream} {n}"} for n in range(start, start + 8000)]
            logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
    assert len(aws.cloudwatch.events("a/")) == 32_000
    assert {event.stream for event in aws.cloudwatch.events()} == {"a/1", "a/2", "b/1"}
    assert aws.proxy.calls("PutLogEvents")[0].params["logStreamName"] == "a/1"


def test_an_error_has_the_protocol_of_the_call_and_the_given_number(aws: Aws) -> None:
    aws.proxy.on("*", error("ThrottlingException", 400, "Rate exceeded"), times=3)
    attempts: list[tuple[str, Callable[[Any], object]]] = [
        ("cloudwatch", lambda it: it.put_metric_data(Namespace="N", MetricData=[datum("M", Value=1.0)])),
        ("logs", lambda it: it.create_log_group(logGroupName="G")),
        ("sts", lambda it: it.get_caller_identity()),
    ]
    for service, call in attempts:
        with pytest.raises(ClientError) as caught:
            call(client(aws, service))
        assert caught.value.response["Error"]["Code"] == "ThrottlingException"
        assert "Rate exceeded" in str(caught.value)
    assert client(aws, "sts").get_caller_identity()["Account"]
    operations = [call.operation for call in aws.proxy.calls()]
    assert operations == ["PutMetricData", "CreateLogGroup", "GetCallerIdentity", "GetCallerIdentity"]


@pytest.mark.parametrize(
    ("fault", "stored"), [(hang, 0), (reset, 0), (lose_answer, 1)], ids=["hang", "reset", "lose_answer"]
)
def test_a_call_without_a_response_is_processed_or_not(aws: Aws, fault: Any, stored: int) -> None:
    aws.proxy.on("PutMetricData", fault, times=1)
    with pytest.raises(BotoCoreError):
        put(aws, datum("M", Value=1.0), read_timeout=1 if fault is hang else 60)
    wait_until(lambda: aws.proxy.calls("PutMetricData"), "the call has come")
    (call,) = aws.proxy.calls("PutMetricData")
    assert call.answer is None
    assert aws.cloudwatch.sum("M", Host="h") == stored
    put(aws, datum("M", Value=1.0))
    assert aws.cloudwatch.sum("M", Host="h") == stored + 1


def test_after_refused_connections_the_same_port_is_used(aws: Aws) -> None:
    put(aws, datum("M", Value=1.0))
    aws.proxy.refuse()
    with pytest.raises(BotoCoreError):
        put(aws, datum("M", Value=1.0))
    aws.proxy.listen()
    put(aws, datum("M", Value=1.0))
    assert aws.cloudwatch.sum("M", Host="h") == 2


def test_waiting_has_a_deadline() -> None:
    with pytest.raises(AssertionError, match=r"not within 0\.05 s: pigs fly"):
        wait_until(lambda: False, "pigs fly", timeout=0.05)


def test_concurrent_processes_have_different_ports() -> None:
    """A server binds its port some time after the port was found to be free."""
    ask = "import sys; from support.servers import free_port; print(free_port(), free_port()); sys.stdin.read()"
    command = [sys.executable, "-c", ask]
    with ExitStack() as stack:
        asked = [
            stack.enter_context(
                ending(subprocess.Popen(command, cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            )
            for _ in range(2)
        ]
        ports = {free_port(), free_port()}
        for process in asked:
            assert process.stdin and process.stdout  # noqa: PT018 - both are pipes
            stack.enter_context(process.stdin)
            stack.enter_context(process.stdout)
            ports.update(map(int, process.stdout.readline().split()))
    assert len(ports) == 6


def test_percentiles_are_by_nearest_rank() -> None:
    counts = Counter({10.0: 98, 20.0: 1, 30.0: 1})
    assert [nearest_rank(counts, percent) for percent in (50, 98, 98.5, 99, 99.9, 100)] == [10, 10, 20, 20, 30, 30]


def test_the_format_of_the_old_script_is_recognized() -> None:
    start = "[timestamp=2026/11/22 11:03:01.123456 UTC] [host=http://h] [request_type=GET] [name=/] [response_time=1.5]"
    assert TEXT_LINE.fullmatch(f"{start} [response_length=10] [user=5]")
    failed = TEXT_LINE.fullmatch(f"{start} [exception=it [broke]\nbadly] [user=5]")
    assert failed
    assert failed["exception"] == "it [broke]\nbadly"
    assert not TEXT_LINE.fullmatch(f"{start} [user=5]")


class Item:
    """What the order reads of a test."""

    def __init__(self, file: str, *, is_long: bool) -> None:
        self.path = Path(file)
        self.is_long = is_long

    def get_closest_marker(self, _name: str) -> object:
        return object() if self.is_long else None


def in_order(long: int, short: int, processes: int) -> tuple[list[Item], list[Item]]:
    """Tests in four long ones per file and short ones, and their order."""
    items = [Item("short", is_long=False) for _ in range(short)]
    items += [Item(f"long {number // 4}", is_long=True) for number in range(long)]
    return items, cast("list[Item]", long_tests_first(cast("list[pytest.Item]", items), processes))


@pytest.mark.parametrize("processes", [1, 2, 8])
@pytest.mark.parametrize(("long", "short"), [(0, 0), (0, 5), (10, 0), (10, 3), (10, 100)])
def test_the_order_of_tests_loses_none(long: int, short: int, processes: int) -> None:
    items, ordered = in_order(long, short, processes)
    assert sorted(map(id, ordered)) == sorted(map(id, items))


def test_each_process_starts_with_the_long_tests_of_its_files() -> None:
    _, ordered = in_order(10, 100, 2)
    files = [item.path.name for item in ordered]
    assert files[:7] == ["long 0"] * 4 + ["long 2"] * 2 + ["short"]
    assert files[55:60] == ["long 1"] * 4 + ["short"]
