"""Metrics, metric math and searches of the test's metrics, as a widget has them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._dashboard.variables import HOST_PLACEHOLDER, NAMESPACE_PLACEHOLDER, schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from locust_cw._aws.graph_metric import Divisor, Metric
    from locust_cw._dashboard.view import View

PERIOD_S = 60
"""Seconds per point where no period is chosen: AWS services publish once a minute."""


def load_metric(view: View, name: str, stat: str, label: str, host: str = HOST_PLACEHOLDER) -> list[Any]:
    """A metric of a whole host."""
    dimensions = [part for dimension in (("Host", host), *view.constants) for part in dimension]
    return [NAMESPACE_PLACEHOLDER, name, *dimensions, {"stat": stat, "label": label}]


def target_metric(metric: Metric) -> list[Any]:
    """A metric of an AWS resource under test."""
    dimensions = [part for dimension in metric.dimensions for part in dimension]
    options = {"stat": metric.stat, "label": metric.label, **({"region": metric.region} if metric.region else {})}
    return [metric.namespace, metric.name, *dimensions, options]


def gauge_hosts(view: View) -> list[tuple[str, str]]:
    """The hosts whose gauges are shown, each with a suffix for labels.

    A test whose users have several hosts publishes its gauges for none of them, so choosing a host does not show them.
    Without a host in the view, the tests shown may be of that kind.
    """
    return [(HOST_PLACEHOLDER, "")] + [(_core.NO_HOST, ", all hosts")] * (view.host is None)


def gauges(view: View, name: str, **labels: str) -> list[list[Any]]:
    """A gauge with one line per statistic.

    Args:
        view: What the dashboard shows.
        name: The metric name.
        **labels: The label of each statistic.

    """
    return [
        load_metric(view, name, stat, label + suffix, host)
        for host, suffix in gauge_hosts(view)
        for stat, label in labels.items()
    ]


def with_options(metric: list[Any], **options: object) -> list[Any]:
    """The metric with further rendering options."""
    return [*metric[:-1], {**metric[-1], **options}]


def rates(metrics: Iterable[tuple[list[Any], Divisor | None]], resolution: int = PERIOD_S) -> list[list[Any]]:
    """Metrics as rates per second.

    Args:
        metrics: Metrics, each with its divisor. Those with one are hidden, and an expression shows the quotient.
        resolution: Seconds between two values of a metric.

    """
    lines: list[list[Any]] = []
    for number, (metric, divisor) in enumerate(metrics, 1):
        if divisor is None:
            lines.append(metric)
            continue
        seconds = seconds_of(f"m{number}", resolution) if divisor == "PERIOD" else f"{divisor}(m{number})"
        quotient = {"expression": f"m{number}/{seconds}", "label": metric[-1]["label"], "id": f"e{number}"}
        if region := metric[-1].get("region"):
            quotient["region"] = region
        lines += [with_options(metric, id=f"m{number}", visible=False), [quotient]]
    return lines


def seconds_of(metric_id: str, resolution: int) -> str:
    """The seconds that a value of a metric stands for: the period of the graph, or those between two values."""
    period = f"PERIOD({metric_id})"
    return period if resolution == 1 else f"IF({period} < {resolution}, {resolution}, {period})"


def search(view: View, metric: str, stat: str, series: Sequence[str], host: str = HOST_PLACEHOLDER) -> str:
    """A search for all series of a metric, as an expression."""
    found = schema(NAMESPACE_PLACEHOLDER, *series, *(name for name, _ in view.constants))
    terms = [("MetricName", metric)] + [("Host", host)] * ("Host" in series)
    # A search cannot escape quotation marks and backslashes.
    terms += [(name, value) for name, value in view.constants if not set(value) & set("\"'\\")]
    conditions = " ".join(f'{_identifier(name)}="{value}"' for name, value in terms)
    # Without a period here, the period of the graph applies.
    return f"SEARCH('{found} {conditions}', '{stat}')"


def most_requested(view: View) -> str:
    """A Metrics Insights query for the names with the most requests."""
    dimensions = [*view.series, *(name for name, _ in view.constants)]
    found = ", ".join([f'"{NAMESPACE_PLACEHOLDER}"', *(_identifier(name) for name in dimensions)])
    fixed = [("Host", HOST_PLACEHOLDER)] * ("Host" in view.series) + [
        pair for pair in view.constants if "'" not in pair[1]
    ]
    where = " AND ".join(f"{_identifier(name)} = '{value}'" for name, value in fixed)
    where = f" WHERE {where}" if where else ""
    return f"SELECT SUM(RequestCount) FROM SCHEMA({found}){where} GROUP BY Request ORDER BY SUM() DESC LIMIT 10"  # noqa: S608 - CloudWatch runs it, not a database


def _identifier(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else f'"{name}"'
