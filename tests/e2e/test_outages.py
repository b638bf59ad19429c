"""AWS throttles, cuts off connections or is unreachable: nothing is lost, and the receipt is correct.

With LOCUST_CW_LONG_TESTS=1, the outages have their full length.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from datetime import datetime

import pytest

from support.checks import check_delivered_run
from support.cloudwatch import CloudWatch
from support.commands import replay
from support.delivered import check_at_least_once, wait_until_current
from support.faults import OUTAGES, BadWeather, Outage, Sessions
from support.fixtures import Aws, Locust
from support.locust_run import LocustRun
from support.memory import Memory
from support.paced import HOST, LIVE, LONG, PACED, stop, wait_for_more
from support.proxy import Call, Proxy, error
from support.servers import wait_until
from support.spools import files_in, folders_in, spool_of

ROLE = "arn:aws:iam::000000000000:role/load"  # in the account that the tests read


def counts_requests(call: Call) -> bool:
    return any(datum["MetricName"] == "RequestCount" for datum in call.params["MetricData"])


def published(aws: Aws) -> bool:
    """Whether a call was accepted and its response has arrived, because another call followed."""
    return sum(call.accepted and counts_requests(call) for call in aws.proxy.calls("PutMetricData")) >= 2


# Bad weather


def test_throttling_and_resets_throughout_lose_nothing(aws: Aws, locust: Locust) -> None:
    """30% of the calls are throttled, and 10% are cut off before or after they are processed.

    Everything arrives, and at most what is `uncertain` twice.
    """
    aws.proxy.on("*", BadWeather(seed=3))
    options = ("--cw-live", "--cw-flush-interval=0.5", "--cw-drain-timeout=100")
    run = locust.start(*PACED, *options, "-t", "30s" if LONG else "8s").wait(timeout=150)
    assert run.exit_code == 0
    run.receipt.check_delivered()
    check_at_least_once(aws.cloudwatch, run)
    assert run.receipt["retries"] > 0
    cut_off = [call for call in aws.proxy.calls("PutMetricData", "PutLogEvents") if call.answer is None]
    of_requests = [call for call in cut_off if call.operation == "PutLogEvents" or counts_requests(call)]
    assert (run.receipt["uncertain"] > 0) == bool(of_requests)


# AWS is away for a while

RATE = 2000 if LONG else 1000
OUTAGE_SECONDS = 20 if LONG else 6
AROUND_SECONDS = 10 if LONG else 2
MEMORY_SLACK_MB = 32
CURRENT_WITHIN = 10 + 5
"""What is promised, and what a busy machine takes besides."""


def wait_for_seconds(run: LocustRun, seconds: float) -> None:
    wait_for_more(run, round(seconds * RATE))


@pytest.fixture(scope="module")
def healthy_mb(ministack: str, tmp_path_factory: pytest.TempPathFactory) -> float:
    """The memory of the process at the same load and time without an outage."""
    with ExitStack() as stack:
        proxy = stack.enter_context(Proxy(ministack))
        aws = Aws(proxy, CloudWatch(ministack, "healthy", "/healthy"))
        run = Locust(aws, tmp_path_factory.mktemp("healthy"), stack).start(*PACED, *LIVE, env={"RATE": str(RATE)})
        with Memory(run) as memory:
            wait_for_seconds(run, 2 * AROUND_SECONDS + OUTAGE_SECONDS)
            stop(run)
            run.wait()
        run.receipt.check_delivered()
        return memory.peak_mb


@pytest.mark.long
@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
def test_an_outage_loses_nothing_and_needs_no_memory(
    aws: Aws, locust: Locust, outage: Outage, healthy_mb: float
) -> None:
    """At a high load. Metrics are current within 10 s after the outage, although a backlog waits."""
    run = locust.start(*PACED, *LIVE, "--cw-drain-timeout=100", env={"RATE": str(RATE)})
    with Memory(run) as memory:
        wait_until(lambda: published(aws), "publication began")
        wait_for_seconds(run, AROUND_SECONDS)
        outage.begin(aws.proxy)
        begun = time.monotonic()
        before = len(aws.proxy.calls())
        wait_for_seconds(run, OUTAGE_SECONDS)
        calls = len(aws.proxy.calls("PutMetricData"))
        if outage.takes_calls:
            # The worst moment: a call that is still to fail went out just before.
            wait_until(lambda: len(aws.proxy.calls("PutMetricData")) > calls, "a call sees whether AWS is back")
        calls = len(aws.proxy.calls()) - before
        away = time.monotonic() - begun
        outage.end(aws.proxy)
        wait_until_current(aws.proxy, within=CURRENT_WITHIN)
        wait_for_seconds(run, 1)
        wait_until_current(aws.proxy, within=CURRENT_WITHIN)
        stop(run)
        run.wait(timeout=100)
    assert run.exit_code == 0
    assert memory.peak_mb < healthy_mb + MEMORY_SLACK_MB
    assert calls <= 3 * away, "only a call now and then sees whether AWS is back"
    run.receipt.check_delivered()
    check_at_least_once(aws.cloudwatch, run)
    assert files_in(spool_of(run)) == []


def test_short_sessions_of_a_role_lose_nothing(aws: Aws, locust: Locust) -> None:
    """Each session is valid for the time that STS returned, and is renewed in time."""
    lifetime, renewals = (30, 4) if LONG else (12, 3)
    Sessions(aws.proxy, lifetime)
    env = {"AWS_ENDPOINT_URL": aws.proxy.url, "RATE": "100"}
    run = locust.start(*PACED, *LIVE, f"--cw-role-arn={ROLE}", env=env)
    wait_until(lambda: len(aws.proxy.calls("AssumeRole")) > renewals, "the sessions are renewed", timeout=120)
    wait_until_current(aws.proxy)
    stop(run)
    assert run.exit_code == 0
    check_delivered_run(aws.cloudwatch, run, HOST)
    assert not run.logged_problems()


@pytest.mark.long
def test_a_role_that_cannot_be_renewed_for_a_while_loses_nothing(aws: Aws, locust: Locust) -> None:
    """STS is unreachable when the session expires. The outage ends when STS responds again."""
    lifetime = 12
    Sessions(aws.proxy, lifetime)
    env = {"AWS_ENDPOINT_URL": aws.proxy.url, "RATE": "100"}
    run = locust.start(*PACED, *LIVE, f"--cw-role-arn={ROLE}", env=env)
    wait_until(lambda: published(aws), "publication began")
    aws.proxy.on("AssumeRole", error("ServiceUnavailable", 503))
    last = [call for call in aws.proxy.calls("AssumeRole") if call.accepted][-1]
    wait_until(lambda: time.time() > last.received_at + lifetime + 1, "the session is over")
    Sessions(aws.proxy, lifetime)
    wait_until_current(aws.proxy)
    stop(run)
    assert run.exit_code == 0
    check_delivered_run(aws.cloudwatch, run, HOST)


# AWS stays away

DRAIN_SECONDS = 2


def seconds_to_receipt(run: LocustRun) -> float:
    """Seconds from the end of Locust's test to the receipt."""
    shutdown = run.wait_for(r"\[([\d-]+ [\d:]+),\d+\] \S+: Shutting down")[1]
    begun = datetime.strptime(shutdown, "%Y-%m-%d %H:%M:%S").astimezone()
    return (run.folder / "receipt.json").stat().st_mtime - begun.timestamp()


@pytest.mark.parametrize(
    ("outage", "live"),
    [*((outage, LIVE) for outage in OUTAGES.values()), (OUTAGES["refused"], ())],
    ids=[*(f"{name}-live" for name in OUTAGES), "refused-end"],
)
def test_data_that_is_not_sent_in_time_is_left_for_replay(
    aws: Aws, locust: Locust, outage: Outage, live: tuple[str, ...]
) -> None:
    """The drain stops at its timeout, the receipt counts `spooled`, and the printed command delivers the rest."""
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
