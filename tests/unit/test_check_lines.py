"""The limits of checks are lines on the graphs that show what they limit, and follow the checks of the newest run."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_cw._aws.targets import parse
from locust_cw._dashboard.body import make_body
from locust_cw._dashboard.check_lines import is_check_line
from locust_cw._dashboard.view import View
from support.dashboard_grammar import assert_valid
from support.dashboards import HOST, OTHER_METRIC, TARGETS, marks, widget
from support.servers import REGION

TARGET_TEXTS = ("rds:shop-db", "alb:app/shop/50dc6c495c0c9188", OTHER_METRIC)
LINES = {
    "p95 < 300ms": ("Response time", 300),
    "mean < 0.2s": ("Response time", 200),
    "max < 5s abort after 10s": ("Response time", 5000),
    "rps >= 500": ("Requests and failures per second", 500),
    "failures < 1%": ("Failed requests", 1),
    "generator: cpu < 80%": ("Load generator: CPU", 80),
    "generator: memory < 512MB": ("Load generator: memory", 512_000_000),
    "POST /checkout: p99 <= 0.8s": ("Slowest names: p95", 800),
    "POST /checkout: rps > 5": ("Busiest names: requests per second", 5),
    "rds:shop-db: CPUUtilization Average < 70": ("Saturation, DB instance shop-db", 70),
    "rds:shop-db: CPUUtilization p99 < 90": ("Saturation, DB instance shop-db", 90),
    "alb:app/shop/50dc6c495c0c9188: TargetResponseTime p95 < 0.5": (
        "Latency, Application Load Balancer app/shop/50dc6c495c0c9188",
        0.5,
    ),
    f"{OTHER_METRIC}: QueueLength Maximum < 100": (
        'QueueLength p99.9, Metric App/Web/QueueLength{Pool=web,Zone="a,b"}:p99.9',
        100,
    ),
}
WITHOUT_LINE = (
    "requests > 100",
    "failures == 0",
    "POST /checkout: failures < 1%",
    # Sums over the run: the graphs show those per second, and per period.
    "alb:app/shop/50dc6c495c0c9188: HTTPCode_Target_5XX_Count Sum == 0",
    "alb:app/shop/50dc6c495c0c9188: RejectedConnectionCount Sum == 0",
    # No graph shows the metric, or the target.
    "rds:shop-db: ReplicaLag Average < 10",
    "rds:other-db: CPUUtilization Average < 70",
)


def body_of(*checks: str, existing: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    targets = [parse(text) for text in TARGET_TEXTS]
    view = View.of({"check": list(checks), **options}, region=REGION, host=HOST, targets=targets)
    return assert_valid(json.loads(json.dumps(make_body(view, marks(1), existing))))


def check_lines(body: dict[str, Any]) -> list[tuple[str, str, float]]:
    """Title, label and value of each line that is a check's."""
    return [
        (each["properties"]["title"], line["label"], line["value"])
        for each in body["widgets"]
        for line in each["properties"].get("annotations", {}).get("horizontal", [])
        if line["label"] != "Locust's CPU warning"
    ]


@pytest.mark.parametrize("check", LINES)
def test_a_limit_is_a_line_where_it_can_be_compared(check: str) -> None:
    """In the unit of the graph."""
    title, value = LINES[check]
    assert check_lines(body_of(check)) == [(title, f"check: {check}", value)]


def test_a_limit_without_a_graph_of_its_unit_has_no_line() -> None:
    assert check_lines(body_of(*WITHOUT_LINE)) == []
    # Without names, no graph compares them.
    assert check_lines(body_of("POST /checkout: p99 <= 0.8s", dimensions="Host")) == []


def test_lines_follow_the_checks_of_the_newest_run() -> None:
    """What users add to the same graphs stays, and so does a line of ours that they have moved or renamed."""
    body = body_of(*LINES)
    assert len(check_lines(body)) == len(LINES)
    assert check_lines(body_of(*LINES, existing=body)) == check_lines(body)
    theirs = [
        {"label": "check: with the team", "value": 300},
        {"label": "check: p95 < 300ms", "value": 250},
        {"label": "p95 < 300ms", "value": 300},
        [{"value": 1}, {"value": 2, "label": "a band"}],
    ]
    edited = copy.deepcopy(body)
    widget(edited, "Response time")["properties"]["annotations"]["horizontal"] += theirs
    updated = body_of("p95 < 200ms", existing=edited)
    ours = {"label": "check: p95 < 200ms", "value": 200, "color": "#d13212"}
    assert widget(updated, "Response time")["properties"]["annotations"]["horizontal"] == [ours, *theirs]
    for _ in range(2):
        updated = body_of(existing=updated)
        assert widget(updated, "Response time")["properties"]["annotations"]["horizontal"] == theirs
    (warning,) = widget(updated, "Load generator: CPU")["properties"]["annotations"]["horizontal"]
    assert warning["label"] == "Locust's CPU warning"


def test_a_check_that_is_given_twice_has_one_line() -> None:
    assert len(check_lines(body_of("p95 < 300ms", "p95 < 300ms"))) == 1


@given(st.sampled_from([*LINES, *WITHOUT_LINE]), st.floats(allow_nan=False))
def test_a_line_is_recognized_by_its_expression_and_its_limit(check: str, value: float) -> None:
    for _, label, limit in check_lines(body_of(check)):
        assert is_check_line({"label": label, "value": limit})
        assert is_check_line({"label": label, "value": value}) is (value == limit)
    others: list[object] = [None, [], {"value": value}, {"label": 3}, {"label": f"check: {check} x", "value": value}]
    for other in others:
        assert not is_check_line(other)


def test_every_target_can_have_lines() -> None:
    """Each metric that a graph shows as it is can have its limit there."""
    for text in TARGETS:
        target = parse(text)
        for signal in target.signals:
            for name in {metric.name for metric in signal.metrics if metric.divisor is None}:
                view = View.of({"check": [f"{text}: {name} Maximum < 10"]}, region=REGION, targets=[target])
                titles = [title for title, _, _ in check_lines(make_body(view))]
                assert f"{signal.title}, {target.title}" in titles
