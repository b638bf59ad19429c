"""CloudWatch has the numbers of Locust's statistics, however locust-cw was imported."""

from __future__ import annotations

import math
import re
from collections import Counter

import pytest

from support.checks import check_delivered_run, check_log_events, check_metrics, receipts_printed
from support.cloudwatch import published
from support.fixtures import Aws, Locust
from support.locust_run import LocustRun
from support.servers import Target

USERS = ["-u", "6", "-r", "100"]
RUN = [*USERS, "-t", "4s"]
ENDS = ("test_start", "test_stop")


def stopped_at(run: LocustRun) -> float:
    return float(run.wait_for(r"test_stop at ([\d.]+)")[1])


@pytest.mark.parametrize("live", [True, False], ids=["live", "end"])
def test_every_total_equals_locusts(aws: Aws, locust: Locust, target: Target, *, live: bool) -> None:
    """Counts, sample counts and log events. A live test publishes during the test, another one after its stop."""
    # Long enough for a flush during the test, however busy the machine is.
    how = ["--cw-live", "--cw-flush-interval=1", "-t", "10s"] if live else []
    run = locust.run("shop.py", *RUN, "--host", target.url, *how, new_interpreter=True)
    assert run.exit_code == 1, "as always when requests failed"
    assert set(run.stats.requests) == {"/ok", "/items/[id]", "/missing", "/broken", "/slow"}
    check_delivered_run(aws.cloudwatch, run, target.url)
    before_the_stop = Counter(call.operation for call in aws.proxy.publishing() if call.received_at < stopped_at(run))
    if live:
        assert before_the_stop["PutMetricData"] >= 1
        assert before_the_stop["PutLogEvents"] >= 1
    else:
        assert not before_the_stop


def test_the_receipt_is_printed_and_written_from_the_same_numbers(aws: Aws, locust: Locust, target: Target) -> None:
    """API calls are those that the proxy saw, nothing was repeated or uncertain, and there is a cost."""
    run = locust.run("shop.py", *RUN, "--host", target.url)
    receipt = run.receipt.check_delivered()
    assert receipts_printed(run) == 1
    assert receipt["run_id"] in run.output
    observed = receipt["requests"]["observed"]
    assert re.search(rf"\b({observed}|{observed:,})\b", run.output)
    for operation in ("PutMetricData", "PutLogEvents"):
        assert receipt["api_calls"][operation] == len(aws.proxy.calls(operation)) > 0
    assert receipt["retries"] == receipt["uncertain"] == 0
    assert receipt["bytes_sent"] > 0
    assert receipt["estimated_cost_usd"] > 0
    assert receipt["dashboard_url"] is None


def test_users_and_the_generators_health_are_sampled_once_a_second(aws: Aws, locust: Locust, target: Target) -> None:
    """For the host, at any load. Users also have values by class if there are several classes."""
    locust.run("shop.py", *RUN, "--host", target.url, "--cw-live")
    whole = {what: event.timestamp / 1000 for event in aws.cloudwatch.events() for what in ENDS if event.is_event(what)}
    seconds = math.ceil(whole["test_stop"] - whole["test_start"])
    series = published(aws.proxy.calls())
    host = frozenset({("Host", target.url)})
    for metric in ("UserCount", "GeneratorCpu_Percent", "GeneratorMemory_Bytes"):
        classes = {host | {("UserClass", name)} for name in ("Shopper", "SlowShopper")}
        assert aws.cloudwatch.series(metric) == {host} | (classes if metric == "UserCount" else set()), metric
        # One more at the stop; a machine that is busy leaves some out.
        assert 2 <= series[metric, host].count <= seconds + 2, metric
        assert max(series[metric, host].seconds.values()) <= 2, metric
    assert series["UserCount", host].max == 6
    assert series["GeneratorMemory_Bytes", host].min > 10_000_000
    assert series["GeneratorCpu_Percent", host].min >= 0


def test_log_events_have_the_properties_of_the_requests(aws: Aws, locust: Locust, target: Target) -> None:
    """Status, sizes, errors and context are those of the requests, in order of time, with run ID and worker."""
    run = locust.run("shop.py", *RUN, "--host", target.url)
    events = aws.cloudwatch.events()
    logged = [event.fields for event in events if event.is_request]
    assert {fields["run_id"] for fields in logged} == {run.receipt["run_id"]}
    assert {event.stream for event in events} == {f"load-generator/{run.receipt['run_id']}/{logged[0]['worker']}"}
    assert {fields["host"] for fields in logged} == {target.url}
    by_name = {fields["name"]: fields for fields in logged}
    expected = {
        "/ok": ("GET", "success", 200),
        "/missing": ("GET", "failure", 404),
        "/broken": ("POST", "failure", 500),
    }
    for name, (method, outcome, status) in expected.items():
        fields = by_name[name]
        assert (fields["method"], fields["outcome"], fields["status"]) == (method, outcome, status)
    assert by_name["/ok"]["response_bytes"] == len("fine")
    assert "404" in by_name["/missing"]["error"]
    assert by_name["/items/[id]"]["context"] == {"shop": "north"}
    assert max(fields["users"] for fields in logged) == 6
    (stop,) = [event for event in events if event.is_event("test_stop")]
    assert str(run.receipt["requests"]["observed"]) in stop.message, "the final statistics are in it"


def test_two_locustfiles_with_the_line_count_once(aws: Aws, locust: Locust, target: Target) -> None:
    """A second import has no effect, and the import works before and after that of Locust."""
    run = locust.run("shop.py,shop_too.py", *RUN, "--host", target.url)
    assert "/visit" in run.stats.requests
    check_delivered_run(aws.cloudwatch, run, target.url)


@pytest.mark.parametrize("locustfile", ["plain.py", "shop.py"])
def test_the_module_runs_an_unchanged_locustfile(aws: Aws, locust: Locust, target: Target, locustfile: str) -> None:
    """`python -m locust_cw -f test.py` publishes, and only once if the locustfile has the import, too."""
    run = locust.run(locustfile, *RUN, "--host", target.url, module="locust_cw", new_interpreter=True)
    check_delivered_run(aws.cloudwatch, run, target.url)


def test_attach_wins_over_the_command_line(aws: Aws, locust: Locust, target: Target) -> None:
    """Options of `attach` take precedence over those of the command line, and requests count once."""
    aws.cloudwatch.namespace += "-attached"
    env = {"ATTACH_NAMESPACE": aws.cloudwatch.namespace}
    run = locust.run("attached.py", *RUN, "--host", target.url, env=env, options=aws_options_before(aws))
    check_delivered_run(aws.cloudwatch, run, target.url)
    assert {call.params["Namespace"] for call in aws.proxy.calls("PutMetricData")} == {aws.cloudwatch.namespace}


def aws_options_before(aws: Aws) -> list[str]:
    return [option.replace("-attached", "") for option in aws.options]


def test_the_host_is_the_origin_of_the_urls_when_only_classes_have_one(
    aws: Aws, locust: Locust, target: Target
) -> None:
    run = locust.run("class_host.py", *RUN, env={"CLASS_HOST": target.url})
    check_metrics(aws.cloudwatch, run.stats, target.url)
    check_log_events(aws.cloudwatch.events(), run.stats)


def test_metrics_of_the_whole_test_have_no_host_if_that_of_a_class_is_unknown(
    aws: Aws, locust: Locust, target: Target
) -> None:
    """If the host is a property, only a user knows it."""
    run = locust.run("unknown_host.py", *RUN, env={"CLASS_HOST": target.url})
    run.receipt.check_delivered()
    assert aws.cloudwatch.count("RequestCount", Host=target.url)
    assert not aws.cloudwatch.count("UserCount", Host=target.url)
    assert aws.cloudwatch.count("UserCount", Host="(none)")
