"""Dashboards and saved queries in CloudWatch: runs update them, and keep what users have added."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from locust_cw import _core
from locust_cw._aws import console
from locust_cw._aws.account import Account
from locust_cw._dashboard import client as _client
from locust_cw._dashboard.limits import DashboardError
from locust_cw._dashboard.run_dashboard import Dashboard
from support.dashboards import (
    NOON,
    all_targets,
    lines,
    stored,
    view,
)
from support.fixtures import Aws
from support.proxy import Answer, Exchange, error, json_answer
from support.servers import REGION


@pytest.fixture
def account(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Account:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    return Account({"endpoint_url": aws.proxy.url, "region": REGION})


@pytest.fixture
def name(aws: Aws) -> str:
    return aws.cloudwatch.namespace


def test_runs_put_and_update_a_dashboard(aws: Aws, account: Account, name: str) -> None:
    """Each run adds three markers. Widgets that a user adds in between stay."""
    for run in range(3):
        dashboard = Dashboard(account, name, view(targets=all_targets()), f"run-{run}")
        dashboard.begin(NOON + run * 60)
        dashboard.ramped_up(NOON + run * 60 + 10)
        dashboard.stopped(NOON + run * 60 + 50, "Stopped by alarm cpu: too hot" if run == 1 else None)
        body = stored(aws, name)
        if run == 0:
            body["widgets"].append(
                {"type": "text", "x": 0, "y": 500, "width": 6, "height": 2, "properties": {"markdown": "mine"}}
            )
            aws.cloudwatch.metrics.put_dashboard(DashboardName=name, DashboardBody=json.dumps(body))
    body = stored(aws, name)
    assert lines(body) == [
        f"run run-{run} {event}" + (": Stopped by alarm cpu: too hot" if (run, event) == (1, "stop") else "")
        for run in range(3)
        for event in ("start", "ramped up", "stop")
    ]
    assert body["widgets"][-1]["properties"]["markdown"] == "mine"
    assert _client.delete(account, name) is True
    assert _client.get(account, name) is None
    assert _client.delete(account, name) is False


def test_the_next_put_includes_the_markers_of_a_failed_one(aws: Aws, account: Account, name: str) -> None:
    dashboard = Dashboard(account, name, view(), "run-1")
    aws.proxy.on("PutDashboard", error("ServiceUnavailable", 503), times=1)
    with pytest.raises(_core.AwsError, match="PutDashboard"):
        dashboard.begin(NOON)
    dashboard.stopped(NOON + 50)
    assert lines(stored(aws, name)) == ["run run-1 start", "run run-1 stop"]


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("failing", [False, True], ids=["a good call", "a call that fails"])
def test_markers_that_are_added_during_a_put_are_put_too(aws: Aws, name: str, *, failing: bool) -> None:
    """Greenlets can add markers at the same time: here, one adds a marker during the call of another."""
    waiting: list[Callable[[], None]] = []

    def meanwhile(_seconds: float) -> None:
        while waiting:
            waiting.pop()()

    dashboard = Dashboard(Account({"endpoint_url": aws.proxy.url, "region": REGION}, meanwhile), name, view(), "run-1")
    waiting.append(lambda: dashboard.stopped(NOON + 1))
    if failing:
        aws.proxy.on("GetDashboard", error("AccessDenied", 403), times=1)
    dashboard.begin(NOON)
    assert lines(stored(aws, name)) == ["run run-1 start", "run run-1 stop"]
    assert len(aws.proxy.calls("PutDashboard")) == (1 if failing else 2)


def test_a_dashboard_that_cannot_be_read_is_not_changed(aws: Aws, account: Account, name: str) -> None:
    """Without the permission to read it, a put would delete what users have added."""
    for fault in ("AccessDeniedException", "InternalServiceFault"):
        aws.proxy.on("GetDashboard", error(fault, 400 if "Denied" in fault else 500), times=1)
        with pytest.raises(_core.AwsError, match="GetDashboard"):
            _client.put(account, name, view())
    aws.cloudwatch.metrics.put_dashboard(DashboardName=name, DashboardBody="not JSON")
    with pytest.raises(DashboardError, match=name):
        _client.put(account, name, view())
    assert aws.proxy.calls("PutDashboard") == []


def test_cloudwatchs_messages_about_a_body_are_logged(
    aws: Aws, account: Account, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    import cbor2  # noqa: PLC0415 - for this answer alone

    def warn(exchange: Exchange) -> Answer:
        answer = exchange.forward(exchange.call)
        messages = [{"DataPath": "/widgets/0", "Message": "odd"}]
        return Answer(answer.status, answer.headers, cbor2.dumps({"DashboardValidationMessages": messages}))

    aws.proxy.on("PutDashboard", warn)
    _client.put(account, name, view())
    assert f"CloudWatch accepted the dashboard {name} with a warning about /widgets/0: odd" in caplog.text


# Saved queries


class QueryStore:
    """A CloudWatch Logs with saved queries, which the local one does not support."""

    def __init__(self) -> None:
        self.queries: dict[str, dict[str, Any]] = {}
        self.put = 0

    def describe(self, exchange: Exchange) -> Answer:
        prefix = exchange.call.params["queryDefinitionNamePrefix"]
        found = [
            {"queryDefinitionId": key, "name": query["name"], "queryString": query["queryString"]}
            for key, query in self.queries.items()
            if query["name"].startswith(prefix)
        ]
        return self._answer({"queryDefinitions": found})

    def save(self, exchange: Exchange) -> Answer:
        params = exchange.call.params
        self.put += 1
        key = params.get("queryDefinitionId") or f"id-{self.put}"
        self.queries[key] = params
        return self._answer({"queryDefinitionId": key})

    def _answer(self, body: dict[str, Any]) -> Answer:
        return json_answer(body)


def test_queries_are_saved_once_and_updated(aws: Aws, account: Account, name: str) -> None:
    store = QueryStore()
    aws.proxy.on("DescribeQueryDefinitions", store.describe)
    aws.proxy.on("PutQueryDefinition", store.save)
    for run in range(2):
        Dashboard(account, name, view(log_group=f"/group-{run}"), f"run-{run}").begin(NOON)
    saved = sorted(query["name"] for query in store.queries.values())
    assert saved == [f"{name}/failures by type", f"{name}/percentiles by name", f"{name}/slowest requests"]
    assert store.put == 6
    assert {group for query in store.queries.values() for group in query["logGroupNames"]} == {"/group-1"}


def test_a_cloudwatch_without_saved_queries_is_no_problem(
    aws: Aws, account: Account, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """MiniStack refuses them, which is logged at DEBUG. A missing permission is a warning."""
    with caplog.at_level("DEBUG", "locust_cw"):
        assert _client.save_queries(account, name, view()) == []
    assert {record.levelname for record in caplog.records} == {"DEBUG"}
    assert "QueryDefinition" in caplog.text
    caplog.clear()
    aws.proxy.on("DescribeQueryDefinitions", error("AccessDeniedException", 400))
    assert _client.save_queries(account, name, view()) == []
    assert "IAM policy" in caplog.text


@pytest.mark.parametrize(
    ("where", "found"), [({}, f"https://{REGION}.console.aws"), ({"endpoint_url": "http://127.0.0.1:9"}, None)]
)
def test_a_dashboard_at_aws_has_a_console_link(
    monkeypatch: pytest.MonkeyPatch, where: dict[str, str], found: str
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    shown = console.link_to_dashboard(Account({"region": REGION, **where}).destination(), "Shop")
    assert shown is None if found is None else str(shown).startswith(found)
