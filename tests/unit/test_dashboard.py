"""The dashboard: everything on it is CloudWatch's own grammar, names data that is there, and outlives many runs."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGINT
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_cw import _core
from locust_cw._aws import console
from locust_cw._aws import targets as _targets
from locust_cw._aws.account import Account
from locust_cw._dashboard import client as _client
from locust_cw._dashboard.annotations import MAX_RUNS, Mark
from locust_cw._dashboard.body import make_body
from locust_cw._dashboard.limits import DashboardError
from locust_cw._dashboard.log_queries import saved_queries
from locust_cw._dashboard.name import check_name, default_name
from locust_cw._dashboard.run_dashboard import Dashboard
from locust_cw._dashboard.variables import MAX_HOSTS
from locust_cw._dashboard.view import View
from locust_cw._dashboard.widget_json import OURS
from support.dashboard_grammar import assert_valid, expressions_of, log_query_problems, metrics_of, problems, resolved
from support.fixtures import Aws, Locust
from support.fleet import MasterWeb
from support.locust_run import NO_KEYS, LocustRun
from support.outages import commanding
from support.proxy import Answer, Exchange, error, json_answer
from support.servers import REGION, Target, answers, wait_until

HOST = "https://shop.example"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()

# What AWS's services publish, from their own lists of CloudWatch metrics: for each namespace the sets of dimensions in
# use here, and the metrics that have them.
LOAD_BALANCER_METRICS = {
    "TargetResponseTime", "RequestCount", "HTTPCode_Target_5XX_Count", "HTTPCode_Target_4XX_Count",
    "TargetConnectionErrorCount",
}  # fmt: skip
PUBLISHED: dict[str, dict[tuple[str, ...], set[str]]] = {
    "AWS/EC2": {
        ("InstanceId",): {"NetworkIn", "NetworkOut", "StatusCheckFailed", "CPUUtilization", "CPUCreditBalance"},
        ("AutoScalingGroupName",): {"NetworkIn", "NetworkOut", "StatusCheckFailed", "CPUUtilization"},
    },
    "AWS/AutoScaling": {
        ("AutoScalingGroupName",): {"GroupInServiceInstances", "GroupDesiredCapacity", "GroupMaxSize"},
    },
    "AWS/ApplicationELB": {
        ("LoadBalancer",): LOAD_BALANCER_METRICS
        | {"HTTPCode_ELB_5XX_Count", "ActiveConnectionCount", "RejectedConnectionCount"},
        ("LoadBalancer", "TargetGroup"): LOAD_BALANCER_METRICS
        | {"RequestCountPerTarget", "HealthyHostCount", "UnHealthyHostCount"},
        ("TargetGroup",): {"RequestCountPerTarget"},
    },
    "AWS/NetworkELB": {
        ("LoadBalancer",): {
            "NewFlowCount", "ActiveFlowCount", "ProcessedBytes", "TCP_Target_Reset_Count", "TCP_Client_Reset_Count",
            "TCP_ELB_Reset_Count", "PortAllocationErrorCount",
        },
        ("LoadBalancer", "TargetGroup"): {"HealthyHostCount", "UnHealthyHostCount"},
    },
    "AWS/RDS": {
        ("DBInstanceIdentifier",): {
            "ReadLatency", "WriteLatency", "ReadIOPS", "WriteIOPS", "CPUUtilization", "BurstBalance",
            "DatabaseConnections", "DiskQueueDepth", "FreeableMemory",
        },
    },
    "AWS/ECS": {("ClusterName", "ServiceName"): {"CPUUtilization", "MemoryUtilization"}},
    "ECS/ContainerInsights": {
        ("ClusterName", "ServiceName"): {
            "NetworkRxBytes", "NetworkTxBytes", "RunningTaskCount", "PendingTaskCount", "DesiredTaskCount",
        },
    },
    "AWS/Lambda": {
        ("FunctionName",): {"Duration", "Invocations", "Errors", "Throttles", "ConcurrentExecutions"},
        ("FunctionName", "Resource"): {"Duration", "Invocations", "Errors", "Throttles", "ConcurrentExecutions"},
    },
    "AWS/ApiGateway": {("ApiName",): {"Latency", "IntegrationLatency", "Count", "4XXError", "5XXError"}},
    "AWS/DynamoDB": {
        ("TableName",): {
            "ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits", "ProvisionedReadCapacityUnits",
            "ProvisionedWriteCapacityUnits", "ReadThrottleEvents", "WriteThrottleEvents",
        },
        ("Operation", "TableName"): {"SuccessfulRequestLatency", "SystemErrors"},
    },
    "AWS/SQS": {
        ("QueueName",): {
            "ApproximateAgeOfOldestMessage", "NumberOfMessagesSent", "NumberOfMessagesReceived",
            "NumberOfMessagesDeleted", "ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible",
        },
    },
    "AWS/ElastiCache": {
        ("CacheClusterId",): {
            "GetTypeCmdsLatency", "SetTypeCmdsLatency", "GetTypeCmds", "SetTypeCmds", "Evictions", "CacheMisses",
            "EngineCPUUtilization", "CPUUtilization", "DatabaseMemoryUsagePercentage", "CurrConnections",
        },
    },
    "AWS/CloudFront": {
        ("DistributionId", "Region"): {"OriginLatency", "Requests", "5xxErrorRate", "4xxErrorRate", "CacheHitRate"},
    },
}  # fmt: skip

BALANCER = "app/shop/50dc6c495c0c9188"
GROUP = "targetgroup/shop/943f017f100becff"
TARGETS = {
    "ec2:i-0123456789abcdef0": {"InstanceId": "i-0123456789abcdef0"},
    "asg:web group": {"AutoScalingGroupName": "web group"},
    f"alb:{BALANCER}": {"LoadBalancer": BALANCER},
    "nlb:net/shop/50dc6c495c0c9188": {"LoadBalancer": "net/shop/50dc6c495c0c9188"},
    f"targetgroup:{GROUP}": {"TargetGroup": GROUP},
    f"targetgroup:{BALANCER}/{GROUP}": {"TargetGroup": GROUP, "LoadBalancer": BALANCER},
    f"targetgroup:net/shop/1/{GROUP}": {"TargetGroup": GROUP, "LoadBalancer": "net/shop/1"},
    "rds:shop-db": {"DBInstanceIdentifier": "shop-db"},
    "ecs:shop/web": {"ClusterName": "shop", "ServiceName": "web"},
    "lambda:checkout": {"FunctionName": "checkout"},
    "lambda:checkout:live": {"FunctionName": "checkout", "Resource": "checkout:live"},
    "apigateway:Shop API": {"ApiName": "Shop API"},
    "dynamodb:Orders": {"TableName": "Orders"},
    "sqs:orders.fifo": {"QueueName": "orders.fifo"},
    "elasticache:shop-001": {"CacheClusterId": "shop-001"},
    "cloudfront:E1ABCDEF2GHIJK": {"DistributionId": "E1ABCDEF2GHIJK", "Region": "Global"},
}
OTHER_METRIC = 'metric:App/Web/QueueLength{Pool=web,Zone="a,b"}:p99.9'

BAD_TARGETS = {
    "": "KIND:ID",
    "shop": "KIND:ID",
    "vm:1": "ec2",
    "ec2:web-1": "i-0123",
    "ec2:": "i-0123",
    "asg:a:b": "NAME",
    "alb:shop": "app/NAME/ID",
    "alb:net/shop/50dc6c495c0c9188": "app/NAME/ID",
    "nlb:app/shop/50dc6c495c0c9188": "net/NAME/ID",
    "targetgroup:shop": "targetgroup/NAME/ID",
    "rds:-db": "IDENTIFIER",
    "ecs:shop": "CLUSTER/SERVICE",
    "lambda:a b": "NAME",
    "apigateway: ": "NAME",
    "dynamodb:ab": "TABLE",
    "sqs:a.b": "QUEUE",
    "elasticache:1a": "ID",
    "cloudfront:e1": "E1ABCDEF2GHIJK",
    "metric:App": "NAMESPACE/NAME",
    "metric:App/Queue{Pool}:Sum": "Dimension=Value",
    "metric:App/Queue{Pool=a,Pool=b}:Sum": "occurs twice",
    "metric:App/Queue{Pool=}:Sum": "Pool",
    "metric:App/Queue{Pool=ä}:Sum": "ASCII",
    "metric:App/Queue": "STATISTIC",
    "metric:App/Queue:Median": "Average",
    "metric:App/Queue:p101": "p99",
    "metric:App/Queue{" + ",".join(f"D{n}=1" for n in range(31)) + "}:Sum": "30",
}


def view(**how: Any) -> View:
    return dataclasses.replace(View.of({}, region=REGION, host=HOST), **how)


def all_targets() -> tuple[_targets.Target, ...]:
    return tuple(_targets.parse(text) for text in (*TARGETS, OTHER_METRIC))


def marks(run: int) -> list[Mark]:
    """Of one run a minute."""
    start = NOON + 60 * run
    return [
        Mark(f"run-{run}", "start", start),
        Mark(f"run-{run}", "ramped up", start + 10),
        Mark(f"run-{run}", "stop", start + 50),
    ]


def widget(body: dict[str, Any], title: str) -> dict[str, Any]:
    shown = [each for each in body["widgets"] if isinstance(each.get("properties"), dict)]
    (found,) = [each for each in shown if str(each["properties"].get("title")).startswith(title)]
    assert isinstance(found, dict)
    return found


def lines(body: dict[str, Any]) -> list[str]:
    """The labels of the vertical annotations, the same on every graph over time."""
    graphs = [each["properties"] for each in body["widgets"] if each["properties"].get("view") == "timeSeries"]
    assert graphs
    drawn = [[each["label"] for each in graph.get("annotations", {}).get("vertical", [])] for graph in graphs]
    assert all(each == drawn[0] for each in drawn)
    return drawn[0]


def marked_runs(body: dict[str, Any]) -> list[str]:
    """The runs that it has marks of, oldest first."""
    graph = widget(body, f"Requests and failures per second{OURS}")
    marks = map(Mark.read, graph["properties"].get("annotations", {}).get("vertical", []))
    return list(dict.fromkeys(mark.run_id for mark in marks if mark is not None))


# Targets


@pytest.mark.parametrize("text", TARGETS)
def test_a_target_has_the_metrics_that_its_service_publishes(text: str) -> None:
    """With the dimensions that they really have."""
    target = _targets.parse(text)
    assert target.text == text
    assert text.partition(":")[2] in target.title
    assert target.signals
    for signal in target.signals:
        assert signal.unit
        assert len({metric.label for metric in signal.metrics}) == len(signal.metrics)
        for metric in signal.metrics:
            dimensions = dict(metric.dimensions)
            assert metric.name in PUBLISHED[metric.namespace][tuple(sorted(dimensions))], metric
            assert dimensions.items() >= TARGETS[text].items()
            assert metric.region == ("us-east-1" if target.kind == "cloudfront" else None)
            assert metric.stat == "Sum" or metric.divisor is None, metric
            assert ("/s" in signal.unit) == (metric.divisor is not None) or metric.stat == "Average", metric


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("alb", {"Latency", "Traffic", "Errors", "Saturation"}),
        ("lambda", {"Latency", "Traffic", "Errors", "Saturation"}),
        ("dynamodb", {"Latency", "Traffic", "Errors", "Saturation"}),
        ("elasticache", {"Latency", "Traffic", "Errors", "Saturation"}),
        ("ec2", {"Traffic", "Errors", "Saturation"}),
        ("rds", {"Latency", "Traffic", "Saturation"}),
        ("sqs", {"Latency", "Traffic", "Saturation"}),
    ],
)
def test_a_target_has_the_golden_signals_there_are(kind: str, expected: set[str]) -> None:
    text = next(text for text in TARGETS if text.startswith(f"{kind}:"))
    assert {signal.title.partition(":")[0] for signal in _targets.parse(text).signals} == expected


def test_any_other_metric_can_be_a_target() -> None:
    ((metric,),) = [signal.metrics for signal in _targets.parse(OTHER_METRIC).signals]
    assert (metric.namespace, metric.name, metric.stat) == ("App/Web", "QueueLength", "p99.9")
    assert metric.dimensions == (("Pool", "web"), ("Zone", "a,b"))
    ((bare,),) = [signal.metrics for signal in _targets.parse("metric:App/Errors:TM(10%:90%)").signals]
    assert (bare.namespace, bare.name, bare.dimensions, bare.stat) == ("App", "Errors", (), "TM(10%:90%)")


@pytest.mark.parametrize("text", BAD_TARGETS)
def test_a_bad_target_is_refused_with_the_form_expected(text: str) -> None:
    with pytest.raises(_core.InvalidOptionError) as refused:
        _targets.parse(text)
    message = str(refused.value)
    assert message.startswith("argument --cw-target: ")
    assert repr(text) in message
    assert BAD_TARGETS[text] in message
    assert "expected" in message


@given(st.sampled_from([text.partition(":")[0] for text in TARGETS] + ["metric"]), st.text(max_size=60))
def test_any_target_is_taken_or_refused(kind: str, identifier: str) -> None:
    """Nothing but the one error, and what is taken is fit for a dashboard."""
    try:
        target = _targets.parse(f"{kind}:{identifier}")
    except _core.InvalidOptionError:
        return
    assert problems(make_body(view(targets=(target,)))) == []


# The body

VIEWS = {
    "plain": view(),
    "no host": view(host=None),
    "odd host": view(host=_core.dimension_value("http://[::1]:8080/ü+(a)?b=$1")),
    "all targets": view(targets=all_targets()),
    "the same target twice": view(targets=all_targets()[:2] * 2),
    "series": view(series=("Host", "Request", "Method", "RunId")),
    "hosts alone": view(series=("Host",)),
    "no hosts": view(series=("Request",)),
    "constants": view(constants=(("stage", "test 1"), ("my-dim", "x\"y'z"))),
    "odd namespace": view(namespace="My App/Load (1)"),
    "failures": view(logs="failures"),
    "no logs": view(logs="off"),
    "text": view(log_format="text"),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_body_is_valid(name: str) -> None:
    """As it is put, as it is shown, and updated for the same view."""
    body = assert_valid(json.dumps(make_body(VIEWS[name], marks(1))))
    host = {} if VIEWS[name].host else {"locustCwHost": HOST}
    assert_valid(resolved(body, **host))
    assert make_body(VIEWS[name], (), body) == body
    for query in saved_queries(VIEWS[name]).values():
        assert list(log_query_problems(query)) == []


def test_namespace_and_host_are_variables() -> None:
    """Whatever is chosen replaces both everywhere: in metrics, searches and queries."""
    body = make_body(view(targets=all_targets()), marks(1))
    shown = resolved(body, locustCwNamespace="Other NS", locustCwHost="http://other")
    assert "LocustCw" not in json.dumps(shown)
    own = [metric for metric in metrics_of(shown) if metric[1] in ("RequestCount", "UserCount", "ResponseTime_ms")]
    assert {metric[2].get("Host") for metric in own if metric[0] == "Other NS"} == {"http://other"}
    queries = [text for text in expressions_of(shown) if re.search("SEARCH|SELECT", text)]
    assert len(queries) == 6
    for query in queries:
        assert '"Other NS"' in query
        assert "http://other" in query
    assert "http://other" in widget(shown, "Newest failures")["properties"]["query"]
    assert "Locust" not in {metric[0] for metric in metrics_of(shown)}


def test_hosts_to_choose_from_add_up() -> None:
    body = make_body(view(host="http://0"))
    for number in range(1, 30):
        body = assert_valid(make_body(view(host=f"http://{number}"), (), body))
    variable = body["variables"][1]
    assert variable["defaultValue"] == "http://29"
    assert [value["value"] for value in variable["values"]] == [f"http://{29 - n}" for n in range(MAX_HOSTS)]


def test_without_a_host_the_hosts_are_searched_for() -> None:
    variable = make_body(view(host=None, constants=(("stage", "x"),)))["variables"][1]
    assert variable["search"] == '{"Locust","Host","stage"} MetricName="RequestCount"'
    assert (variable["populateFrom"], variable["defaultValue"]) == ("Host", "__FIRST")


def test_without_a_host_gauges_are_drawn_of_the_whole_test_too() -> None:
    """Beside those of the host that is chosen: where users have several hosts, these alone are published."""
    shown = resolved(make_body(view(host=None)), locustCwHost=HOST)
    for metric in ("UserCount", "WorkerCount", "GeneratorCpu_Percent", "GeneratorMemory_Bytes"):
        lines = [each for each in metrics_of(shown) if each[1] == metric]
        assert {dimensions["Host"] for _, _, dimensions, _ in lines} == {HOST, _core.NO_HOST}, metric
        labels = [rendering["label"] for *_, rendering in lines]
        assert len(labels) == len(set(labels)), "they can be told apart"
    searches = [text for text in expressions_of(shown) if "UserClass" in text]
    assert [HOST in text for text in searches] == [True, False]
    assert _core.NO_HOST in searches[1]


def test_targets_stand_on_the_time_axis_of_the_load() -> None:
    """Each signal of each target is a graph with the same period and marks."""
    body = make_body(view(targets=all_targets()), marks(1))
    titles = {str(each["properties"].get("title")): each["properties"] for each in body["widgets"]}
    for target in all_targets():
        for signal in target.signals:
            graph = titles[f"{signal.title}, {target.title} (locust-cw)"]
            assert (graph["period"], graph["view"]) == (60, "timeSeries")
            assert [each["label"] for each in graph["annotations"]["vertical"]] == lines(body)
    assert "us-east-1" in {metric[3].get("region") for metric in metrics_of(body) if metric[0] == "AWS/CloudFront"}


def test_too_many_targets_are_refused() -> None:
    many = tuple(_targets.parse(f"sqs:queue-{number}") for number in range(130))
    with pytest.raises(DashboardError, match=r"widgets.*--cw-target"):
        make_body(view(targets=many))


def test_marks_give_way_to_cloudwatchs_limit_of_size() -> None:
    """The oldest go, until the body fits."""
    many = tuple(_targets.parse(f"sqs:queue-{number}") for number in range(110))
    reason = "x" * 1000
    runs = [Mark(f"run-{run}", "stop", NOON + run, reason) for run in range(20)]
    body = assert_valid(make_body(view(targets=many), runs))
    left = marked_runs(body)
    assert 0 < len(left) < 20
    assert left == [f"run-{run}" for run in range(20 - len(left), 20)]


# Marks and what others added


def test_runs_add_their_marks_and_the_oldest_go() -> None:
    body: dict[str, Any] | None = None
    for run in range(MAX_RUNS + 5):
        for mark in marks(run):
            body = assert_valid(json.loads(json.dumps(make_body(view(), [mark], body))))
    assert body is not None
    assert marked_runs(body) == [f"run-{run}" for run in range(5, MAX_RUNS + 5)]
    assert lines(body) == [
        f"run run-{run} {event}" for run in range(5, MAX_RUNS + 5) for event in ("start", "ramped up", "stop")
    ]


def test_a_mark_says_why_and_is_read_back() -> None:
    stop = Mark("20261122T110301Z-7f3a", "stop", NOON + 0.25, "Stopped by alarm shop-5xx:\n  threshold crossed")
    annotation = stop.annotation()
    assert annotation == {
        "label": "run 20261122T110301Z-7f3a stop: Stopped by alarm shop-5xx: threshold crossed",
        "value": "2026-11-22T12:00:00.250Z",
    }
    read = Mark.read(annotation)
    assert read is not None
    assert (read.run_id, read.event, read.time) == (stop.run_id, "stop", NOON + 0.25)
    assert read.annotation() == annotation
    others: list[object] = [
        {"label": "deploy", "value": "2026-11-22T12:00:00Z"},
        {"label": "run a start", "value": "?"},
        {"value": "2026-11-22T12:00:00Z"},
        None,
    ]
    for other in others:
        assert Mark.read(other) is None


def test_what_others_added_stays() -> None:
    """Widgets, below ours and in the same order to each other; variables; the time range; lines in our graphs."""
    body = make_body(view(targets=all_targets()[:1]), marks(1))
    theirs = [
        {"type": "text", "x": 12, "y": 0, "width": 6, "height": 2, "properties": {"markdown": "# Ours (not yours)"}},
        {"type": "alarm", "x": 12, "y": 3, "width": 6, "height": 2, "properties": {"alarms": ["arn:x"], "title": "A"}},
        {"type": "text", "width": 3, "height": 2, "properties": {"markdown": "unplaced"}},
    ]
    edited = copy.deepcopy(body)
    copied = copy.deepcopy(widget(edited, "Response time ("))
    copied["y"], copied["properties"]["period"] = 900, 10
    edited["widgets"] = [theirs[0], *edited["widgets"], *theirs[1:], copied]
    edited["start"] = "-PT12H"
    edited["variables"].append(
        {"id": "stage", "type": "property", "property": "Stage", "inputType": "input", "visible": True}
    )
    deploy = {"label": "deploy", "value": "2026-11-22T11:00:00Z"}
    limit = {"label": "limit", "value": 250}
    widget(edited, "Users")["properties"]["annotations"]["vertical"].append(deploy)
    widget(edited, "Requests and failures")["properties"]["annotations"]["horizontal"] = [limit]
    updated = make_body(view(), marks(2), edited)
    for _ in range(2):
        assert_valid({**updated, "widgets": [each for each in updated["widgets"] if "x" in each]})
        kept = updated["widgets"][-4:]
        assert [each["properties"] for each in kept[:3]] == [each["properties"] for each in theirs]
        assert [each.get("y") for each in kept] == [kept[0]["y"], kept[0]["y"] + 3, None, kept[0]["y"] + 900]
        assert kept[3]["properties"]["title"] == "Response time (copy)"
        assert kept[3]["properties"]["period"] == 10
        assert kept[0]["y"] >= max(each["y"] + each["height"] for each in updated["widgets"][:-4])
        assert not [each for each in updated["widgets"] if "i-0123" in json.dumps(each)]
        assert updated["start"] == "-PT12H"
        assert updated["variables"][2]["id"] == "stage"
        assert deploy in widget(updated, "Users")["properties"]["annotations"]["vertical"]
        assert widget(updated, "Requests and failures")["properties"]["annotations"]["horizontal"] == [limit]
        assert marked_runs(updated) == ["run-1", "run-2"]
        updated = make_body(view(), marks(2), updated)


def test_variables_of_others_leave_room_for_ours_or_it_is_said() -> None:
    others = [{"id": f"v{number}", "type": "property", "property": "x", "inputType": "input"} for number in range(24)]
    body = assert_valid(make_body(view(), (), {"widgets": [], "variables": others[:23]}))
    assert body["variables"][2:] == others[:23]
    with pytest.raises(DashboardError, match="has 24 variables"):
        make_body(view(), (), {"widgets": [], "variables": others})


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 1000)
    | st.sampled_from(["Users and workers (locust-cw)", "# x (locust-cw)"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "x",
                    "y",
                    "properties",
                    "title",
                    "markdown",
                    "annotations",
                    "vertical",
                    "label",
                    "value",
                    "values",
                    "id",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
)


@given(st.fixed_dictionaries({}, optional={"widgets": st.lists(JSON, max_size=4) | JSON, "variables": JSON}))
def test_whatever_is_there_ours_is_put_above_it(existing: dict[str, Any]) -> None:
    """What people and programs have put there is not always as documented."""
    fresh = make_body(view(), marks(1))
    body = make_body(view(), marks(1), existing)
    ours = body["widgets"][: len(fresh["widgets"])]
    assert [each["properties"].get("title") for each in ours] == [
        each["properties"].get("title") for each in fresh["widgets"]
    ]
    assert all(
        widget["y"] >= ours[-1]["y"] + ours[-1]["height"]
        for widget in body["widgets"][len(ours) :]
        if isinstance(widget.get("y"), int)
    )
    assert marked_runs(body) == ["run-1"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Locust", "Locust"), ("My App/Load (1)", "My-App-Load-1"), ("###", "Locust"), ("x" * 300, "x" * 255)],
)
def test_a_dashboard_is_named_after_its_namespace(name: str, expected: str) -> None:
    assert check_name(default_name(name)) == expected


@pytest.mark.parametrize("name", ["", "a b", "a/b", "ä", "x" * 256, "a\n"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(_core.InvalidOptionError, match=r"^argument --cw-dashboard: .*expected 1 to 255 letters"):
        check_name(name)


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-north-1", "eu-north-1.console.aws.amazon.com"),
        ("cn-north-1", "cn-north-1.console.amazonaws.cn"),
        ("us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
    ],
)
def test_the_url_leads_to_the_console_of_the_region(region: str, host: str) -> None:
    expected = f"https://{host}/cloudwatch/home?region={region}#dashboards/dashboard/Shop-1"
    assert console.dashboard_url(region, "Shop-1") == expected


def test_a_view_is_made_of_the_tests_options() -> None:
    options = {"namespace": "N", "dimensions": "Host, Request,Method", "dimension": ["stage=a=b"], "logs": "failures"}
    made = View.of({**options, "log_group": None}, region=REGION, host="https://ü")
    assert made.series == ("Host", "Request", "Method")
    assert made.constants == (("stage", "a=b"),)
    assert (made.namespace, made.logs, made.log_format, made.log_group) == ("N", "failures", "json", "LocustTests")
    assert made.host == _core.dimension_value("https://ü")


def test_a_dashboard_shows_the_host_as_it_is_published() -> None:
    """Without the user and password that `locust-cw dashboard --host` may be given."""
    assert View.of({}, region=REGION, host="https://user:password@shop.example").host == "https://shop.example"


# At a CloudWatch


@pytest.fixture
def account(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Account:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    return Account({"endpoint_url": aws.proxy.url, "region": REGION})


@pytest.fixture
def name(aws: Aws) -> str:
    return aws.cloudwatch.namespace


def stored(aws: Aws, name: str) -> dict[str, Any]:
    """The body that CloudWatch holds."""
    return assert_valid(str(aws.cloudwatch.metrics.get_dashboard(DashboardName=name)["DashboardBody"]))


def test_runs_put_and_update_a_dashboard(aws: Aws, account: Account, name: str) -> None:
    """Each marks it three times and finds the marks of those before; what somebody adds between stays."""
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


def test_a_failed_put_is_made_good_by_the_next(aws: Aws, account: Account, name: str) -> None:
    dashboard = Dashboard(account, name, view(), "run-1")
    aws.proxy.on("PutDashboard", error("ServiceUnavailable", 503), times=1)
    with pytest.raises(_core.AwsError, match="PutDashboard"):
        dashboard.begin(NOON)
    dashboard.stopped(NOON + 50)
    assert lines(stored(aws, name)) == ["run run-1 start", "run run-1 stop"]


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("failing", [False, True], ids=["a good call", "a call that fails"])
def test_marks_made_while_another_is_put_are_put_too(aws: Aws, name: str, *, failing: bool) -> None:
    """Greenlets that mark a run at the same time lose none of it: here one marks while another's call is under way."""
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


def test_a_dashboard_that_cannot_be_read_is_left_alone(aws: Aws, account: Account, name: str) -> None:
    """Without permission to read it nothing is put: it would destroy what others added."""
    for fault in ("AccessDeniedException", "InternalServiceFault"):
        aws.proxy.on("GetDashboard", error(fault, 400 if "Denied" in fault else 500), times=1)
        with pytest.raises(_core.AwsError, match="GetDashboard"):
            _client.put(account, name, view())
    aws.cloudwatch.metrics.put_dashboard(DashboardName=name, DashboardBody="not JSON")
    with pytest.raises(DashboardError, match=name):
        _client.put(account, name, view())
    assert aws.proxy.calls("PutDashboard") == []


def test_what_cloudwatch_says_of_a_body_is_logged(
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
    """A CloudWatch Logs that knows saved queries, which the local one does not."""

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


def test_a_cloudwatch_without_saved_queries_does_not_matter(
    aws: Aws, account: Account, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The local one refuses; that is told to those who look for it. A missing permission is told to everybody."""
    with caplog.at_level("DEBUG", "locust_cw"):
        assert _client.save_queries(account, name, view()) == []
    assert {record.levelname for record in caplog.records} == {"DEBUG"}
    assert "QueryDefinition" in caplog.text
    caplog.clear()
    aws.proxy.on("DescribeQueryDefinitions", error("AccessDeniedException", 400))
    assert _client.save_queries(account, name, view()) == []
    assert "IAM policy" in caplog.text


# The command


def run_command(aws: Aws, folder: Path, *args: str, env: dict[str, str | None] | None = None) -> LocustRun:
    """`locust-cw dashboard`, ended by itself and without a stumble."""
    where = (f"--endpoint-url={aws.proxy.url}", f"--namespace={aws.cloudwatch.namespace}")
    group = f"--log-group={aws.cloudwatch.log_group}"
    with commanding(folder, "dashboard", *args, *where, group, env=env) as command:
        command.finish()
    assert "Traceback" not in command.output, command.output
    return command


def test_everything_drawn_of_the_load_is_there(aws: Aws, locust: Locust, target: Target) -> None:
    """The metrics, searches and fields on the dashboard are those that a test really publishes."""
    run = locust.run("shop.py,shop_too.py", "-u", "40", "-r", "100", "-t", "3s", "--host", target.url, "--cw-live")
    run.receipt.check_delivered()
    name, namespace = aws.cloudwatch.namespace, aws.cloudwatch.namespace
    assert run_command(aws, run.folder, "put", f"--host={target.url}").exit_code == 0
    shown = resolved(stored(aws, name))
    drawn = metrics_of(shown)
    assert {metric for _, metric, _, _ in drawn} == {
        "RequestCount", "FailureCount", "ResponseTime_ms", "UserCount", "WorkerCount", "GeneratorCpu_Percent",
        "GeneratorMemory_Bytes",
    }  # fmt: skip
    for space, metric, dimensions, _ in drawn:
        assert space == namespace
        # There is no worker in a single process.
        assert aws.cloudwatch.count(metric, **dimensions) or metric == "WorkerCount", (metric, dimensions)
    searches = re.findall(
        r"""SEARCH\('\{"([^}]*)"\} MetricName="(\w+)" Host="([^"]+)"'""", " ".join(expressions_of(shown))
    )
    assert len(searches) == 5
    for schema, metric, host in searches:
        space, *names = schema.split('","')
        assert space == namespace
        found = [dict(one) for one in aws.cloudwatch.series(metric) if {name for name, _ in one} == set(names)]
        assert {one["Host"] for one in found} == {host}, (metric, names)
    failed = [
        event.fields for event in aws.cloudwatch.events() if event.is_request and event.fields["outcome"] == "failure"
    ]
    assert failed
    query = widget(shown, "Newest failures")["properties"]["query"]
    assert query.startswith(f"SOURCE '{aws.cloudwatch.log_group}' | ")
    assert f"host = '{failed[0]['host']}'" in query
    names_in_log = {key for fields in failed for key in fields}
    for text in (query, *saved_queries(view()).values()):
        for field in ("status", "response_time_ms", "error_type", "error", "run_id", "outcome", "method", "name"):
            assert field not in text or field in names_in_log


def test_the_host_of_user_classes_is_drawn_as_it_is_published(
    aws: Aws, locust: Locust, target: Target, name: str
) -> None:
    """Under its origin, whatever path the classes have behind it."""
    run = locust.run(
        "class_host.py", "-u", "2", "-r", "10", "-t", "3s", *LIVE, f"--cw-dashboard={name}",
        env={"CLASS_HOST": f"{target.url}/v1"},
    )  # fmt: skip
    run.receipt.check_delivered()
    drawn = metrics_of(resolved(stored(aws, name)))
    assert {dimensions["Host"] for _, _, dimensions, _ in drawn} == {target.url}
    for _, metric, dimensions, _ in drawn:
        # No request succeeds, and there is no worker in a single process.
        published = aws.cloudwatch.count(metric, **dimensions)
        assert published or metric in ("ResponseTime_ms", "WorkerCount"), (metric, dimensions)


def test_users_with_several_hosts_are_drawn_too(aws: Aws, locust: Locust, target: Target, name: str) -> None:
    """Each graph of the load generator has a line with data, whichever of the hosts is chosen."""
    run = locust.run(
        "several_hosts.py", "-u", "2", "-r", "10", *LIVE, f"--cw-dashboard={name}",
        module="locust_cw", env={"TARGET": target.url},
    )  # fmt: skip
    run.receipt.check_delivered()
    drawn = metrics_of(resolved(stored(aws, name), locustCwHost=target.url))
    for metric in ("UserCount", "GeneratorCpu_Percent", "GeneratorMemory_Bytes", "RequestCount"):
        assert any(aws.cloudwatch.count(found, **dimensions) for _, found, dimensions, _ in drawn if found == metric)


def test_the_command_puts_prints_and_deletes(aws: Aws, tmp_path: Path, name: str) -> None:
    """It needs no Locust, keeps the marks that are there, and what it prints is what it puts."""
    account = {"AWS_REGION": REGION}
    poison = tmp_path / "poison"
    for package in ("locust", "gevent"):
        (poison / package).mkdir(parents=True)
        (poison / package / "__init__.py").write_text("raise ImportError('not installed')\n")
    env: dict[str, str | None] = {**account, "PYTHONPATH": str(poison)}
    what = (f"--host={HOST}", "--target", "sqs:orders", "--target", f"alb:{BALANCER}")
    printed = run_command(aws, tmp_path, "print", *what, env=env)
    assert printed.exit_code == 0
    assert aws.proxy.calls() == []
    put = run_command(aws, tmp_path, "put", *what, env=env)
    assert put.exit_code == 0
    assert f"Put the dashboard {name}.\n" in put.out
    assert stored(aws, name) == assert_valid(printed.out)
    body = make_body(view(), marks(1), stored(aws, name))
    aws.cloudwatch.metrics.put_dashboard(DashboardName=name, DashboardBody=json.dumps(body))
    again = run_command(aws, tmp_path, "put", *what, "--json", env=env)
    assert json.loads(again.out) == {"dashboard": name, "url": None, "queries": []}
    assert marked_runs(stored(aws, name)) == ["run-1"]
    deleted = run_command(aws, tmp_path, "delete", "--json", env=env)
    assert (deleted.exit_code, json.loads(deleted.out)) == (0, {"dashboard": name, "deleted": True})
    missing = run_command(aws, tmp_path, "delete", env=env)
    assert missing.exit_code == 1
    assert (
        missing.err == f"locust-cw: error: there is no dashboard {name} in this account: check --name and the account\n"
    )


def test_the_command_goes_where_it_is_told(aws: Aws, tmp_path: Path) -> None:
    put = run_command(aws, tmp_path, "put", "--name=Shop_1", "--region=ap-south-1", "--logs=off")
    assert put.exit_code == 0
    (call,) = aws.proxy.calls("PutDashboard")
    assert "/ap-south-1/" in call.headers["authorization"]
    body = assert_valid(call.params["DashboardBody"])
    assert call.params["DashboardName"] == "Shop_1"
    assert {each["properties"]["region"] for each in body["widgets"] if each["type"] != "text"} == {"ap-south-1"}
    assert "log" not in {each["type"] for each in body["widgets"]}


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("put", "--name=a b"), "argument --name: 'a b'"),
        (("put", "--target=ec2:x"), "argument --target: 'ec2:x'.*i-0123"),
        (("put", "--dimensions=Shoe"), "argument --dimensions"),
        (("throw",), "invalid choice: 'throw'"),
        ((), "print.put.delete"),
    ],
)
def test_the_command_refuses_a_wrong_argument(aws: Aws, tmp_path: Path, args: tuple[str, ...], expected: str) -> None:
    command = run_command(aws, tmp_path, *args)
    assert command.exit_code == 2
    assert re.search(expected, command.err), command.err
    assert aws.proxy.calls() == []


def test_the_command_needs_a_region(aws: Aws, tmp_path: Path) -> None:
    command = run_command(aws, tmp_path, "print", env={"AWS_REGION": None})
    assert command.exit_code == 2
    assert re.search(r"argument --region: .*AWS_REGION", command.err)


@pytest.mark.parametrize("operation", ["GetDashboard", "PutDashboard", "DeleteDashboards"])
def test_the_command_tells_a_refused_permission(aws: Aws, tmp_path: Path, operation: str) -> None:
    """Which operation on what, and what to do, in the words of the command."""
    aws.proxy.on(operation, error("AccessDeniedException", 400))
    command = run_command(aws, tmp_path, "delete" if operation.startswith("Delete") else "put")
    assert command.exit_code == 1
    assert command.err.startswith(f"locust-cw: error: {operation} ")
    assert aws.cloudwatch.namespace in command.err
    assert "IAM policy" in command.err
    assert "--cw-" not in command.err


def test_the_command_tells_of_missing_credentials(aws: Aws, tmp_path: Path) -> None:
    command = run_command(aws, tmp_path, "put", env=NO_KEYS)
    assert command.exit_code == 1
    assert "credentials" in command.err
    assert "--cw-" not in command.err


def test_the_command_teaches(tmp_path: Path) -> None:
    with commanding(tmp_path, "dashboard", "--help") as command:
        assert command.exit_code == 0
        for kind in {text.partition(":")[0] for text in TARGETS} | {"metric"}:
            assert re.search(rf"^  {kind}:", command.out, re.MULTILINE), kind
        assert "locust-cw dashboard put --host" in command.out
        assert "exit code: 0" in command.out


# The grammar's checker


def _metrics(body: dict[str, Any]) -> list[Any]:
    metrics = widget(body, "Requests and failures")["properties"]["metrics"]
    assert isinstance(metrics, list)
    return metrics


def _set(title: str, **properties: Any) -> Callable[[dict[str, Any]], None]:
    return lambda body: widget(body, title)["properties"].update(properties)


def _place(**place: Any) -> Callable[[dict[str, Any]], None]:
    return lambda body: widget(body, "Response time (").update(place)


def _vary(number: int, **keys: Any) -> Callable[[dict[str, Any]], None]:
    def change(body: dict[str, Any]) -> None:
        body["variables"][number] = {
            key: value for key, value in {**body["variables"][number], **keys}.items() if value is not None
        }

    return change


def _express(expression: str) -> Callable[[dict[str, Any]], None]:
    return lambda body: _metrics(body)[1][0].update(expression=expression)


GRAPH = "Requests and failures"
BREAKAGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no widgets": lambda body: body.pop("widgets"),
    "unknown key": lambda body: body.update(widget=[]),
    "wrong start": lambda body: body.update(start="3h"),
    "end without start": lambda body: body.update(end="2026-11-22T12:00:00Z"),
    "wrong periodOverride": lambda body: body.update(periodOverride="none"),
    "too many widgets": lambda body: body["widgets"].extend(
        {"type": "text", "width": 1, "height": 1, "properties": {"markdown": ""}} for _ in range(500)
    ),
    "too many metrics on a graph": lambda body: _metrics(body).extend([["A", "B"]] * 500),
    "too large": lambda body: body["widgets"][0]["properties"].update(markdown="x" * 1_000_000),
    "unknown type": lambda body: body["widgets"][0].update(type="picture"),
    "unknown key of a widget": _place(z=1),
    "beyond the grid": _place(x=20),
    "before the grid": _place(x=-1),
    "no whole number": _place(y=1.5),
    "no height": _place(height=0),
    "overlap": _place(x=1, y=2),
    "x alone": lambda body: widget(body, "Response time (").pop("y"),
    "no properties": lambda body: body["widgets"][0].pop("properties"),
    "no markdown": lambda body: body["widgets"][0].update(properties={}),
    "no region": lambda body: widget(body, GRAPH)["properties"].pop("region"),
    "wrong region": _set(GRAPH, region="Europe"),
    "unknown property": _set(GRAPH, colour="red"),
    "unknown view": _set(GRAPH, view="line"),
    "wrong period": _set(GRAPH, period=45),
    "period as text": _set(GRAPH, period="60"),
    "wrong statistic": _set(GRAPH, stat="median"),
    "no metrics": lambda body: widget(body, GRAPH)["properties"].pop("metrics"),
    "empty metrics": _set(GRAPH, metrics=[]),
    "wrong axis": _set(GRAPH, yAxis={"middle": {}}),
    "axis without numbers": _set(GRAPH, yAxis={"left": {"min": "0"}}),
    "table on a graph": _set(GRAPH, table={"layout": "vertical"}),
    "unknown summary": _set("Response time by name: p99", table={"summaryColumns": ["P99"]}),
    "lines in a table": _set(
        "Response time by name: p99", annotations={"vertical": [{"value": "2026-11-22T12:00:00Z"}]}
    ),
    "gauge without ends": _set(GRAPH, view="gauge", annotations={}),
    "line without time": _set(GRAPH, annotations={"vertical": [{"label": "x"}]}),
    "line without zone": _set(GRAPH, annotations={"vertical": [{"value": "2026-11-22T12:00:00"}]}),
    "band of three": _set(GRAPH, annotations={"horizontal": [[{"value": 1}, {"value": 2}, {"value": 3}]]}),
    "level as text": _set(GRAPH, annotations={"horizontal": [{"value": "1"}]}),
    "unknown annotation": _set(GRAPH, annotations={"diagonal": []}),
    "half a dimension": lambda body: _metrics(body)[0].pop(3),
    "no metric name": lambda body: _metrics(body).insert(0, ["AWS/EC2"]),
    "unknown rendering": lambda body: _metrics(body)[0][-1].update(width=2),
    "expression in a metric": lambda body: _metrics(body)[0][-1].update(expression="m1"),
    "no expression": lambda body: _metrics(body)[1][0].pop("expression"),
    "capital id": lambda body: _metrics(body)[0][-1].update(id="M1"),
    "id twice": lambda body: _metrics(body)[2][-1].update(id="m1"),
    "nothing visible": _set(GRAPH, metrics=[["A", "B", {"visible": False}]]),
    "unknown id": _express("m9/PERIOD(m1)"),
    "unknown function": _express("m1/PERIODS(m1)"),
    "open bracket": _express("m1/PERIOD(m1"),
    "open quotation mark": _express("SEARCH('{A,B} c, 'Sum', 60)"),
    "unquoted schema": _express("SEARCH('{My App,Host} MetricName=\"x\"', 'Sum', 60)"),
    "wrong statistic in a search": _express("SEARCH('{App,Host} MetricName=\"x\"', 'median', 60)"),
    "wrong query": _express('SELECT p99(x) FROM SCHEMA("A", Host)'),
    "too large a limit": _express('SELECT SUM(x) FROM SCHEMA("A", Host) LIMIT 501'),
    "too long an expression": _express("m1" + "+1" * 600),
    "log without source": _set("Newest failures", query="fields @timestamp"),
    "unknown command": _set("Newest failures", query="SOURCE 'a' | find x"),
    "log limit": _set("Newest failures", query="SOURCE 'a' | limit 20000"),
    "open text in a log query": _set("Newest failures", query="SOURCE 'a' | filter x = 'y"),
    "log without region": lambda body: widget(body, "Newest failures")["properties"].pop("region"),
    "too many variables": lambda body: body["variables"].extend(
        {**body["variables"][0], "id": f"v{number}"} for number in range(24)
    ),
    "the same variable twice": _vary(1, id="locustCwNamespace"),
    "unknown key of a variable": _vary(0, name="x"),
    "no pattern": _vary(0, pattern=None),
    "a pattern nowhere": _vary(0, pattern="Nowhere"),
    "pattern and property": _vary(0, property="Host"),
    "choices to type": _vary(0, values=[{"value": "Locust"}]),
    "no choices": _vary(1, values=None),
    "empty choices": _vary(1, values=[], defaultValue=None),
    "a choice without value": _vary(1, values=[{"label": HOST}]),
    "a default that is no choice": _vary(1, defaultValue="http://nowhere"),
    "choices and a search": _vary(1, search="{Locust,Host}", populateFrom="Host"),
    "a search without dimension": _vary(1, values=None, search="{Locust,Host}", populateFrom="Request"),
    "a search that populates nothing": _vary(1, values=None, search="{Locust,Host}"),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_the_checker_finds_what_is_broken(name: str) -> None:
    body = assert_valid(make_body(view(), marks(1)))
    BREAKAGES[name](body)
    assert problems(body)


def test_the_checker_takes_what_is_documented() -> None:
    """Things that are not on our dashboards, but may be on one that people have changed."""
    assert_valid(
        {
            "start": "2026-11-22T00:00:00Z",
            "end": "2026-11-23T00:00:00Z",
            "widgets": [
                {
                    "type": "metric",
                    "properties": {
                        "region": "us-east-1",
                        "view": "gauge",
                        "metrics": [
                            ["AWS/EC2", "CPUUtilization", "InstanceId", "i-1", {"id": "m1"}],
                            [".", "NetworkIn", ".", "."],
                            ["...", "i-2", {"stat": "p99.9", "yAxis": "right"}],
                            [{"expression": "IF(m1 > 80, m1, 0)", "id": "e1"}],
                        ],
                        "yAxis": {"left": {"min": 0, "max": 100}},
                    },
                },
                {"type": "alarm", "properties": {"alarms": []}},
                {"type": "metric", "properties": {"region": "us-east-1", "annotations": {"alarms": ["arn"]}}},
            ],
        }
    )
    assert problems("{") == ["no JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"]


# In a test

TARGET = "sqs:orders"
LIVE = ["--cw-live", "--cw-flush-interval=1"]
LOAD = ["-u", "3", "-r", "10", "--host", HOST, "--exit-code-on-error=0", *LIVE]


def test_two_tests_are_marked_on_one_dashboard(aws: Aws, locust: Locust, name: str) -> None:
    """Start, end of ramp-up and stop of each, beside the target's own metrics; the load goes on as without."""
    runs = [
        locust.run("orders.py", *LOAD, "-t", "3s", f"--cw-dashboard={name}", f"--cw-target={TARGET}") for _ in range(2)
    ]
    body = stored(aws, name)
    ids = [run.receipt.check_delivered()["run_id"] for run in runs]
    assert lines(body) == [f"run {run_id} {event}" for run_id in ids for event in ("start", "ramped up", "stop")]
    assert any(namespace == "AWS/SQS" for namespace, *_ in metrics_of(body))
    for run in runs:
        assert run.exit_code == 0
        assert run.complaints() == []
        assert run.receipt["dashboard_url"] is None, "nobody can look at a local one"


@pytest.mark.parametrize("event", ["spawning_complete", "test_stop"])
def test_the_load_does_not_wait_for_the_region(aws: Aws, locust: Locust, name: str, event: str) -> None:
    """However late it is found, the dashboard has all marks."""
    run = locust.run("late_region.py", *LOAD, "-t", "3s", f"--cw-dashboard={name}", env={"REGION_AFTER": event})
    receipt = run.receipt.check_delivered()
    assert lines(stored(aws, name)) == [f"run {receipt['run_id']} {mark}" for mark in ("start", "ramped up", "stop")]


def test_targets_may_be_sent_with_the_start(aws: Aws, locust: Locust, name: str) -> None:
    """To the web UI's address, which takes every option: a wrong one lets nothing of that test be published.

    Several are one text, with commas between them.
    """
    web = MasterWeb()
    run = locust.start("orders.py", *LIVE, *web.options, f"--cw-dashboard={name}", headless=False)
    wait_until(lambda: answers(web.url), "the web UI")
    web.swarm(2, HOST, cw_target="toaster:1")
    assert "'toaster:1'" in run.wait_for("Nothing of this test is published: .*")[0]
    run.wait_for("20 steps")
    web.stop()
    assert not aws.proxy.calls()
    web.swarm(2, HOST, cw_target=f"{TARGET},dynamodb:baskets")
    wait_until(lambda: aws.proxy.calls("PutDashboard") and aws.proxy.calls("PutMetricData"), "the next is published")
    # Ctrl-C could strike between Locust's counting of a request and ours.
    web.stop()
    run.signal(SIGINT)
    run.finish()
    run.receipt.check_delivered()
    assert {"AWS/SQS", "AWS/DynamoDB"} <= {namespace for namespace, *_ in metrics_of(stored(aws, name))}


def endpoints(url: str, folder: Path) -> dict[str, dict[str, str]]:
    """The ways to say where CloudWatch is, beside the option."""
    profile = folder / "config"
    profile.write_text(f"[default]\nendpoint_url = {url}\n")
    services = ("CLOUDWATCH", "CLOUDWATCH_LOGS")
    return {
        "variable": {"AWS_ENDPOINT_URL": url},
        "variables": {f"AWS_ENDPOINT_URL_{service}": url for service in services},
        "profile": {"AWS_CONFIG_FILE": str(profile)},
    }


@pytest.mark.parametrize("way", ["variable", "variables", "profile"])
def test_what_is_not_at_aws_has_no_address_there(aws: Aws, locust: Locust, tmp_path: Path, name: str, way: str) -> None:
    """However the test, or the command, was told where CloudWatch is."""
    env = endpoints(aws.proxy.url, tmp_path)[way]
    options = [option for option in aws.options if "endpoint" not in option]
    run = locust.run("orders.py", *LOAD, "-t", "2s", f"--cw-dashboard={name}", options=options, env=env)
    run.receipt.check_delivered()
    assert run.receipt["dashboard_url"] is None
    assert "console.aws" not in run.output
    with commanding(tmp_path, "dashboard", "put", f"--name={name}", env={**env}) as put:
        assert put.exit_code == 0, put.output
    assert put.out == f"Put the dashboard {name}.\n"
    assert len(aws.proxy.calls("PutDashboard")) >= 2


@pytest.mark.parametrize(
    ("where", "found"), [({}, f"https://{REGION}.console.aws"), ({"endpoint_url": "http://127.0.0.1:9"}, None)]
)
def test_what_is_at_aws_has_an_address(monkeypatch: pytest.MonkeyPatch, where: dict[str, str], found: str) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    shown = console.link_to_dashboard(Account({"region": REGION, **where}).destination(), "Shop")
    assert shown is None if found is None else str(shown).startswith(found)


def test_a_dashboard_without_a_name_is_the_namespaces(aws: Aws, locust: Locust, name: str) -> None:
    locust.run("orders.py", *LOAD, "-t", "2s", "--cw-dashboard")
    assert len(lines(stored(aws, name))) == 3


def test_a_dashboard_that_may_not_be_put_disturbs_nothing(aws: Aws, locust: Locust, name: str) -> None:
    """A warning that says what is missing; the test and its delivery go on."""
    aws.proxy.on("PutDashboard", error("AccessDenied", 403, "not authorized"))
    run = locust.run("orders.py", *LOAD, "-t", "3s", f"--cw-dashboard={name}")
    assert run.exit_code == 0
    run.receipt.check_delivered()
    assert run.complaints()
    assert all("PutDashboard" in told and "IAM policy" in told for told in run.complaints())


@pytest.mark.parametrize(
    ("option", "value"), [("--cw-dashboard", "no spaces please"), ("--cw-target", "toaster:1")], ids=["name", "target"]
)
def test_what_cannot_be_is_refused_at_the_start(locust: Locust, option: str, value: str) -> None:
    run = locust.run("orders.py", *LOAD, "-t", "3s", f"{option}={value}", receipt=False, json_file=False)
    assert run.exit_code == 2
    assert option in run.err
    assert value in run.err
