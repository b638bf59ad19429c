"""AWS throttles, breaks off, is away, or takes only a part: nothing is lost, and the receipt tells what came of it.

With LOCUST_CW_LONG_TESTS=1 the outages have their full length.
"""

from __future__ import annotations

import json
import re
import stat
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from support.checks import check_log_events, check_metrics, check_story
from support.cloudwatch import CloudWatch, LogEvent
from support.fixtures import Aws, Locust
from support.locust_run import LocustRun
from support.outages import (
    HOST,
    LIVE,
    LONG,
    OUTAGES,
    PACED,
    BadWeather,
    Memory,
    Outage,
    Sessions,
    check_at_least_once,
    count_twice,
    files_in,
    folders_in,
    identities,
    replay,
    spool_of,
    stop,
    wait_for_more,
    wait_until_current,
    wait_until_logged,
)
from support.proxy import Answer, Call, Exchange, Fault, Proxy, error, hang, passing
from support.servers import wait_until

ROLE = "arn:aws:iam::000000000000:role/load"  # in the account that the tests read


def counts_requests(call: Call) -> bool:
    return any(datum["MetricName"] == "RequestCount" for datum in call.params["MetricData"])


def published(aws: Aws) -> bool:
    """The answer of a call that was taken has arrived, too: there was another call after it."""
    return sum(call.accepted and counts_requests(call) for call in aws.proxy.calls("PutMetricData")) >= 2


# Bad weather


def test_throttling_and_resets_throughout_lose_nothing(aws: Aws, locust: Locust) -> None:
    """30 % of the calls throttled, 10 % broken off, done or not: all arrives, and twice at most what is `uncertain`."""
    aws.proxy.on("*", BadWeather(seed=3))
    options = ("--cw-live", "--cw-flush-interval=0.5", "--cw-drain-timeout=100")
    run = locust.start(*PACED, *options, "-t", "30s" if LONG else "12s").finish(timeout=150)
    assert run.exit_code == 0
    run.receipt.check_delivered()
    check_at_least_once(aws.cloudwatch, run)
    assert run.receipt["retries"] > 0
    cut_off = [call for call in aws.proxy.calls("PutMetricData", "PutLogEvents") if call.answer is None]
    of_requests = [call for call in cut_off if call.operation == "PutLogEvents" or counts_requests(call)]
    assert (run.receipt["uncertain"] > 0) == bool(of_requests)


# AWS is away for a while

RATE = 2000
OUTAGE_SECONDS = 20 if LONG else 10
AROUND_SECONDS = 10 if LONG else 3
MEMORY_SLACK_MB = 32
CURRENT_WITHIN = 10 + 5
"""What is promised, and what a busy machine takes besides."""


def wait_for_seconds(run: LocustRun, seconds: float) -> None:
    wait_for_more(run, round(seconds * RATE))


@pytest.fixture(scope="module")
def healthy_mb(ministack: str, tmp_path_factory: pytest.TempPathFactory) -> float:
    """What the process needs for the same load in the same time with AWS there."""
    with ExitStack() as stack:
        proxy = stack.enter_context(Proxy(ministack))
        aws = Aws(proxy, CloudWatch(ministack, "healthy", "/healthy"))
        run = Locust(aws, tmp_path_factory.mktemp("healthy"), stack).start(*PACED, *LIVE, env={"RATE": str(RATE)})
        with Memory(run) as memory:
            wait_for_seconds(run, 2 * AROUND_SECONDS + OUTAGE_SECONDS)
            stop(run)
            run.finish()
        run.receipt.check_delivered()
        return memory.peak_mb


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
def test_an_outage_loses_nothing_needs_no_memory_and_is_soon_forgotten(
    aws: Aws, locust: Locust, outage: Outage, healthy_mb: float
) -> None:
    """At 2,000 requests a second. Metrics are current within 10 s of the return, though a backlog waits."""
    run = locust.start(*PACED, *LIVE, "--cw-drain-timeout=100", env={"RATE": str(RATE)})
    with Memory(run) as memory:
        wait_until(lambda: published(aws), "publication began")
        wait_for_seconds(run, AROUND_SECONDS)
        outage.begin(aws.proxy)
        begun = time.monotonic()
        before = len(aws.proxy.calls())
        wait_for_seconds(run, OUTAGE_SECONDS)
        calls = len(aws.proxy.calls("PutMetricData"))
        if len(aws.proxy.calls()) > before:
            # The worst moment: a call that is still to fail went out just before.
            wait_until(lambda: len(aws.proxy.calls("PutMetricData")) > calls, "a call sees whether AWS is back")
        calls = len(aws.proxy.calls()) - before
        away = time.monotonic() - begun
        outage.end(aws.proxy)
        wait_until_current(aws.proxy, within=CURRENT_WITHIN)
        wait_for_seconds(run, 1)
        wait_until_current(aws.proxy, within=CURRENT_WITHIN)
        stop(run)
        run.finish(timeout=100)
    assert run.exit_code == 0
    assert memory.peak_mb < healthy_mb + MEMORY_SLACK_MB
    assert calls <= 3 * away, "only a call now and then sees whether AWS is back"
    run.receipt.check_delivered()
    check_at_least_once(aws.cloudwatch, run)
    assert files_in(spool_of(run)) == []


def test_sessions_of_a_role_that_end_again_and_again_lose_nothing(aws: Aws, locust: Locust) -> None:
    """Each works for as long as STS said and no longer; there is always another in time."""
    lifetime, renewals = (30, 4) if LONG else (14, 3)
    Sessions(aws.proxy, lifetime)
    run = locust.start(*PACED, *LIVE, f"--cw-role-arn={ROLE}", env={"AWS_ENDPOINT_URL": aws.proxy.url})
    wait_until(lambda: len(aws.proxy.calls("AssumeRole")) > renewals, "the sessions are renewed", timeout=120)
    wait_until_current(aws.proxy)
    stop(run)
    assert run.exit_code == 0
    check_story(aws.cloudwatch, run, HOST)
    assert not run.complaints()


def test_a_role_that_cannot_be_renewed_for_a_while_loses_nothing(aws: Aws, locust: Locust) -> None:
    """STS is away when the session ends: an outage like any other, over when STS is back."""
    lifetime = 14
    Sessions(aws.proxy, lifetime)
    run = locust.start(*PACED, *LIVE, f"--cw-role-arn={ROLE}", env={"AWS_ENDPOINT_URL": aws.proxy.url})
    wait_until(lambda: published(aws), "publication began")
    aws.proxy.on("AssumeRole", error("ServiceUnavailable", 503))
    last = [call for call in aws.proxy.calls("AssumeRole") if call.accepted][-1]
    wait_until(lambda: time.time() > last.received_at + lifetime + 1, "the session is over")
    Sessions(aws.proxy, lifetime)
    wait_until_current(aws.proxy)
    stop(run)
    assert run.exit_code == 0
    check_story(aws.cloudwatch, run, HOST)


# AWS stays away

DRAIN_SECONDS = 2


def seconds_to_receipt(run: LocustRun) -> float:
    """From when Locust has ended its test to the receipt."""
    told = run.wait_for(r"\[([\d-]+ [\d:]+),\d+\] \S+: Shutting down")[1]
    begun = datetime.strptime(told, "%Y-%m-%d %H:%M:%S").astimezone()
    return (run.folder / "receipt.json").stat().st_mtime - begun.timestamp()


@pytest.mark.parametrize(
    ("outage", "live"),
    [*((outage, LIVE) for outage in OUTAGES.values()), (OUTAGES["refused"], ())],
    ids=[*(f"{name}-live" for name in OUTAGES), "refused-end"],
)
def test_what_cannot_be_sent_in_time_is_left_for_replay(
    aws: Aws, locust: Locust, outage: Outage, live: tuple[str, ...]
) -> None:
    """The drain stops at its timeout, the receipt says `spooled`, the terminal names the command, which delivers."""
    run = locust.start(*PACED, *live, f"--cw-drain-timeout={DRAIN_SECONDS}")
    if live:
        wait_until(lambda: published(aws), "publication began")
    outage.begin(aws.proxy)
    wait_for_more(run, 1000)
    stop(run)
    assert run.exit_code == 0
    assert seconds_to_receipt(run) < DRAIN_SECONDS + 10
    receipt = run.receipt.check()
    run_id = receipt["run_id"]
    for group in ("requests", "failures", "log_events"):
        assert receipt[group]["spooled"] > 0
        assert receipt[group]["delivered"] + receipt[group]["spooled"] == receipt[group]["observed"]
    assert (receipt["requests"]["delivered"] > 0) == bool(live)
    assert f"locust-cw replay {run_id}" in run.output
    assert files_in(spool_of(run))

    outage.end(aws.proxy)
    command = replay(run.folder, run_id)
    assert command.exit_code == 0, command.output
    check_at_least_once(aws.cloudwatch, run)
    assert folders_in(spool_of(run)) == []

    calls = len(aws.proxy.calls())
    assert replay(run.folder, "--all").exit_code == 0
    assert run_id in replay(run.folder, run_id).output, "the run is named as one of which nothing is left"
    assert len(aws.proxy.calls()) == calls


# CloudWatch takes only a part

SCRIPT = [
    {"names": ["/good", "/guilty", "/fine"], "times": [1.5, 2.5], "repeat": 7},
    {"names": ["/guilty"], "error": "no", "repeat": 3},
    {"names": ["/good"], "error": "no", "repeat": 2},
]


def refuse_guilty(exchange: Exchange) -> Answer | None:
    """As CloudWatch does: one invalid datum fails the whole call."""
    for datum in exchange.call.params["MetricData"]:
        if {"Name": "Request", "Value": "/guilty"} in datum["Dimensions"]:
            return error("InvalidParameterValue", 400, "The value guilty is invalid.")(exchange)
    return exchange.forward(exchange.call)


@pytest.mark.parametrize("live", [LIVE, ()], ids=["live", "end"])
def test_an_invalid_datum_is_rejected_alone(aws: Aws, locust: Locust, tmp_path: Path, live: tuple[str, ...]) -> None:
    """Everything else is delivered; it is kept in the spool, and its requests count as rejected."""
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
    assert any("InvalidParameterValue" in each for each in run.complaints())


@pytest.mark.parametrize("live", [LIVE, ()], ids=["live", "end"])
def test_log_events_that_are_left_out_are_counted_by_reason(aws: Aws, locust: Locust, live: tuple[str, ...]) -> None:
    """Of a call's first events one expired and two too old, of its last three too new."""
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
    (complaint,) = run.complaints()
    for part in ("2 too old", "3 too new", r"1 .*(expired|retention)"):
        assert re.search(part, complaint), complaint


@pytest.mark.parametrize("what", ["group", "stream"])
def test_a_log_group_or_stream_that_is_deleted_is_made_again(aws: Aws, locust: Locust, what: str) -> None:
    """In mid-test: every event is taken, by the old or by the new one."""

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
    run.finish()
    receipt = run.receipt.check_delivered()
    assert aws.cloudwatch.streams() == [stream]
    assert identities(taken()).total() == len(identities(taken())) == receipt["log_events"]["observed"]
    check_log_events(taken(), run.stats)
    assert count_twice(aws.cloudwatch, run) <= receipt["uncertain"], "CloudWatch may be slow to answer meanwhile"


# Metrics and logs do not wait for each other


def test_metrics_do_not_wait_for_logs(aws: Aws, locust: Locust) -> None:
    """PutLogEvents hangs throughout; metrics are current all the while, and complete."""
    aws.proxy.on("PutLogEvents", hang)
    run = locust.start(*PACED, *LIVE, "--cw-drain-timeout=10")
    wait_until(lambda: aws.proxy.calls("PutLogEvents"), "a call that hangs")
    for _ in range(5 if LONG else 3):
        wait_until_current(aws.proxy)
    stop(run)
    run.finish()
    receipt = run.receipt.check()
    assert receipt["requests"]["delivered"] == receipt["requests"]["observed"]
    assert receipt["log_events"]["spooled"] == receipt["log_events"]["observed"]
    check_metrics(aws.cloudwatch, run.stats, HOST)


def test_logs_do_not_wait_for_metrics(aws: Aws, locust: Locust) -> None:
    aws.proxy.on("PutMetricData", hang)
    run = locust.start(*PACED, *LIVE, "--cw-drain-timeout=10")
    wait_until(lambda: aws.proxy.calls("PutMetricData"), "a call that hangs")
    for _ in range(5 if LONG else 3):
        wait_until_logged(aws.proxy)
    stop(run)
    run.finish()
    receipt = run.receipt.check()
    assert receipt["log_events"]["delivered"] == receipt["log_events"]["observed"]
    assert receipt["requests"]["spooled"] == receipt["requests"]["observed"]
    check_log_events(aws.cloudwatch.events(), run.stats)


# The spool

MEGABYTE = 1024 * 1024


def size_of(spool: Path) -> int:
    return sum(file.stat().st_size for file in files_in(spool))


def test_a_full_spool_drops_the_oldest_logs_first(aws: Aws, locust: Locust) -> None:
    """Each is counted, no metrics are lost, and what is left can be sent."""
    aws.proxy.refuse()
    run = locust.start(*PACED, *LIVE, "--cw-spool-max-mb=1", "--cw-drain-timeout=0", env={"RATE": "1000"})
    wait_for_more(run, 6000)
    stop(run)
    run.finish()
    receipt = run.receipt.check()
    assert receipt["requests"]["spooled"] == receipt["requests"]["observed"]
    logged = receipt["log_events"]
    assert logged["dropped"] > 0
    assert logged["spooled"] + logged["dropped"] == logged["observed"]
    assert MEGABYTE / 2 < size_of(spool_of(run)) <= MEGABYTE
    assert len([each for each in run.complaints() if "--cw-spool-max-mb" in each]) == 1

    aws.proxy.listen()
    assert replay(run.folder, receipt["run_id"]).exit_code == 0
    check_metrics(aws.cloudwatch, run.stats, HOST)
    numbers = sorted(event.fields["seq"] for event in aws.cloudwatch.events())
    assert numbers == list(range(logged["dropped"] + 1, logged["observed"] + 1))


def test_a_spool_that_is_full_of_metrics_drops_the_oldest(aws: Aws, locust: Locust) -> None:
    """Requests that are lost for want of room are counted, and the others delivered."""
    aws.proxy.refuse()
    weight = "x" * 900
    options = ("--cw-logs=off", "--cw-spool-max-mb=1", "--cw-drain-timeout=0", f"--cw-dimension=Weight={weight}")
    run = locust.start(*PACED, *LIVE, *options, env={"RATE": "1000", "NAMES": "100"})
    run.wait_for("Raise --cw-spool-max-mb")
    wait_for_more(run, 5000)
    stop(run)
    run.finish()
    requests = run.receipt.check()["requests"]
    assert requests["dropped"] > 0
    assert requests["spooled"] > 0
    assert requests["spooled"] + requests["dropped"] == requests["observed"]
    assert size_of(spool_of(run)) <= MEGABYTE

    aws.proxy.listen()
    assert replay(run.folder, "--all").exit_code == 0
    series = [{"Host": HOST, "Request": f"/{number}", "Weight": weight} for number in range(100)]
    assert sum(aws.cloudwatch.sum("RequestCount", **dimensions) for dimensions in series) == requests["spooled"]


UNWRITABLE: dict[str, Any] = {
    "no folder": {"args": ["--cw-spool-dir=file/spool"], "files": {"file": ""}},
    "full disk": {"env": {"FILE_LIMIT": "40000"}},
}


@pytest.mark.parametrize("live", [LIVE, ()], ids=["live", "end"])
@pytest.mark.parametrize("trouble", UNWRITABLE.values(), ids=UNWRITABLE)
def test_without_a_disk_all_is_delivered_from_memory(
    aws: Aws, locust: Locust, trouble: dict[str, Any], live: tuple[str, ...]
) -> None:
    """One message says that it is so."""
    how = {key: value for key, value in trouble.items() if key != "args"}
    run = locust.run(*PACED, *live, *trouble.get("args", ()), "-t", "3s", **how)
    assert run.exit_code == 0
    (complaint,) = run.complaints()
    assert re.search(r"(?i)memory", complaint)
    run.receipt.check_delivered()
    check_metrics(aws.cloudwatch, run.stats, HOST)
    check_log_events(aws.cloudwatch.events(), run.stats)


@pytest.mark.parametrize("fault", [error("ServiceUnavailable", 503), hang], ids=["unavailable", "hanging"])
def test_without_a_disk_and_without_aws_the_loss_is_counted(aws: Aws, locust: Locust, fault: Fault) -> None:
    """What only memory held is `dropped` when the process ends, under way or not, and not called spooled."""
    aws.proxy.on("*", fault)
    trouble = UNWRITABLE["no folder"]
    run = locust.start(*PACED, *LIVE, *trouble["args"], "--cw-drain-timeout=1", files=trouble["files"])
    wait_for_more(run, 100)
    stop(run)
    run.finish()
    receipt = run.receipt.check()
    for group in ("requests", "failures", "log_events"):
        assert receipt[group]["dropped"] == receipt[group]["observed"] > 0
    assert "locust-cw replay" not in run.output


def test_a_long_test_without_live_is_published_early_rather_than_dropped(aws: Aws, locust: Locust) -> None:
    """With AWS there, a spool that is too small for the whole test loses nothing."""
    run = locust.start(*PACED, "--cw-spool-max-mb=1", "--cw-drain-timeout=60", env={"RATE": "300"})
    wait_for_more(run, 3500)
    wait_until(lambda: aws.proxy.calls("PutLogEvents"), "half of the spool is full")
    stop(run)
    run.finish()
    run.receipt.check_delivered()
    check_story(aws.cloudwatch, run, HOST)


def test_an_answer_that_is_not_aws_s_condemns_nothing(aws: Aws, locust: Locust) -> None:
    """A proxy's error page: the calls are repeated until AWS itself answers."""
    page = Answer(404, {"Content-Type": "text/html"}, b"<html>no such page</html>")
    aws.proxy.on("*", lambda _: page, times=4)
    run = locust.start(*PACED, *LIVE, "--cw-drain-timeout=60")
    wait_for_more(run, 1000)
    stop(run)
    run.finish(timeout=90)
    run.receipt.check_delivered()
    check_story(aws.cloudwatch, run, HOST)


def test_the_spool_is_for_its_owner_alone_and_goes_when_all_is_delivered(aws: Aws, locust: Locust) -> None:
    aws.proxy.on("*", error("ServiceUnavailable", 503))
    run = locust.start(*PACED, *LIVE)
    spool = spool_of(run)
    wait_until(lambda: {"metrics", "logs"} <= {file.stem.split("-")[-1] for file in files_in(spool)}, "files in it")
    modes = set()
    for path in (spool, *spool.rglob("*")):
        try:
            modes.add((path.is_dir(), stat.S_IMODE(path.stat().st_mode)))
        except FileNotFoundError:  # delivered meanwhile
            continue
    assert modes == {(True, 0o700), (False, 0o600)}
    aws.proxy.heal()
    stop(run)
    run.finish()
    check_story(aws.cloudwatch, run, HOST)
    assert folders_in(spool) == []


# The exit code

FATES = {
    "delivered": passing,
    "spooled": error("ServiceUnavailable", 503),
    "rejected": error("UnsupportedOperation", 400),
}


@pytest.mark.parametrize(
    ("asked", "fate", "locusts_own", "failed"),
    [
        (True, "delivered", 0, False),
        (True, "spooled", 0, True),
        (True, "rejected", 0, True),
        (True, "delivered", 7, True),
        (True, "spooled", 7, True),
        (False, "spooled", 0, False),
    ],
)
def test_the_exit_code_tells_of_a_loss_if_asked(  # noqa: PLR0913 - a table
    aws: Aws, locust: Locust, *, asked: bool, fate: str, locusts_own: int, failed: bool
) -> None:
    """`--cw-fail-on-loss`; Locust's own code, where it is not 0, wins."""
    aws.proxy.on("PutMetricData", FATES[fate])
    options = [f"--exit-code-on-error={locusts_own}", *(["--cw-fail-on-loss"] if asked else [])]
    run = locust.start(*PACED, *options, f"--cw-drain-timeout={1 if fate == 'spooled' else 60}")
    wait_for_more(run, 100)
    stop(run)
    run.finish()
    requests = run.receipt.check()["requests"]
    assert requests[fate] == requests["observed"] > 0
    assert (run.exit_code != 0) == failed
    assert run.exit_code == locusts_own or not locusts_own
