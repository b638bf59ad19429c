"""Custom metrics and marks of a `Publisher`: what CloudWatch gets, which arguments are refused, and the bounds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from locust_cw import Publisher
from locust_cw._runs.record import Record
from support.fixtures import Aws
from support.servers import REGION

HOST = "http://shop.example"
MAX_SERIES = 200


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "REGION": REGION}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("LOCUST_CW_SPOOL_DIR", str(tmp_path))


def test_gauges_keep_their_values_and_counts_add_up(aws: Aws) -> None:
    with Publisher(host=HOST, dimension=["Team=a"], **aws.in_python) as publisher:
        for value in (3, 5, Decimal("7.5")):
            publisher.gauge("depth", value, "Count", pool="web", shard=1)  # type: ignore[arg-type]
        publisher.gauge("depth", 2, dimension=("time zone", "UTC"))
        for _ in range(100):
            publisher.count("tokens", 512)
        publisher.count("orders", Host="http://other.example")
        publisher.count("bytes", 1e6, "Bytes/Second", city="서울")
        receipt = publisher.close()
    assert receipt.complete
    team = {"Team": "a"}
    depth = aws.cloudwatch.statistics("depth", Host=HOST, pool="web", shard="1", **team)
    assert (depth.count, depth.min, depth.max, depth.sum) == (3, 3, 7.5, 15.5)
    assert aws.cloudwatch.sum("depth", Host=HOST, **team, **{"time zone": "UTC"}) == 2
    assert aws.cloudwatch.sum("tokens", Host=HOST, **team) == 51_200
    # One value per second, whatever the number of calls.
    assert aws.cloudwatch.count("tokens", Host=HOST, **team) < 10
    assert aws.cloudwatch.sum("orders", Host="http://other.example", **team) == 1
    assert aws.cloudwatch.sum("bytes", Host=HOST, city="%EC%84%9C%EC%9A%B8", **team) == 1e6


NAME = "the name of a metric must have 1 to 255 printable ASCII characters"


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda it: it.gauge("RequestCount", 1), ValueError, "locust-cw publishes the metric RequestCount itself"),
        (lambda it: it.gauge("", 1), ValueError, NAME),
        (lambda it: it.count("주문", 1), ValueError, NAME),
        (lambda it: it.gauge(":a", 1), ValueError, NAME),
        (lambda it: it.gauge("a" * 256, 1), ValueError, NAME),
        (lambda it: it.gauge(7, 1), TypeError, "the name of a metric must be text, not int"),
        (lambda it: it.gauge("a", "7"), TypeError, "the value of a must be a number, not str"),
        (lambda it: it.gauge("a", None), TypeError, "the value of a must be a number, not NoneType"),
        (lambda it: it.gauge("a", 10**400), TypeError, "the value of a must be a number, not int"),
        (
            lambda it: it.gauge("a", float("nan")),
            ValueError,
            "the value of a must be a number from 0 to 2^360, not NaN",
        ),
        (lambda it: it.count("a", -1), ValueError, "the value of a must be a number from 0 to 2^360, not -1"),
        (lambda it: it.gauge("a", 1e109), ValueError, "the value of a must be a number from 0 to 2^360"),
        (lambda it: it.gauge("a", 1, "seconds"), ValueError, '"seconds" is not a unit of CloudWatch: Seconds, '),
        (lambda it: it.gauge("a", 1, 7), TypeError, "the unit of a must be text, not int"),
        (
            lambda it: it.gauge("a", 1, pool=None),
            TypeError,
            "the dimension pool of a must be text or a number, not NoneT",
        ),
        (
            lambda it: it.gauge("a", 1, pool=["web"]),
            TypeError,
            "the dimension pool of a must be text or a number, not l",
        ),
        (lambda it: it.gauge("a", 1, 풀="web"), ValueError, "the name of a dimension must have 1 to 255"),
        (
            lambda it: it.count("a", **{f"d{number}": "x" for number in range(30)}),
            ValueError,
            "the metric a has 31 dimensions, including Host and those of --cw-dimension: CloudWatch accepts 30",
        ),
        (lambda it: it.mark(7), TypeError, "the text of a mark must be text, not int"),
        (lambda it: it.mark(" \n"), ValueError, "the text of a mark must not be blank"),
    ],
)
def test_an_invalid_argument_is_named(call: Callable[[Any], None], kind: type[Exception], message: str) -> None:
    with Publisher(host=HOST, dry_run=True) as publisher:
        with pytest.raises(kind) as error:
            call(publisher)
        assert str(error.value).startswith(message)
        assert publisher.close().text.count("were ignored") == 0


def test_the_series_of_a_process_are_bounded(aws: Aws, caplog: pytest.LogCaptureFixture) -> None:
    with Publisher(host=HOST, logs="off", **aws.in_python) as publisher:
        for number in range(MAX_SERIES + 50):
            publisher.count("tokens", user=number)
        publisher.count("later")
        text = publisher.close().text
    assert aws.cloudwatch.sum("tokens", Host=HOST, user="7") == 1
    assert aws.cloudwatch.sum("tokens", Host=HOST, user="(other)") == 50
    assert not aws.cloudwatch.series("later")
    assert "1 values of custom metrics or marks were ignored" in text
    [message] = [record.message for record in caplog.records if "custom metrics" in record.message]
    assert message.startswith(f'More than {MAX_SERIES} custom metrics, counted with their dimensions: "tokens" and')


def test_a_name_is_a_gauge_or_a_count(aws: Aws, caplog: pytest.LogCaptureFixture) -> None:
    with Publisher(host=HOST, logs="off", **aws.in_python) as publisher:
        publisher.gauge("depth", 5)
        publisher.count("depth", 1)
    assert aws.cloudwatch.sum("depth", Host=HOST) == 5
    assert any('"depth" is used as a gauge and as a count' in record.message for record in caplog.records)


def test_marks_are_log_events_and_part_of_the_record(
    aws: Aws, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As one line each, without the values in URLs, and with a bounded number."""
    with Publisher(host=HOST, run_id="marked", spool_dir=str(tmp_path), **aws.in_python) as publisher:
        publisher.mark("deploy\n began: https://ci.example/?token=s3cr3t")
        publisher.gauge("depth", 1, "Count", pool="web")
        for number in range(250):
            publisher.mark(f"step {number} " + "x" * 300)
    texts = [event.fields["text"] for event in aws.cloudwatch.events() if event.is_event("mark")]
    assert texts[0] == "deploy began: https://ci.example/?token=..."
    # The minute may have changed meanwhile.
    assert len(texts) in (100, 200)
    assert {len(text) for text in texts[1:]} == {256}
    record = Record.read("marked", str(tmp_path))
    assert [text for _, text in record.marks] == texts
    assert all(record.started <= when <= (record.stopped or 0) for when, _ in record.marks)
    assert record.custom_metrics == [{"name": "depth", "kind": "gauge", "unit": "Count", "dimensions": ["pool"]}]
    assert any("More than 100 marks in one minute" in each.message for each in caplog.records)


def test_processes_of_a_run_have_the_marks_of_all(tmp_path: Path) -> None:
    """The same mark of two processes is one."""
    publishers = [
        Publisher(host=HOST, run_id="shared", worker=worker, spool_dir=str(tmp_path), dry_run=True)
        for worker in ("a", "b")
    ]
    for number, publisher in enumerate(publishers):
        publisher.mark("begin")
        publisher.mark(f"step of {number}")
        publisher.gauge(f"depth{number}", 1)
    for publisher in publishers:
        publisher.close()
    record = Record.read("shared", str(tmp_path))
    assert sorted(text for _, text in record.marks) == ["begin", "step of 0", "step of 1"]
    assert {metric["name"] for metric in record.custom_metrics} == {"depth0", "depth1"}


def test_in_asyncio_and_when_disabled(aws: Aws) -> None:
    async def measure(publisher: Publisher) -> None:
        await publisher.gauge_async("depth", 7, pool="web")
        await publisher.count_async("tokens", 3)
        publisher.mark("half time")

    for disable in (False, True):
        publisher = Publisher(host=HOST, disable=disable, **aws.in_python)
        asyncio.run(measure(publisher))
        publisher.close()
    assert aws.cloudwatch.sum("depth", Host=HOST, pool="web") == 7
    assert aws.cloudwatch.sum("tokens", Host=HOST) == 3
    assert sum(event.is_event("mark") for event in aws.cloudwatch.events()) == 1


def test_a_dry_run_keeps_them_in_the_spool(tmp_path: Path) -> None:
    with Publisher(host=HOST, dry_run=True, spool_dir=str(tmp_path)) as publisher:
        publisher.count("tokens", 3)
        publisher.mark("half time")
        receipt = publisher.close()
    assert json.loads(receipt.json)["log_events"]["spooled"] == 1
    files = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.jsonl")]
    assert any('"MetricName":"tokens"' in text and '"Value":3.0' in text for text in files)
    assert any("half time" in text for text in files)
