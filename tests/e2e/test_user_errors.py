"""Exceptions in tasks: each is a log event, the receipt counts them, and they are not requests."""

from __future__ import annotations

import pytest

from support.fixtures import Aws, Locust
from support.servers import wait_until

RAISED = 5
USERS = ["-u", "2", "-r", "100"]


@pytest.mark.parametrize("how", [[], ["--processes", "1"]], ids=["one process", "master and worker"])
def test_exceptions_in_tasks_are_logged_and_counted(aws: Aws, locust: Locust, how: list[str]) -> None:
    run = locust.start("raising.py", *USERS, *how)
    wait_until(lambda: run.err.count("Traceback") == RAISED, "all exceptions are raised")
    run.shut_down()
    receipt = run.wait().receipt
    assert receipt["user_errors"] == RAISED
    assert receipt["requests"]["observed"] == 0
    assert f"Exceptions in tasks: {RAISED}; see the log events user_error." in run.err
    events = [event.fields for event in aws.cloudwatch.events() if event.fields.get("event") == "user_error"]
    logged = sorted((event["user_class"], event["error_type"], event["error"]) for event in events)
    assert logged == [
        *[("Browser", "KeyError", "'page'")] * 2,
        *[("Buyer", "OutOfStock", "no tea, see https://shop.example/tea?token=...")] * 3,
    ]
    assert {event["where"].partition(":")[0] for event in events} == {"raising.py"}
    assert {event["where"].rpartition(" ")[2] for event in events} == {"buy", "read"}
