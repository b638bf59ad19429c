"""Any value that a client reports is published as docs/metrics-and-logs.md describes, and does not disturb Locust."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest

from support.cloudwatch import published
from support.fixtures import Aws, Locust
from support.locust_run import LocustRun

HOST = "http://clumsy.test"
INPUTS = ["tolerated", "crashing Locust's report", "raising in Locust"]


def fire(locust: Locust, what: str, *args: str, **how: Any) -> LocustRun:
    json_file = what != "crashing Locust's report"  # with the file, "raising" does not crash it
    run = locust.run("bad_input.py", *args, env={"INPUT": what}, json_file=json_file, **how)
    assert "all fired" in run.out, run.output[-3000:]
    return run


@pytest.mark.parametrize("hosts", [["--host", HOST], []], ids=["with a host", "without a host"])
@pytest.mark.parametrize("live", [["--cw-live", "--cw-flush-interval=1"], []], ids=["live", "end"])
@pytest.mark.parametrize("what", INPUTS)
def test_bad_input_is_counted_and_disturbs_nothing(
    aws: Aws, locust: Locust, what: str, live: list[str], hosts: list[str]
) -> None:
    """Exit code and Locust's statistics are those without locust-cw. CloudWatch and the log have every request."""
    run, plain = fire(locust, what, *live, *hosts), fire(locust, what, "--cw-disable", *hosts)
    assert run.exit_code == plain.exit_code
    assert run.totals == plain.totals
    assert run.listener_errors == plain.listener_errors
    requests, failures = run.totals
    receipt = run.receipt.check_delivered()
    assert (receipt["requests"]["observed"], receipt["failures"]["observed"]) == (requests, failures)
    series = published(aws.proxy.calls())
    per_request = [each.sum for (metric, names), each in series.items() if metric == "RequestCount" and len(names) == 2]
    per_host = [each.sum for (metric, names), each in series.items() if metric == "RequestCount" and len(names) == 1]
    assert sum(per_request) == sum(per_host) == requests
    assert sum(each.sum for (metric, names), each in series.items() if metric == "FailureCount") == 2 * failures
    assert sum(event.is_request for event in aws.cloudwatch.events()) == requests
    if hosts:
        assert aws.cloudwatch.sum("RequestCount", Host=HOST, Request="documented") == 10


def test_names_that_are_not_valid_dimensions_are_changed(aws: Aws, locust: Locust) -> None:
    """Non-ASCII and control characters are percent-encoded. Long names are cut, and a hash keeps them unique."""
    fire(locust, "tolerated", "--host", HOST)
    values = {value for names in aws.cloudwatch.series("RequestCount") for name, value in names if name == "Request"}
    plain = {unquote(value) for value in values}
    assert "주문 조회" in plain
    assert "a\x00b\x07\n\t\x1b[31m" in plain
    long = [value for value in values if value.startswith("n" * 900)]
    assert len(long) == 2
    assert max(map(len, long)) <= 1024


def test_requests_with_an_invalid_time_are_counted_without_a_time(aws: Aws, locust: Locust) -> None:
    """NaN, infinite, negative, missing and textual times."""
    run = fire(locust, "raising in Locust", "--host", HOST)
    requests, failures = run.totals
    untimed = 8  # nan, inf, -inf, "fast", "12.5", b"1", [1], 10**400
    assert aws.cloudwatch.sum("RequestCount", Host=HOST) == requests
    assert aws.cloudwatch.count("ResponseTime_ms", Host=HOST) == requests - failures - untimed


def test_an_unprintable_exception_names_its_type(aws: Aws, locust: Locust) -> None:
    fire(locust, "raising in Locust", "--host", HOST)
    failed = [event.fields for event in aws.cloudwatch.events() if event.is_request and "failure" in event.message]
    assert [fields["error_type"] for fields in failed] == ["UnprintableError"]


@pytest.mark.parametrize("what", INPUTS)
def test_bad_input_fits_the_text_format(aws: Aws, locust: Locust, what: str) -> None:
    run = fire(locust, what, "--host", HOST, "--cw-log-format=text")
    requests, _ = run.totals
    run.receipt.check_delivered()
    assert sum(event.is_request for event in aws.cloudwatch.events()) == requests
