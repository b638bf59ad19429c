"""Dashboards to make in tests, and what is drawn on one."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

from locust_cw._aws import targets as _targets
from locust_cw._dashboard.annotations import Mark
from locust_cw._dashboard.view import View
from support.dashboard_grammar import assert_valid
from support.fixtures import Aws
from support.servers import REGION

HOST = "https://shop.example"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()

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
    (found,) = [each for each in shown if _is_called(each, title)]
    assert isinstance(found, dict)
    return found


def _is_called(widget: dict[str, Any], title: str) -> bool:
    """Whether a title is this one, or begins with it where it goes on about the same."""
    own = str(widget["properties"].get("title"))
    return own == title or (own.startswith(title) and not own.startswith(f"{title} by name"))


def lines(body: dict[str, Any]) -> list[str]:
    """The labels of the vertical annotations, the same on every graph over time."""
    graphs = [each["properties"] for each in body["widgets"] if each["properties"].get("view") == "timeSeries"]
    assert graphs
    drawn = [[each["label"] for each in graph.get("annotations", {}).get("vertical", [])] for graph in graphs]
    assert all(each == drawn[0] for each in drawn)
    return drawn[0]


def marked_runs(body: dict[str, Any]) -> list[str]:
    """The runs that it has marks of, oldest first."""
    graph = widget(body, "Requests and failures per second")
    marks = map(Mark.read, graph["properties"].get("annotations", {}).get("vertical", []))
    return list(dict.fromkeys(mark.run_id for mark in marks if mark is not None))


def stored(aws: Aws, name: str) -> dict[str, Any]:
    """The body that CloudWatch holds."""
    return assert_valid(str(aws.cloudwatch.metrics.get_dashboard(DashboardName=name)["DashboardBody"]))
