"""The account, for all calls except publishing: each operation over HTTP with AWS's names, and its errors."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from locust_cw import _core
from locust_cw._aws.account import Account
from support.cloudwatch import put_alarm
from support.fixtures import Aws
from support.proxy import error, hang
from support.servers import REGION, refused_url

HERE = {"Namespace": "N", "MetricName": "M", "Dimensions": [{"Name": "Host", "Value": "h"}]}


@pytest.fixture
def account(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Account:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return Account({"endpoint_url": aws.proxy.url, "region": REGION})


def test_identity(account: Account) -> None:
    assert account.call("GetCallerIdentity")["Arn"].startswith("arn:aws:")


def test_a_dashboard_is_put_read_and_deleted(account: Account, aws: Aws) -> None:
    name, body = aws.cloudwatch.namespace, '{"widgets": []}'
    assert account.call("PutDashboard", DashboardName=name, DashboardBody=body) == {"DashboardValidationMessages": []}
    assert json.loads(account.call("GetDashboard", DashboardName=name)["DashboardBody"]) == {"widgets": []}
    account.call("DeleteDashboards", DashboardNames=[name])
    with pytest.raises(_core.AwsError) as refused:
        account.call("GetDashboard", DashboardName=name)
    assert refused.value.kind == "not_found"


def test_metrics_are_put_and_read(account: Account, aws: Aws) -> None:
    metric = HERE | {"Namespace": aws.cloudwatch.namespace}
    now = time.time()
    datum = {"MetricName": "M", "Dimensions": metric["Dimensions"], "Timestamp": int(now), "Value": 3, "Unit": "Count"}
    account.call("PutMetricData", Namespace=metric["Namespace"], MetricData=[datum])
    queries = [
        {"Id": "a", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, "Label": "all"},
        {"Id": "b", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "SampleCount"}},
    ]
    read = account.call("GetMetricData", MetricDataQueries=queries, StartTime=now - 300, EndTime=now + 60)
    results = {result["Id"]: result for result in read["MetricDataResults"]}
    assert (results["a"]["Label"], results["a"]["Values"], results["b"]["Values"]) == ("all", [3.0], [1.0])
    assert now - 120 < results["a"]["Timestamps"][0] <= now


def test_log_events_are_written_found_and_counted(account: Account, aws: Aws) -> None:
    group, now = aws.cloudwatch.log_group, int(time.time() * 1000)
    account.call("CreateLogGroup", logGroupName=group)
    account.call("CreateLogStream", logGroupName=group, logStreamName="a/1")
    events = [{"timestamp": now, "message": json.dumps({"name": name})} for name in ("/x", "/y", "/y")]
    account.call("PutLogEvents", logGroupName=group, logStreamName="a/1", logEvents=events)
    found = account.call("FilterLogEvents", logGroupName=group, logStreamNamePrefix="a/", startTime=now - 1000)
    assert [json.loads(each["message"])["name"] for each in found["events"]] == ["/x", "/y", "/y"]
    assert {each["timestamp"] for each in found["events"]} == {now}
    query = "stats count(*) as n by name | sort n desc"
    seconds = now // 1000
    started = account.call(
        "StartQuery", logGroupName=group, queryString=query, startTime=seconds - 60, endTime=seconds + 60
    )
    rows = account.call("GetQueryResults", queryId=started["queryId"])
    assert rows["status"] == "Complete"
    assert rows["results"]


def test_an_alarm_is_described(account: Account, aws: Aws) -> None:
    name = aws.cloudwatch.namespace
    put_alarm(aws.cloudwatch.metrics, name)
    (alarm,) = account.call("DescribeAlarms", AlarmNames=[name])["MetricAlarms"]
    assert alarm["AlarmName"] == name
    assert alarm["StateValue"] in ("OK", "ALARM", "INSUFFICIENT_DATA")
    assert account.call("DescribeAlarms", AlarmNames=["missing"])["MetricAlarms"] == []


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [("RebootEverything", {}), ("GetDashboard", {}), ("GetDashboard", {"DashboardName": "d", "Colour": "red"})],
    ids=["no such operation", "too little", "too much"],
)
def test_an_invalid_input_is_named(account: Account, aws: Aws, operation: str, parameters: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=operation):
        account.call(operation, **parameters)
    assert not aws.proxy.calls()


def test_a_refusal_names_the_operation_and_the_remedy(account: Account, aws: Aws) -> None:
    aws.proxy.on("PutDashboard", error("AccessDenied", 403, "not authorized"))
    with pytest.raises(_core.AwsError, match=r"PutDashboard \(dashboard d, .*IAM policy") as refused:
        account.call("PutDashboard", DashboardName="d", DashboardBody="{}")
    assert (refused.value.code, refused.value.kind, refused.value.operation) == (
        "AccessDenied",
        "access_denied",
        "PutDashboard",
    )
    assert not refused.value.is_transient
    assert len(aws.proxy.calls()) == 1, "one attempt"


def test_the_error_for_an_unreachable_endpoint_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with refused_url() as url, pytest.raises(_core.AwsError, match=url) as refused:
        Account({"endpoint_url": url, "region": REGION}).call("GetCallerIdentity")
    assert (refused.value.code, refused.value.kind, refused.value.stage) == ("NotSent", "unreachable", "call")
    assert refused.value.is_transient


@pytest.mark.parametrize("region", [REGION, None])
def test_a_profile_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch, region: str | None) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(_core.AwsError, match="profile nope") as refused:
        Account({"profile": "nope"} | ({} if region is None else {"region": region})).call("GetCallerIdentity")
    assert refused.value.code == ("NoRegion" if region is None else "NoCredentials")


def test_greenlets_continue_while_a_call_hangs(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a `sleep` of the caller, waiting polls, so that other greenlets run."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    aws.proxy.on("GetDashboard", hang)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 20:
            raise TimeoutError("enough")
        time.sleep(0.001)

    account = Account({"endpoint_url": aws.proxy.url, "region": REGION}, sleep)
    with pytest.raises(TimeoutError, match="enough"):
        account.call("GetDashboard", DashboardName="d")


def test_the_region_has_the_sources_of_the_aws_cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def region(options: dict[str, Any]) -> str | None:
        return Account(options).region()

    assert region({}) is None
    (tmp_path / "config").write_text(
        "[default]\nregion = eu-west-1\n[profile shop]\nregion=eu-west-2\n[profile none]\n"
    )
    assert region({}) == "eu-west-1"
    assert region({"profile": "shop"}) == "eu-west-2"
    assert region({"profile": "none"}) is None
    monkeypatch.setenv("AWS_PROFILE", "shop")
    assert region({}) == "eu-west-2"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    assert region({}) == "eu-west-3"
    monkeypatch.setenv("AWS_REGION", "eu-south-1")
    assert region({}) == "eu-south-1"
    assert region({"region": "us-east-1"}) == "us-east-1"


CONFIGURATION = """
[default]
endpoint_url = http://default.test  # all of it

[profile shop]
region = eu-north-1
services = shop-services
endpoint_url = http://shop.test
[profile plain]
region = eu-north-1
[profile away]
endpoint_url = http://away.test
ignore_configured_endpoint_urls = True
[services shop-services]
sts =
    endpoint_url = http://sts.test
cloudwatch =
    endpoint_url = http://metrics.test/?a=b
[profile logs]
services = logs-services
[services logs-services]
cloudwatch-logs=
 endpoint_url=http://logs.test
"""


@pytest.mark.parametrize(
    ("options", "variables", "found"),
    [
        ({}, {}, ("http://default.test", "http://default.test")),
        ({"profile": "shop"}, {}, ("http://metrics.test/?a=b", "http://shop.test")),
        ({}, {"AWS_PROFILE": "shop"}, ("http://metrics.test/?a=b", "http://shop.test")),
        ({"profile": "plain"}, {"AWS_PROFILE": "shop"}, (None, None)),
        ({"profile": "none"}, {}, (None, None)),
        ({"profile": "logs"}, {}, (None, "http://logs.test")),
        ({"profile": "shop"}, {"AWS_ENDPOINT_URL": "http://all.test"}, ("http://all.test", "http://all.test")),
        ({}, {"AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": "http://logs.test"}, ("http://default.test", "http://logs.test")),
        ({"profile": "shop", "endpoint_url": "http://given.test"}, {}, ("http://given.test", "http://given.test")),
        ({"profile": "away"}, {}, (None, None)),
        ({}, {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true", "AWS_ENDPOINT_URL": "http://all.test"}, (None, None)),
        ({}, {"AWS_CONFIG_FILE": "/none"}, (None, None)),
        ({}, {"AWS_CONFIG_FILE": "/proc/self/exe"}, (None, None)),
    ],
)
def test_an_endpoint_has_the_sources_of_the_sdk(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    options: dict[str, Any],
    variables: dict[str, str],
    found: tuple[str | None, str | None],
) -> None:
    """For metrics and for logs. None for an endpoint of AWS."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    (tmp_path / "config").write_text(CONFIGURATION)
    for name, value in {"AWS_CONFIG_FILE": str(tmp_path / "config"), **variables}.items():
        monkeypatch.setenv(name, value)
    destination = Account({"region": REGION, **options}).destination()
    metrics = destination.cloudwatch_url if destination.is_custom_cloudwatch_url else None
    logs = destination.logs_url if destination.is_custom_logs_url else None
    assert (metrics, logs) == found
    assert metrics or destination.cloudwatch_url == f"https://monitoring.{REGION}.amazonaws.com"
    assert logs or destination.logs_url == f"https://logs.{REGION}.amazonaws.com"
