"""Custom metrics on a dashboard: one graph per name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from locust_cw._dashboard.expressions import gauge_hosts, load_metric, rates, search, seconds_of, with_options
from locust_cw._dashboard.ownership import shown_title
from locust_cw._dashboard.widgets import Grid, graph

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from locust_cw._aws.graph_metric import Divisor
    from locust_cw._dashboard.view import CustomMetric, View
    from locust_cw._dashboard.widget_json import Json

MAX_GRAPHS = 24
"""Most graphs of custom metrics. Those of the present run come first."""

_TITLE = "Custom metric "
# A search cannot escape these.
_UNSEARCHABLE = frozenset("\"'\\")


def put_custom_metrics(grid: Grid, view: View, earlier: Iterable[Json]) -> None:
    """Place a graph for each custom metric of the run, and keep those of earlier runs.

    Args:
        grid: The grid.
        view: What the dashboard shows.
        earlier: locust-cw's widgets on the existing dashboard.

    """
    names = dict.fromkeys(metric.name for metric in view.custom_metrics)
    graphs = [_graph(view, [metric for metric in view.custom_metrics if metric.name == name]) for name in names]
    present = [each for each in graphs if each["metrics"]]
    titles = {each["title"] for each in present}
    graphs_before = (widget for widget in earlier if widget.get("type") == "metric")
    kept = [widget for widget in graphs_before if shown_title(widget).startswith(_TITLE)]
    past = [widget["properties"] for widget in kept if shown_title(widget) not in titles]
    if not present and not past:
        return
    grid.put_text(1, "## Custom metrics")
    for properties in (present + past)[:MAX_GRAPHS]:
        grid.put_graph({name: value for name, value in properties.items() if name != "annotations"})
    grid.new_row()


def _graph(view: View, metrics: Sequence[CustomMetric]) -> Json:
    first = metrics[0]
    of_host = [metric for metric in metrics if not metric.dimensions]
    found = [metric for metric in metrics if metric.dimensions and _is_searchable(metric)]
    unit = "" if first.unit == "None" else first.unit
    if first.kind == "count":
        unit = f"{unit or 'values'} per second"
        lines = _rates(view, of_host, found)
    else:
        lines = [
            load_metric(view, first.name, stat, label + suffix, host)
            for host, suffix in gauge_hosts(view) * bool(of_host)
            for stat, label in (("Average", "average"), ("Maximum", "maximum"))
        ]
        searches = [
            (search(_without(view, metric), metric.name, "Average", _series(metric), host), _label(metric))
            for host, _ in gauge_hosts(view)
            for metric in found
        ]
        lines += [
            [{"expression": each, "label": label, "id": f"e{number}"}]
            for number, (each, label) in enumerate(searches, 1)
        ]
    return graph(view, f"{_TITLE}{first.name}", unit, lines)


def _rates(view: View, of_host: Sequence[CustomMetric], found: Sequence[CustomMetric]) -> list[list[Any]]:
    """Sums per second."""
    hosts = gauge_hosts(view)
    totals: list[tuple[list[Any], Divisor | None]] = [
        (load_metric(view, metric.name, "Sum", "all" + suffix, host), "PERIOD")
        for metric in of_host
        for host, suffix in hosts
    ]
    lines = rates(totals, view.resolution)
    if found:
        # PERIOD takes a metric, and returns the period that is chosen for the graph.
        lines.append(with_options(load_metric(view, "RequestCount", "Sum", "requests"), id="m0", visible=False))
    seconds = seconds_of("m0", view.resolution)
    sums = [
        (search(_without(view, metric), metric.name, "Sum", _series(metric), host), _label(metric))
        for metric in found
        for host, _ in hosts
    ]
    return lines + [
        [{"expression": f"{each}/{seconds}", "label": label, "id": f"s{number}"}]
        for number, (each, label) in enumerate(sums, 1)
    ]


def _series(metric: CustomMetric) -> tuple[str, ...]:
    return tuple(dict.fromkeys(("Host", *metric.dimensions)))


def _without(view: View, metric: CustomMetric) -> View:
    """The view without the constant dimensions that the metric replaces."""
    return replace(view, constants=tuple(each for each in view.constants if each[0] not in metric.dimensions))


def _label(metric: CustomMetric) -> str:
    return " ".join(f"${{PROP('Dim.{name}')}}" for name in metric.dimensions)


def _is_searchable(metric: CustomMetric) -> bool:
    """Whether a search can find its series."""
    return not _UNSEARCHABLE & set("".join([metric.name, *metric.dimensions]))
