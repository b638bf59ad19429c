"""If another server answers every call with a success, nothing counts as delivered, and nothing is lost.

Captive portals, wrong ports, gateways and mocks do this.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from locust_cw import _core
from support.proxy import REQUEST_ID, Answer, Exchange, Fault, Proxy, json_answer
from support.servers import REGION, wait_until
from support.spools import files_in

HTML = Answer(200, {"Content-Type": "text/html; charset=utf-8"}, b"<html><title>Sign in</title></html>")
CBOR_TYPE = {"Content-Type": "application/cbor"}
BY_AWS = {"x-amzn-RequestId": REQUEST_ID}


def by_type(exchange: Exchange) -> Answer:
    """The content type of the protocol, and a body that AWS could send, without AWS's headers."""
    if exchange.call.service == "cloudwatch":
        return Answer(200, CBOR_TYPE, b"\xa0")
    return Answer(200, {"Content-Type": "application/x-amz-json-1.1"}, b"{}")


def broken_off(exchange: Exchange) -> None:
    """A page that is cut off."""
    exchange.connection.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5000\r\n\r\n<html><title>Sign"
    )


FOREIGN: dict[str, Fault] = {
    "HTML": lambda _: HTML,
    "JSON": lambda _: Answer(200, {"Content-Type": "application/json"}, b'{"status": "ok"}'),
    "empty": lambda _: Answer(200, {}, b""),
    "the right content type": by_type,
    "broken off": broken_off,
    "204": lambda _: Answer(204, {}, b""),
}

ERROR = Answer(400, {"Content-Type": "application/json"}, b'{"code": "ValidationException", "message": "no"}')
"""With a code that would have the data rejected if it were AWS's."""


@pytest.fixture
def elsewhere() -> Iterator[Proxy]:
    """A server that is not CloudWatch."""
    with Proxy("http://127.0.0.1:1") as proxy:
        yield proxy


@pytest.fixture
def options(tmp_path: Path, elsewhere: Proxy, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return {"endpoint_url": elsewhere.url, "region": REGION, "spool_dir": str(tmp_path), "flush_interval": 0.5}


def publish(options: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Publish twenty requests until nothing more can be done. Returns the receipt, and the warnings and errors."""
    publisher = _core.Publisher(options, run_id="run", worker="w")
    for _ in range(20):
        publisher.record("GET", "/a", 1.0, 10)
    if options.get("live"):
        wait_until(lambda: publisher.progress().call_failures, "a call fails")
    publisher.seal()
    wait_until(lambda: publisher.progress().over, "nothing more can be sent")
    text = publisher.finish().json
    said = [message.text for message in publisher.take_messages() if message.level >= logging.WARNING]
    return json.loads(text), said


def contents(spool: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in files_in(spool)}


@pytest.mark.parametrize("live", [True, False], ids=["live", "end"])
@pytest.mark.parametrize("fault", FOREIGN.values(), ids=FOREIGN)
def test_nothing_counts_as_delivered_and_the_spool_keeps_the_data(
    elsewhere: Proxy, options: dict[str, Any], tmp_path: Path, fault: Fault, *, live: bool
) -> None:
    elsewhere.on("*", fault)
    receipt, said = publish(options | {"live": live})
    for group in ("requests", "log_events"):
        assert receipt[group]["spooled"] == receipt[group]["observed"] == 20, receipt
    assert len(said) == 1, said
    assert "was not answered by AWS" in said[0]
    assert "--cw-endpoint-url" in said[0]
    assert len(files_in(tmp_path)) >= 2


def test_an_error_of_another_server_rejects_nothing(elsewhere: Proxy, options: dict[str, Any], tmp_path: Path) -> None:
    elsewhere.on("*", lambda _: ERROR)
    publisher = _core.Publisher(options, run_id="run", worker="w")
    publisher.record("GET", "/a", 1.0, 10)
    publisher.seal()
    wait_until(lambda: len(elsewhere.calls("PutMetricData")) > 1, "the call is repeated")
    receipt = json.loads(publisher.finish().json)
    assert receipt["requests"]["spooled"] == receipt["log_events"]["spooled"] == 1
    assert len(files_in(tmp_path)) == 2


def test_the_size_limit_of_a_gateway_rejects_nothing(elsewhere: Proxy, options: dict[str, Any], tmp_path: Path) -> None:
    """It is not the limit of CloudWatch. Data that cannot be split any further waits."""
    page = Answer(413, {"Content-Type": "text/html"}, b"<html>Request Entity Too Large</html>")
    elsewhere.on("*", lambda _: page)
    elsewhere.on("CreateLogStream", lambda _: json_answer({}))
    publisher = _core.Publisher(options, run_id="run", worker="w")
    for _ in range(20):
        publisher.record("GET", "/a", 1.0, 10)
    publisher.seal()

    def tried_alone(operation: str, what: str) -> bool:
        """A datum or event that was sent alone was refused, and data was sent again."""
        return [len(call.params[what]) for call in elsewhere.calls(operation)].count(1) >= 2

    wait_until(
        lambda: tried_alone("PutMetricData", "MetricData") and tried_alone("PutLogEvents", "logEvents"),
        "each call is cut as far as can be",
    )
    messages = [message.text for message in publisher.take_messages() if message.level >= logging.WARNING]
    assert not [text for text in messages if "rejected" in text], messages
    assert any("locust-cw sends smaller calls." in text for text in messages), messages
    assert any("Results are kept in the spool." in text for text in messages), messages
    receipt = json.loads(publisher.finish().json)
    for group in ("requests", "log_events"):
        assert receipt[group]["spooled"] == receipt[group]["observed"] == 20, receipt
    assert files_in(tmp_path)


@pytest.mark.parametrize("operation", ["PutMetricData", "PutLogEvents"])
def test_after_an_incomplete_response_of_aws_the_call_is_uncertain(
    elsewhere: Proxy, options: dict[str, Any], tmp_path: Path, operation: str
) -> None:
    """It is repeated, and counts as uncertain."""

    def incomplete(exchange: Exchange) -> Answer:
        if exchange.call.service == "cloudwatch":
            return Answer(200, BY_AWS | CBOR_TYPE | {"smithy-protocol": "rpc-v2-cbor"}, b"\xa1aA")
        return Answer(200, json_answer({}).headers, b'{"nextSequenceTok')

    elsewhere.on("*", lambda _: json_answer({}))
    elsewhere.on(operation, incomplete)
    publisher = _core.Publisher(
        options | {"logs": "off" if operation == "PutMetricData" else "all"}, run_id="r", worker="w"
    )
    publisher.record("GET", "/a", 1.0, 10)
    publisher.seal()
    wait_until(lambda: len(elsewhere.calls(operation)) > 1, "the call is repeated")
    receipt = json.loads(publisher.finish().json)
    assert receipt["requests" if operation == "PutMetricData" else "log_events"]["spooled"] == 1
    assert receipt["uncertain"] >= 1
    assert files_in(tmp_path)


@pytest.mark.parametrize("fault", FOREIGN.values(), ids=FOREIGN)
def test_a_replay_keeps_the_spool(elsewhere: Proxy, options: dict[str, Any], tmp_path: Path, fault: Fault) -> None:
    elsewhere.on("*", lambda _: HTML)
    publish(options)
    before = contents(tmp_path)
    elsewhere.on("*", fault)
    (pending,) = _core.pending_spools(str(tmp_path))
    again = _core.Replay(pending.folder, {})
    wait_until(lambda: again.progress().over, "nothing more can be sent")
    receipt = again.finish()
    assert not receipt.complete
    assert contents(tmp_path) == before
    assert any("was not answered by AWS" in failure.message for failure in receipt.call_failures)
