"""The checker of dashboards finds what CloudWatch would refuse, and accepts what is documented."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from locust_cw._dashboard.body import make_body
from support.dashboard_grammar import assert_valid, problems
from support.dashboards import (
    HOST,
    marks,
    view,
    widget,
)


def _metrics(body: dict[str, Any]) -> list[Any]:
    metrics = widget(body, "Requests and failures")["properties"]["metrics"]
    assert isinstance(metrics, list)
    return metrics


def _set(title: str, **properties: Any) -> Callable[[dict[str, Any]], None]:
    return lambda body: widget(body, title)["properties"].update(properties)


def _place(**place: Any) -> Callable[[dict[str, Any]], None]:
    return lambda body: widget(body, "Response time").update(place)


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
    "x alone": lambda body: widget(body, "Response time").pop("y"),
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
def test_the_checker_finds_errors(name: str) -> None:
    body = assert_valid(make_body(view(), marks(1)))
    BREAKAGES[name](body)
    assert problems(body)


def test_the_checker_accepts_what_is_documented() -> None:
    """Properties that locust-cw does not use, but that a user can add."""
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
