"""The dashboard follows CloudWatch's grammar, shows existing data, and stays valid over many runs."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_cw import _core
from locust_cw._aws import console
from locust_cw._aws import targets as _targets
from locust_cw._dashboard.annotations import MAX_RUNS, MAX_USER_MARKS, Mark
from locust_cw._dashboard.body import make_body
from locust_cw._dashboard.custom_metrics import MAX_GRAPHS
from locust_cw._dashboard.limits import DashboardError
from locust_cw._dashboard.log_queries import saved_queries
from locust_cw._dashboard.name import check_name, default_name
from locust_cw._dashboard.variables import MAX_HOSTS
from locust_cw._dashboard.view import CustomMetric, View
from support.dashboard_grammar import assert_valid, expressions_of, log_query_problems, metrics_of, resolved
from support.dashboards import (
    BALANCER,
    HOST,
    NOON,
    all_targets,
    lines,
    marked_runs,
    marks,
    view,
    widget,
)
from support.servers import REGION

# The body

CUSTOM = (
    CustomMetric("queue_depth", "gauge", "Count", ()),
    CustomMetric("queue_depth", "gauge", "Count", ("pool", "time zone")),
    CustomMetric('quo"ted', "gauge", "None", ("pool",)),
    CustomMetric("tokens", "count", "None", ()),
    CustomMetric("tokens", "count", "None", ("Host", "model")),
)
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
    "compact": view(log_fields="compact"),
    "compact text": view(log_format="text", log_fields="compact"),
    "custom metrics": view(custom_metrics=CUSTOM),
    "custom metrics of all hosts": view(custom_metrics=CUSTOM, host=None, resolution=60, constants=(("pool", "a"),)),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_body_is_valid(name: str) -> None:
    """When it is put, when it is shown, and when it is updated for the same view."""
    body = assert_valid(json.dumps(make_body(VIEWS[name], marks(1))))
    host = {} if VIEWS[name].host else {"locustCwHost": HOST}
    assert_valid(resolved(body, **host))
    assert make_body(VIEWS[name], (), body) == body
    for query in saved_queries(VIEWS[name]).values():
        assert list(log_query_problems(query)) == []


def test_namespace_and_host_are_variables() -> None:
    """The chosen values replace both everywhere: in metrics, searches and queries."""
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


def test_without_a_host_a_search_finds_the_hosts() -> None:
    variable = make_body(view(host=None, constants=(("stage", "x"),)))["variables"][1]
    assert variable["search"] == '{"Locust","Host","stage"} MetricName="RequestCount"'
    assert (variable["populateFrom"], variable["defaultValue"]) == ("Host", "__FIRST")


def test_without_a_host_the_gauges_of_the_whole_test_are_drawn_too() -> None:
    """In addition to those of the chosen host: users with several hosts only publish the former."""
    shown = resolved(make_body(view(host=None)), locustCwHost=HOST)
    for metric in ("UserCount", "WorkerCount", "GeneratorCpu_Percent", "GeneratorMemory_Bytes"):
        lines = [each for each in metrics_of(shown) if each[1] == metric]
        assert {dimensions["Host"] for _, _, dimensions, _ in lines} == {HOST, _core.NO_HOST}, metric
        labels = [rendering["label"] for *_, rendering in lines]
        assert len(labels) == len(set(labels)), "labels are unique"
    searches = [text for text in expressions_of(shown) if "UserClass" in text]
    assert [HOST in text for text in searches] == [True, False]
    assert _core.NO_HOST in searches[1]


def test_targets_have_the_time_axis_of_the_load() -> None:
    """Each signal of a target is a graph with the same period and markers."""
    body = make_body(view(targets=all_targets()), marks(1))
    titles = {str(each["properties"].get("title")): each["properties"] for each in body["widgets"]}
    for target in all_targets():
        for signal in target.signals:
            graph = titles[f"{signal.title}, {target.title}"]
            assert (graph["period"], graph["view"]) == (60, "timeSeries")
            assert [each["label"] for each in graph["annotations"]["vertical"]] == lines(body)
    assert "us-east-1" in {metric[3].get("region") for metric in metrics_of(body) if metric[0] == "AWS/CloudFront"}


def test_too_many_targets_are_refused() -> None:
    many = tuple(_targets.parse(f"sqs:queue-{number}") for number in range(130))
    with pytest.raises(DashboardError, match=r"widgets.*--cw-target"):
        make_body(view(targets=many))


def test_old_markers_are_removed_at_cloudwatchs_size_limit() -> None:
    """The oldest first, until the body fits."""
    many = tuple(_targets.parse(f"sqs:queue-{number}") for number in range(110))
    reason = "x" * 1000
    runs = [Mark(f"run-{run}", "stop", NOON + run, reason) for run in range(20)]
    body = assert_valid(make_body(view(targets=many), runs))
    left = marked_runs(body)
    assert 0 < len(left) < 20
    assert left == [f"run-{run}" for run in range(20 - len(left), 20)]


# Periods


@pytest.mark.parametrize("resolution", [1, 60])
def test_rates_are_correct_for_any_period(resolution: int) -> None:
    """CloudWatch chooses the period by the time range. Metrics of a minute are divided by at least 60 s."""
    body = assert_valid(make_body(view(targets=all_targets(), resolution=resolution)))
    assert body["periodOverride"] == "auto"
    expressions = expressions_of(body)
    assert not [text for text in expressions if re.search(r"SEARCH\([^)]*', \d+\)|/60\b", text)]
    own = [text for text in expressions if "RequestCount" in text and "SEARCH" in text]
    own += [text for text in expressions if "FailureCount" in text]
    least = "PERIOD(m1)" if resolution == 1 else "IF(PERIOD(m1) < 60, 60, PERIOD(m1))"
    assert own
    assert all(f"/{least}" in text for text in own)
    balancer = widget(body, f"Traffic, Application Load Balancer {BALANCER}")["properties"]["metrics"]
    quotients = [line[0]["expression"] for line in balancer if "expression" in line[0]]
    assert quotients
    assert all("IF(PERIOD(" in text for text in quotients)


def test_a_link_opens_at_the_time_of_the_run() -> None:
    page = console.dashboard_url(REGION, "Shop")
    assert console.at_times(page, NOON, NOON + 60) == (
        f"{page}?start=2026-11-22T11:59:45.000Z&end=2026-11-22T12:01:15.000Z"
    )
    assert console.at_times(page, NOON, NOON + 36_000) == (
        f"{page}?start=2026-11-22T11:30:00.000Z&end=2026-11-22T22:30:00.000Z"
    )
    assert console.at_times(page, NOON, None) == page
    assert console.at_times(None, NOON, NOON + 60) is None


# Marks and what others added


def test_a_widget_with_another_title_belongs_to_the_user() -> None:
    """The owner of a widget is stored in a part that the console does not show."""
    body = json.loads(json.dumps(make_body(view(targets=all_targets()[:1]), marks(1))))
    titles = [str(each["properties"].get("title", "")) for each in body["widgets"]]
    assert not [title for title in titles if "locust" in title.lower()]
    for each in body["widgets"]:
        if each["type"] == "text":
            shown = re.sub(r"\[\]\([^)]*\)", "", each["properties"]["markdown"])
            assert "locustcw" not in shown
    assert make_body(view(targets=all_targets()[:1]), (), body) == body
    for kind, key in (("metric", "title"), ("log", "title"), ("text", "markdown")):
        changed = copy.deepcopy(body)
        mine = next(each for each in changed["widgets"] if each["type"] == kind)
        mine["properties"][key] = "Mine: " + mine["properties"][key]
        updated = make_body(view(targets=all_targets()[:1]), (), changed)
        assert len(updated["widgets"]) == len(body["widgets"]) + 1
        assert updated["widgets"][-1]["properties"][key] == mine["properties"][key]
        assert make_body(view(targets=all_targets()[:1]), (), updated) == updated


def test_runs_add_their_markers_and_the_oldest_are_removed() -> None:
    body: dict[str, Any] | None = None
    for run in range(MAX_RUNS + 5):
        for mark in marks(run):
            body = assert_valid(json.loads(json.dumps(make_body(view(), [mark], body))))
    assert body is not None
    assert marked_runs(body) == [f"run-{run}" for run in range(5, MAX_RUNS + 5)]
    assert lines(body) == [
        f"run run-{run} {event}" for run in range(5, MAX_RUNS + 5) for event in ("start", "ramped up", "stop")
    ]


def test_the_marks_of_users_are_drawn_between_those_of_the_run() -> None:
    """Those given replace all of the same run, whose times may have changed; other runs keep theirs."""
    users = [Mark("run-1", "mark", NOON + 70 + second, "deploy: began") for second in (4, 2)]
    body = assert_valid(make_body(view(), [*marks(1), *users]))
    mine = ["start", "ramped up", "mark: deploy: began", "mark: deploy: began", "stop"]
    assert lines(body) == [f"run run-1 {event}" for event in mine]
    body = assert_valid(make_body(view(), [*marks(2), Mark("run-1", "mark", NOON + 71, "deploy: began")], body))
    del mine[2]
    two = [f"run run-2 {event}" for event in ("start", "ramped up", "stop")]
    assert lines(body) == [f"run run-1 {event}" for event in mine] + two
    assert lines(make_body(view(), (), body)) == lines(body)
    annotation = Mark("r", "mark", NOON, "x" * 300).annotation()
    assert annotation["label"] == "run r mark: " + "x" * 256
    assert Mark.read(annotation) is not None
    assert MAX_USER_MARKS == 20


def test_custom_metrics_have_a_graph_per_name_which_later_runs_keep() -> None:
    body = assert_valid(make_body(view(custom_metrics=CUSTOM), marks(1)))
    gauge = widget(body, "Custom metric queue_depth")["properties"]
    assert [line[-1].get("stat") for line in gauge["metrics"]] == ["Average", "Maximum", None]
    [search] = [
        text for text in expressions_of({"widgets": [widget(body, "Custom metric queue_depth")]}) if "SEARCH" in text
    ]
    assert '"Host","pool","time zone"} MetricName="queue_depth"' in search
    # A rate, of the metric without dimensions and of those with.
    count = widget(body, "Custom metric tokens")["properties"]
    assert count["yAxis"]["left"]["label"] == "values per second"
    assert sum("/PERIOD(" in text for text in expressions_of({"widgets": [widget(body, "Custom metric tokens")]})) == 2
    # A search cannot escape quotation marks.
    assert "quo" not in json.dumps(body)
    other = (CustomMetric("orders", "count", "Count", ()),)
    later = assert_valid(make_body(view(custom_metrics=other), marks(2), json.loads(json.dumps(body))))
    titles = [each["properties"].get("title") for each in later["widgets"]]
    assert [title for title in titles if str(title).startswith("Custom")] == [
        "Custom metric orders",
        "Custom metric queue_depth",
        "Custom metric tokens",
    ]
    assert make_body(view(custom_metrics=other), (), later) == later
    many = tuple(CustomMetric(f"m{number}", "gauge", "None", ()) for number in range(100))
    full = assert_valid(make_body(view(custom_metrics=many), (), later))
    assert sum(str(each["properties"].get("title")).startswith("Custom") for each in full["widgets"]) == MAX_GRAPHS


def test_a_marker_has_its_reason_and_can_be_read() -> None:
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


def test_additions_of_users_stay() -> None:
    """Widgets, below those of locust-cw and in the same order; variables; the time range; lines in graphs."""
    body = make_body(view(targets=all_targets()[:1]), marks(1))
    theirs = [
        {"type": "text", "x": 12, "y": 0, "width": 6, "height": 2, "properties": {"markdown": "# Ours (not yours)"}},
        {"type": "alarm", "x": 12, "y": 3, "width": 6, "height": 2, "properties": {"alarms": ["arn:x"], "title": "A"}},
        {"type": "text", "width": 3, "height": 2, "properties": {"markdown": "unplaced"}},
    ]
    edited = copy.deepcopy(body)
    copied = copy.deepcopy(widget(edited, "Response time"))
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


def test_additional_variables_of_users_stay_or_an_error_says_that_there_are_too_many() -> None:
    others = [{"id": f"v{number}", "type": "property", "property": "x", "inputType": "input"} for number in range(24)]
    body = assert_valid(make_body(view(), (), {"widgets": [], "variables": others[:23]}))
    assert body["variables"][2:] == others[:23]
    with pytest.raises(DashboardError, match="has 24 variables"):
        make_body(view(), (), {"widgets": [], "variables": others})


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 1000)
    | st.sampled_from(["Users and workers", "locustcw_1a2b3c4d", "# x [](#locustcw_1a2b3c4d)"]),
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
                    "metrics",
                    "query",
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
def test_our_widgets_are_above_any_existing_ones(existing: dict[str, Any]) -> None:
    """Bodies that users and programs have written do not always follow the documentation."""
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
    assert made.log_fields == "full"
    assert View.of({"log_fields": "compact"}, region=REGION).log_fields == "compact"
    assert made.host == _core.dimension_value(_core.public_host("https://ü"))
    assert made.resolution == 1


def test_a_host_is_listed_as_the_user_wrote_it() -> None:
    for host, label in (("https://bücher.example/", "https://bücher.example"), ("http://u:pw@shop.example", None)):
        made = View.of({}, region=REGION, host=host)
        (choice,) = make_body(made)["variables"][1]["values"]
        assert choice == {"value": made.host, "label": label or made.host}
        assert "pw" not in json.dumps(make_body(made))


def test_a_dashboard_shows_the_host_as_it_is_published() -> None:
    """Without the user and password of `locust-cw dashboard --host`."""
    assert View.of({}, region=REGION, host="https://user:password@shop.example").host == "https://shop.example"
