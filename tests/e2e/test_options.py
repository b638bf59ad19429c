"""Every option works from each source, and a bad value stops Locust at start."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from support.checks import check_delivered_run
from support.cloudwatch import TEXT_LINE
from support.fixtures import Aws, Locust
from support.locust_run import NO_KEYS
from support.proxy import error
from support.scripted import HOST, play
from support.servers import Target

# Where options come from

OPTIONS = {
    "--cw-live", "--cw-disable", "--cw-dry-run", "--cw-local", "--cw-namespace", "--cw-dimensions", "--cw-dimension",
    "--cw-resolution", "--cw-flush-interval", "--cw-max-requests", "--cw-logs", "--cw-log-sample", "--cw-log-format",
    "--cw-log-fields",
    "--cw-log-group", "--cw-log-stream", "--cw-log-retention-days", "--cw-log-class", "--cw-region", "--cw-profile",
    "--cw-role-arn", "--cw-external-id", "--cw-endpoint-url", "--cw-run-id", "--cw-spool-dir", "--cw-spool-max-mb",
    "--cw-drain-timeout", "--cw-receipt", "--cw-fail-on-loss", "--cw-strict", "--cw-stop-on-alarm", "--cw-dashboard",
    "--cw-target", "--cw-source", "--cw-log-urls", "--cw-check", "--cw-warmup", "--cw-check-wait", "--cw-junit",
    "--cw-summary", "--cw-record", "--cw-tag", "--cw-report", "--cw-baseline", "--cw-max-regression",
}  # fmt: skip


@pytest.mark.parametrize(
    "option",
    [
        "--cw-resolution=often",
        "--cw-namespace=AWS/x",
        "--cw-receipt=/no/such/folder/receipt.json",
        "--cw-local",
        "--cw-check=p95 < 300",
    ],
)
def test_a_bad_value_stops_locust_at_start(aws: Aws, locust: Locust, target: Target, option: str) -> None:
    """A message names the option. There is no load, and AWS gets no call. tests/unit has all bad values."""
    before = target.served
    run = locust.run("shop.py", "-t", "20s", "--host", target.url, option, receipt=False)
    assert run.exit_code == 2
    assert option.split("=", 1)[0] in run.err
    assert "Traceback" not in run.err
    assert target.served == before
    assert not aws.proxy.calls()


@pytest.mark.parametrize("value", [("LOCUST_CW_RESOLUTION", "7"), ("LOCUST_CW_LOGS", "maybe")], ids=lambda it: it[0])
def test_a_bad_value_of_a_variable_stops_locust_too(locust: Locust, target: Target, value: tuple[str, str]) -> None:
    before = target.served
    run = locust.run("shop.py", "-t", "20s", "--host", target.url, env=dict([value]))
    assert run.exit_code != 0
    assert "--cw-" + value[0].removeprefix("LOCUST_CW_").lower() in run.err
    assert target.served == before


def settings(aws: Aws) -> dict[str, str]:
    return {
        "endpoint-url": aws.proxy.url,
        "namespace": aws.cloudwatch.namespace,
        "log-group": aws.cloudwatch.log_group,
        "run-id": "set-elsewhere",
        "live": "true",
        "flush-interval": "1",
    }


@pytest.mark.parametrize("source", ["environment", "locust.conf", "pyproject.toml"])
def test_options_may_be_set_elsewhere(aws: Aws, locust: Locust, tmp_path: Path, source: str) -> None:
    """In environment variables such as LOCUST_CW_NAMESPACE, in locust.conf, or in [tool.locust]."""
    values, how = settings(aws), dict[str, Any]()
    if source == "environment":
        how["env"] = {f"LOCUST_CW_{name.upper().replace('-', '_')}": value for name, value in values.items()}
    elif source == "locust.conf":
        how["files"] = {source: "".join(f"cw-{name} = {value}\n" for name, value in values.items())}
    else:
        lines = [f'"cw-{name}" = {value if value == "true" else json.dumps(value)}\n' for name, value in values.items()]
        how["files"] = {source: "[tool.locust]\n" + "".join(lines)}
    run = play(locust, tmp_path, options=[], **how)
    run.receipt.check_delivered()
    assert run.receipt["run_id"] == "set-elsewhere"
    assert aws.cloudwatch.sum("RequestCount", Host=HOST) == 45
    assert len(aws.cloudwatch.events("load-generator/set-elsewhere/")) >= 45


def test_the_help_has_the_options_in_one_group(locust: Locust) -> None:
    """The group "CloudWatch"."""
    run = locust.run("plain.py", "--help", module="locust_cw")
    assert run.exit_code == 0
    group = re.split(r"^CloudWatch:$", run.out, flags=re.MULTILINE)[1]
    assert set(re.findall(r"^ +(--cw-[a-z-]+)", group, re.MULTILINE)) == OPTIONS


# Whether to publish


def test_disable_registers_nothing(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    run = play(locust, tmp_path, "--cw-disable", "--cw-live")
    assert run.exit_code == 1
    assert run.stats.requests.total() == 45
    assert not aws.proxy.calls()
    assert not run.has_receipt
    assert not (run.folder / "state").exists()


@pytest.mark.parametrize("live", [["--cw-live"], []], ids=["live", "end"])
def test_a_dry_run_makes_no_call_and_estimates_the_cost(
    aws: Aws, locust: Locust, tmp_path: Path, live: list[str]
) -> None:
    run = play(locust, tmp_path, "--cw-dry-run", *live, env=NO_KEYS)
    receipt = run.receipt.check()
    assert not aws.proxy.calls()
    for group in ("requests", "failures", "log_events"):
        assert receipt[group]["spooled"] == receipt[group]["observed"] > 0
    assert receipt["requests"]["observed"] == 45
    assert receipt["estimated_cost_usd"] > 0
    assert run.logged_problems() == []
    assert any(path.stat().st_size for path in (run.folder / "state").rglob("*") if path.is_file()), (
        "batches are spooled"
    )


def test_strict_refuses_to_start_when_aws_refuses(aws: Aws, locust: Locust, target: Target) -> None:
    aws.proxy.on("*", error("AccessDeniedException", 403, "not authorized"))
    before = target.served
    run = locust.run("shop.py", "-t", "20s", "--host", target.url, "--cw-strict")
    assert run.exit_code != 0
    assert "AccessDenied" in run.err
    assert target.served == before


def test_strict_refuses_to_start_without_credentials(locust: Locust, target: Target) -> None:
    before = target.served
    run = locust.run("shop.py", "-t", "20s", "--host", target.url, "--cw-strict", env=NO_KEYS)
    assert run.exit_code != 0
    assert re.search("(?i)credential", run.err)
    assert target.served == before


def test_strict_starts_if_only_the_retention_fails(aws: Aws, locust: Locust, target: Target) -> None:
    aws.proxy.on("PutRetentionPolicy", error("ThrottlingException", 400, "Rate exceeded"), times=2)
    options = ["--cw-strict", "--cw-log-retention-days=7"]
    # Longer than both pauses between the tries can be: they come before the users, and the run time counts them.
    run = locust.run("shop.py", "-u", "4", "-r", "100", "-t", "8s", "--host", target.url, *options)
    assert len(aws.proxy.calls("PutRetentionPolicy")) == 3
    run.receipt.check_delivered()
    assert run.receipt["requests"]["observed"] > 0


@pytest.mark.parametrize("live", [["--cw-live"], []], ids=["live", "end"])
def test_strict_changes_nothing_if_aws_accepts_the_first_call(
    aws: Aws, locust: Locust, target: Target, live: list[str]
) -> None:
    run = locust.run("shop.py", "-u", "40", "-r", "100", "-t", "3s", "--host", target.url, "--cw-strict", *live)
    assert run.exit_code == 1, "as always when requests failed"
    check_delivered_run(aws.cloudwatch, run, target.url)


def test_a_host_that_is_not_valid_utf_8_is_published(locust: Locust, tmp_path: Path) -> None:
    run = play(locust, tmp_path, "--host", "http://a\udcff.test")
    run.receipt.check_delivered()
    assert run.receipt["requests"]["observed"] == 45


# Series


@pytest.mark.parametrize("dimensions", ["Host,Request,Method", "Request", "RunId", "Host,RunId", "Host"])
def test_dimensions_determine_the_series_and_the_host_is_always_rolled_up(
    aws: Aws, locust: Locust, tmp_path: Path, dimensions: str
) -> None:
    run = play(locust, tmp_path, f"--cw-dimensions={dimensions}")
    kinds = dimensions.split(",")
    expected: Counter[frozenset[tuple[str, str]]] = Counter()
    for name, method, requests in (("/a", "GET", 20), ("/b", "GET", 20), ("/c", "POST", 5)):
        values = {"Host": HOST, "Request": name, "Method": method, "RunId": run.receipt["run_id"]}
        expected[frozenset((kind, values[kind]) for kind in kinds)] += requests
    expected[frozenset({("Host", HOST)})] = 45
    held = {
        series: aws.cloudwatch.sum("RequestCount", **dict(series)) for series in aws.cloudwatch.series("RequestCount")
    }
    assert held == dict(expected)


def test_constant_dimensions_are_on_every_metric(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    play(locust, tmp_path, "--cw-dimension=Team=a", "--cw-dimension=Stage=b=c")
    datums = [datum for call in aws.proxy.calls("PutMetricData") for datum in call.params["MetricData"]]
    for datum in datums:
        named = {each["Name"]: each["Value"] for each in datum["Dimensions"]}
        assert (named["Team"], named["Stage"]) == ("a", "b=c"), datum
    assert aws.cloudwatch.sum("RequestCount", Host=HOST, Team="a", Stage="b=c") == 45


def test_the_run_id_may_be_chosen(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    run = play(locust, tmp_path, "--cw-run-id=release-7.1")
    assert run.receipt["run_id"] == "release-7.1"
    assert all(stream.startswith("load-generator/release-7.1/") for stream in aws.cloudwatch.streams())
    assert {event.fields["run_id"] for event in aws.cloudwatch.events() if event.is_request} == {"release-7.1"}


# Logs


def test_the_log_stream_starts_with_the_given_prefix(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    run = play(locust, tmp_path, "--cw-log-stream=nightly/eu")
    (stream,) = aws.cloudwatch.streams()
    assert stream.startswith(f"nightly/eu/{run.receipt['run_id']}/")


@pytest.mark.parametrize(("which", "logged"), [("all", 45), ("failures", 5), ("off", 0)])
def test_logs_selects_the_requests_that_are_logged(
    aws: Aws, locust: Locust, tmp_path: Path, which: str, logged: int
) -> None:
    run = play(locust, tmp_path, f"--cw-logs={which}")
    events = aws.cloudwatch.events()
    receipt = run.receipt.check_delivered()
    assert sum(event.is_request for event in events) == logged
    assert receipt["log_events"]["observed"] == len(events)
    assert receipt["requests"]["observed"] == 45


def test_a_share_of_the_successes_is_logged_and_all_failures(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    script = [{"names": ["/a"], "repeat": 2000}, {"names": ["/c"], "error": "no", "repeat": 100}]
    run = play(locust, tmp_path, "--cw-log-sample=0.1", script=script)
    outcomes = Counter(event.fields["outcome"] for event in aws.cloudwatch.events() if event.is_request)
    assert outcomes["failure"] == 100
    assert 80 <= outcomes["success"] <= 320, "200 expected, and 9 standard deviations"
    run.receipt.check_delivered()
    assert run.receipt["requests"]["observed"] == 2100


def test_the_text_format_is_that_of_the_old_script(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    run = play(locust, tmp_path, "--cw-log-format=text")
    lines = [TEXT_LINE.fullmatch(event.message) for event in aws.cloudwatch.events() if event.is_request]
    assert len(lines) == 45
    found = Counter((line["request_type"], line["name"], line["host"]) for line in lines if line)
    assert found == {("GET", "/a", HOST): 20, ("GET", "/b", HOST): 20, ("POST", "/c", HOST): 5}
    assert all(line["exception"].endswith("no") for line in lines if line and line["name"] == "/c")
    assert {float(line["response_time"]) for line in lines if line} == {10.0}
    assert {line["response_length"] for line in lines if line} == {"100", None}
    run.receipt.check_delivered()


def test_a_new_log_group_gets_retention_and_class(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    play(locust, tmp_path, "--cw-log-retention-days=7", "--cw-log-class=INFREQUENT_ACCESS").receipt.check_delivered()
    (created,) = [call for call in aws.proxy.calls("CreateLogGroup") if call.accepted]
    assert created.params == {"logGroupName": aws.cloudwatch.log_group, "logGroupClass": "INFREQUENT_ACCESS"}
    (retained,) = aws.proxy.calls("PutRetentionPolicy")
    assert retained.params == {"logGroupName": aws.cloudwatch.log_group, "retentionInDays": 7}


def test_an_existing_log_group_is_not_changed(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    aws.cloudwatch.logs.create_log_group(logGroupName=aws.cloudwatch.log_group)
    run = play(locust, tmp_path, "--cw-log-retention-days=7", "--cw-log-class=INFREQUENT_ACCESS")
    run.receipt.check_delivered()
    assert not aws.proxy.calls("PutRetentionPolicy")
    (group,) = aws.cloudwatch.logs.describe_log_groups(logGroupNamePrefix=aws.cloudwatch.log_group)["logGroups"]
    assert group["logGroupClass"] == "STANDARD"


def test_no_retention_is_set_unless_asked(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    play(locust, tmp_path)
    assert not aws.proxy.calls("PutRetentionPolicy")
