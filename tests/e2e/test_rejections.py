"""CloudWatch accepts only a part: what it refuses is rejected and counted, and does not delay the rest."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from support.checks import check_log_events, check_metrics
from support.cloudwatch import LogEvent
from support.delivered import count_twice, identities, wait_until_current, wait_until_logged
from support.fixtures import Aws, Locust
from support.paced import HOST, LIVE, LONG, PACED, stop
from support.proxy import Answer, Exchange, error, hang
from support.servers import wait_until
from support.spools import files_in, spool_of

SCRIPT = [
    {"names": ["/good", "/guilty", "/fine"], "times": [1.5, 2.5], "repeat": 7},
    {"names": ["/guilty"], "error": "no", "repeat": 3},
    {"names": ["/good"], "error": "no", "repeat": 2},
]


def refuse_guilty(exchange: Exchange) -> Answer | None:
    """Like CloudWatch: one invalid datum fails the whole call."""
    for datum in exchange.call.params["MetricData"]:
        if {"Name": "Request", "Value": "/guilty"} in datum["Dimensions"]:
            return error("InvalidParameterValue", 400, "The value guilty is invalid.")(exchange)
    return exchange.forward(exchange.call)


@pytest.mark.parametrize("live", [LIVE, ()], ids=["live", "end"])
def test_an_invalid_datum_is_rejected_alone(aws: Aws, locust: Locust, tmp_path: Path, live: tuple[str, ...]) -> None:
    """Everything else is delivered. The datum stays in the spool, and its requests count as rejected."""
    aws.proxy.on("PutMetricData", refuse_guilty)
    at = time.time() // 1 - 2.5
    script = tmp_path / "script.json"
    script.write_text(json.dumps([{**entry, "at": at} for entry in SCRIPT]))
    options = ("--exit-code-on-error=0", "--host", HOST, *live)
    run = locust.run("scripted.py", *options, env={"SCRIPT": str(script)})
    receipt, stats = run.receipt.check(), run.stats
    assert stats.requests == {"/good": 16, "/guilty": 17, "/fine": 14}
    assert receipt["requests"] == {"observed": 47, "delivered": 30, "spooled": 0, "rejected": 17, "dropped": 0}
    assert receipt["failures"] == {"observed": 5, "delivered": 2, "spooled": 0, "rejected": 3, "dropped": 0}
    assert receipt["log_events"]["delivered"] == receipt["log_events"]["observed"]
    for metric, number in (("RequestCount", 47), ("FailureCount", 5)):
        assert aws.cloudwatch.sum(metric, Host=HOST) == number
    for name in ("/good", "/fine"):
        assert aws.cloudwatch.sum("RequestCount", Host=HOST, Request=name) == stats.requests[name]
        assert aws.cloudwatch.count("ResponseTime_ms", Host=HOST, Request=name) == 14
    files = list(spool_of(run).glob("*/*/rejected/*.jsonl"))
    kept = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    metrics = {"RequestCount", "FailureCount", "ResponseTime_ms", "ResponseSize_Bytes", "FailedResponseTime_ms"}
    assert {datum["MetricName"] for datum in kept} == metrics
    assert sum(datum["Value"] for datum in kept if datum["MetricName"] == "RequestCount") == 17
    for datum in kept:
        assert {"Name": "Request", "Value": "/guilty"} in datum["Dimensions"]
    assert files_in(spool_of(run)) == []
    assert any("InvalidParameterValue" in each for each in run.logged_problems())


@pytest.mark.parametrize("live", [LIVE, ()], ids=["live", "end"])
def test_log_events_that_cloudwatch_logs_rejects_are_counted_by_reason(
    aws: Aws, locust: Locust, live: tuple[str, ...]
) -> None:
    """Of the first events of a call, one is expired and two are too old. Of the last ones, three are too new."""
    left_out: list[int] = []

    def leave_out(exchange: Exchange) -> Answer:
        number = len(exchange.call.params["logEvents"])
        if number < 6 or left_out:
            return exchange.forward(exchange.call)
        left_out.append(number)
        answer = exchange.forward(exchange.call)
        info = {
            "tooOldLogEventEndIndex": 3,
            "expiredLogEventEndIndex": 1,
            "tooNewLogEventStartIndex": number - 3,
        }
        return Answer(200, answer.headers, json.dumps({"rejectedLogEventsInfo": info}).encode())

    aws.proxy.on("PutLogEvents", leave_out)
    run = locust.run(*PACED, *live, "-t", "2s")
    receipt = run.receipt.check()
    assert receipt["log_events"]["rejected"] == 6
    assert receipt["log_events"]["delivered"] == receipt["log_events"]["observed"] - 6
    assert receipt["requests"]["delivered"] == receipt["requests"]["observed"]
    (problem,) = run.logged_problems()
    for part in ("2 too old", "3 too new", r"1 .*(expired|retention)"):
        assert re.search(part, problem), problem


@pytest.mark.parametrize("what", ["group", "stream"])
def test_a_log_group_or_stream_that_is_deleted_is_recreated(aws: Aws, locust: Locust, what: str) -> None:
    """During a test. Every event arrives, in the old or in the new one."""

    def taken() -> list[LogEvent]:
        calls = [call.params for call in aws.proxy.calls("PutLogEvents") if call.accepted]
        return [LogEvent(call["logStreamName"], **event) for call in calls for event in call["logEvents"]]

    run = locust.start(*PACED, *LIVE)
    wait_until(taken, "log events arrive")
    (stream,) = aws.cloudwatch.streams()
    if what == "group":
        aws.cloudwatch.logs.delete_log_group(logGroupName=aws.cloudwatch.log_group)
    else:
        aws.cloudwatch.logs.delete_log_stream(logGroupName=aws.cloudwatch.log_group, logStreamName=stream)
    before = len(taken())
    wait_until(lambda: len(taken()) > before, "log events arrive again")
    stop(run)
    run.wait()
    receipt = run.receipt.check_delivered()
    assert aws.cloudwatch.streams() == [stream]
    assert identities(taken()).total() == len(identities(taken())) == receipt["log_events"]["observed"]
    check_log_events(taken(), run.stats)
    assert count_twice(aws.cloudwatch, run) <= receipt["uncertain"], "CloudWatch may be slow to answer meanwhile"


# Metrics and logs do not wait for each other


@pytest.mark.long
@pytest.mark.parametrize("hanging", ["PutLogEvents", "PutMetricData"])
def test_metrics_and_logs_do_not_wait_for_each_other(aws: Aws, locust: Locust, hanging: str) -> None:
    """One of them hangs during the whole test. The other is current all the time, and complete."""
    logs_hang = hanging == "PutLogEvents"
    aws.proxy.on(hanging, hang)
    run = locust.start(*PACED, *LIVE, "--cw-drain-timeout=10")
    wait_until(lambda: aws.proxy.calls(hanging), "a call that hangs")
    for _ in range(5 if LONG else 3):
        wait_until_current(aws.proxy) if logs_hang else wait_until_logged(aws.proxy)
    stop(run)
    run.wait()
    receipt = run.receipt.check()
    delivered, spooled = ("requests", "log_events") if logs_hang else ("log_events", "requests")
    assert receipt[delivered]["delivered"] == receipt[delivered]["observed"]
    assert receipt[spooled]["spooled"] == receipt[spooled]["observed"]
    if logs_hang:
        check_metrics(aws.cloudwatch, run.stats, HOST)
    else:
        check_log_events(aws.cloudwatch.events(), run.stats)
