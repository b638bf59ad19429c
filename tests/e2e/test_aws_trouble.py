"""AWS refuses calls, fails, hangs or is unreachable: the test continues, with one message and a correct receipt."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from support.delivered import identities
from support.fixtures import Aws, Locust
from support.locust_run import NO_KEYS
from support.proxy import Answer, Exchange, Fault, error, hang, lose_answer, reset
from support.servers import refused_url, wait_until

HOST = "http://troubled.test"
WALK = ["-u", "5", "-r", "100", "--host", HOST]
LIVE = ["--cw-live", "--cw-flush-interval=1", "--cw-drain-timeout=2"]
DENIED = error("AccessDeniedException", 403, "User: arn:aws:iam::1:user/u is not authorized to perform this action")


TROUBLES: dict[str, dict[str, Any]] = {
    "no credentials": {"env": NO_KEYS, "message": r"(?i)credential"},
    "no region": {"env": {"AWS_REGION": None}, "message": r"(?i)region"},
    "endpoint without a server": {"refuse": True, "message": r"PutMetricData"},
    "access denied": {"fault": DENIED, "message": r"(?s)PutMetricData.*AccessDenied|AccessDenied.*PutMetricData"},
    "wrong credentials": {
        "fault": error("InvalidClientTokenId", 403, "The security token included in the request is invalid."),
        "message": r"PutMetricData",
    },
}


@pytest.mark.parametrize("live", [LIVE, ["--cw-drain-timeout=8"]], ids=["live", "end"])
@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_one_message_names_the_cause_and_the_test_continues(
    aws: Aws, locust: Locust, trouble: dict[str, Any], live: list[str]
) -> None:
    """Locust sets the exit code.

    Nothing counts as delivered, everything is counted, and batches do not repeat the message.
    """
    aws.proxy.on("*", trouble.get("fault", hang))
    env = {"ORDER": "", **trouble.get("env", {})}
    with refused_url() as away:
        where = [f"--cw-endpoint-url={away}"] if trouble.get("refuse") else []
        run = locust.run("orders.py", *WALK, *live, *where, "-t", "5s", "--cw-logs=off", env=env)
    assert run.exit_code == 0, run.err[-3000:]
    assert run.listener_errors == 0
    logged_problems = run.logged_problems()
    assert len([each for each in logged_problems if re.search(trouble["message"], each)]) == 1, logged_problems
    assert len(logged_problems) == 1, logged_problems
    receipt = run.receipt.check()
    assert receipt["requests"]["observed"] == run.stats.requests.total() > 10
    assert receipt["requests"]["delivered"] == 0
    assert receipt["requests"]["dropped"] == 0
    if "env" in trouble:
        assert not aws.proxy.calls(), "nothing can be signed"


def test_each_refused_action_is_named_once(aws: Aws, locust: Locust) -> None:
    """If AWS refuses metrics and logs, each message names its call, and no batch repeats it."""
    aws.proxy.on("*", DENIED)
    run = locust.run("orders.py", *WALK, *LIVE, "-t", "4s")
    logged_problems = run.logged_problems()
    for operation in ("PutMetricData", "CreateLogGroup|CreateLogStream|PutLogEvents"):
        assert len([each for each in logged_problems if re.search(operation, each)]) == 1, logged_problems
    receipt = run.receipt.check()
    assert receipt["requests"]["delivered"] == receipt["log_events"]["delivered"] == 0


def test_refused_logs_do_not_stop_metrics(aws: Aws, locust: Locust) -> None:
    for operation in ("CreateLogGroup", "CreateLogStream", "PutLogEvents"):
        aws.proxy.on(operation, DENIED)
    run = locust.run("orders.py", *WALK, *LIVE, "-t", "3s", "--cw-drain-timeout=60")
    receipt = run.receipt.check()
    assert receipt["requests"]["delivered"] == receipt["requests"]["observed"]
    assert receipt["log_events"]["delivered"] == 0
    assert aws.cloudwatch.sum("RequestCount", Host=HOST) == run.stats.requests.total()


def test_a_log_group_that_cannot_be_created_rejects_no_event(aws: Aws, locust: Locust) -> None:
    """The events are valid: they stay in the spool until a user corrects the cause."""
    aws.proxy.on("CreateLogGroup", error("InvalidParameterException", 400, "The specified class is not supported here"))
    run = locust.run("orders.py", *WALK, *LIVE, "-t", "3s", "--cw-drain-timeout=60")
    receipt = run.receipt.check()
    assert receipt["requests"]["delivered"] == receipt["requests"]["observed"]
    assert receipt["log_events"]["spooled"] == receipt["log_events"]["observed"] > 10
    (problem,) = run.logged_problems()
    assert "The specified class is not supported here. Check --cw-log-group" in problem


def test_a_retention_that_is_throttled_is_set_later(aws: Aws, locust: Locust) -> None:
    aws.proxy.on("PutRetentionPolicy", error("ThrottlingException", 400, "Rate exceeded"), times=2)
    run = locust.run("orders.py", *WALK, *LIVE, "-t", "3s", "--cw-log-retention-days=7", "--cw-drain-timeout=60")
    run.receipt.check_delivered()
    assert [call.accepted for call in aws.proxy.calls("PutRetentionPolicy")] == [False, False, True]


@pytest.mark.parametrize(
    ("fault", "tries"), [(DENIED, 1), (error("InternalFailure", 500), 3)], ids=["denied", "broken"]
)
def test_a_retention_that_cannot_be_set_delays_nothing(aws: Aws, locust: Locust, fault: Fault, tries: int) -> None:
    aws.proxy.on("PutRetentionPolicy", fault)
    run = locust.run("orders.py", *WALK, *LIVE, "-t", "3s", "--cw-log-retention-days=7", "--cw-drain-timeout=60")
    run.receipt.check_delivered()
    assert len(aws.proxy.calls("PutRetentionPolicy")) == tries
    *before, last = run.logged_problems()
    assert len(before) == (tries > 1), "what is tried again is said once"
    assert all("PutRetentionPolicy" in each for each in (*before, last))
    assert all(each.endswith("locust-cw keeps retrying.") for each in before)
    assert last.endswith("Until a retention is set, the log group keeps its events forever.")


FAULTS: dict[str, Fault] = {
    "throttled": error("ThrottlingException", 400, "Rate exceeded"),
    "throttled as queries are": error("Throttling", 400, "Rate exceeded"),
    "internal failure": error("InternalFailure", 500),
    "unavailable": error("ServiceUnavailable", 503),
    "reset": reset,
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_temporary_error_is_retried_and_everything_is_delivered_once(aws: Aws, locust: Locust, fault: Fault) -> None:
    """Only without a response is it uncertain whether CloudWatch has the data twice."""
    for operation, times in {"PutMetricData": 2, "PutLogEvents": 2, "CreateLogGroup": 1, "CreateLogStream": 1}.items():
        aws.proxy.on(operation, fault, times)
    run = locust.run("orders.py", *WALK, *LIVE, "-t", "3s", "--cw-drain-timeout=90")
    receipt = run.receipt.check_delivered()
    requests = run.stats.requests.total()
    assert aws.cloudwatch.sum("RequestCount", Host=HOST) == requests
    assert aws.cloudwatch.count("ResponseTime_ms", Host=HOST, Request="step") == requests
    assert len(aws.cloudwatch.events()) == receipt["log_events"]["observed"]
    assert receipt["retries"] >= 4
    assert (receipt["uncertain"] > 0) == (fault is reset)


def test_a_lost_response_counts_as_uncertain(aws: Aws, locust: Locust) -> None:
    """CloudWatch accepted a call whose response was lost.

    The data may be stored twice, and duplicate log events can be recognized.
    """
    for operation in ("PutMetricData", "PutLogEvents"):
        aws.proxy.on(operation, lose_answer, times=1)
    run = locust.run("orders.py", *WALK, "-t", "2s")
    receipt = run.receipt.check_delivered()
    requests = run.stats.requests.total()
    assert receipt["uncertain"] > 0
    assert requests < aws.cloudwatch.sum("RequestCount", Host=HOST) <= requests + receipt["uncertain"]
    logged = [event.fields for event in aws.cloudwatch.events() if event.is_request]
    assert len({(fields["run_id"], fields["worker"], fields["seq"]) for fields in logged}) == requests < len(logged)


def test_data_that_was_never_sent_is_not_uncertain(aws: Aws, locust: Locust) -> None:
    """If the creation of the log stream hangs, no event has arrived: all are spooled, and none is uncertain."""
    for operation in ("CreateLogGroup", "CreateLogStream"):
        aws.proxy.on(operation, hang)
    receipt = locust.run("orders.py", *WALK, *LIVE, "-t", "2s", "--cw-drain-timeout=10").receipt.check()
    assert not aws.proxy.calls("PutLogEvents")
    assert receipt["log_events"]["spooled"] == receipt["log_events"]["observed"]
    assert receipt["requests"]["delivered"] == receipt["requests"]["observed"]
    assert receipt["uncertain"] == 0


def test_an_outage_in_the_middle_loses_nothing(aws: Aws, locust: Locust) -> None:
    """CloudWatch does not respond for some time in a live test, and then receives what was recorded in the meantime.

    CloudWatch may have processed a call whose connection was cut, so this data can arrive twice.
    """
    run = locust.start("orders.py", *WALK, *LIVE, "--cw-drain-timeout=60")
    wait_until(lambda: aws.proxy.calls("PutMetricData"), "publication began")
    aws.proxy.refuse()
    before = len(aws.proxy.calls())
    run.wait_for(r"(?i)WARNING/locust_cw|ERROR/locust_cw", timeout=60)
    aws.proxy.listen()
    wait_until(lambda: len(aws.proxy.calls()) > before, "publication went on", timeout=60)
    run.shut_down()
    run.wait(timeout=90)
    receipt = run.receipt.check_delivered()
    logged = identities(aws.cloudwatch.events())
    assert len(logged) == receipt["log_events"]["observed"]
    counted_twice = aws.cloudwatch.sum("RequestCount", Host=HOST) - run.stats.requests.total()
    assert counted_twice >= 0
    assert counted_twice + logged.total() - len(logged) <= receipt["uncertain"]


def test_users_greenlets_and_threads_continue_while_aws_hangs(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    """Every call hangs, and the scripted work still finishes.

    The drain then stops at its timeout, and the data counts as spooled.
    """
    aws.proxy.on("*", hang)
    go = tmp_path / "go"
    run = locust.start(
        "steady.py", "--host", HOST, "--cw-live", "--cw-flush-interval=1", "--cw-drain-timeout=1", env={"GO": str(go)}
    )
    wait_until(aws.proxy.calls, "a call that hangs")
    go.touch()
    run.wait_for("all went on")
    assert run.exit_code == 0
    receipt = run.receipt.check()
    assert receipt["requests"]["spooled"] == receipt["requests"]["observed"] == run.stats.requests.total() >= 3000


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "no terminal"])
def test_the_drain_shows_its_progress(aws: Aws, locust: Locust, *, terminal: bool) -> None:
    """The samples that are left, and the rate: as a bar in a terminal, and as lines elsewhere."""
    aws.proxy.on("*", hang)
    run = locust.run("orders.py", *WALK, "-t", "2s", "--cw-drain-timeout=4", terminal=terminal)
    assert run.exit_code == 0
    assert re.search(r"\d results left, (waiting|retrying|\d)", run.output)
    assert ("\x1b[" in run.output or re.search(r"\r(?!\n)", run.output) is not None) == terminal
    run.receipt.check()


def test_events_that_cloudwatch_logs_rejects_are_counted(aws: Aws, locust: Locust) -> None:
    """The receipt distinguishes the events of `rejectedLogEventsInfo` from the delivered ones."""

    def leave_two_out(exchange: Exchange) -> Answer:
        answer = exchange.forward(exchange.call)
        return Answer(200, answer.headers, b'{"rejectedLogEventsInfo": {"tooOldLogEventEndIndex": 2}}')

    aws.proxy.on("PutLogEvents", leave_two_out, times=1)
    run = locust.run("orders.py", *WALK, "-t", "2s")
    receipt = run.receipt.check()
    assert receipt["log_events"]["rejected"] == 2
    assert receipt["log_events"]["delivered"] == receipt["log_events"]["observed"] - 2
