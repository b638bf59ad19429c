"""The widgets of a dashboard: the load first, then one block per AWS resource under test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from locust_cw._dashboard.check_lines import load_lines, target_lines
from locust_cw._dashboard.expressions import (
    PERIOD_S,
    gauge_hosts,
    gauges,
    load_metric,
    most_requested,
    rates,
    search,
    seconds_of,
    target_metric,
    with_options,
)
from locust_cw._dashboard.limits import COLUMNS
from locust_cw._dashboard.log_queries import newest_failures
from locust_cw._dashboard.variables import HOST_PLACEHOLDER, NAMESPACE_PLACEHOLDER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locust_cw._aws.graph_metric import Signal
    from locust_cw._aws.targets import Target
    from locust_cw._dashboard.view import View
    from locust_cw._dashboard.widget_json import Json

MAX_LINES = 20
"""Names on one graph, those with the highest values. CloudWatch draws up to 100, too many to distinguish."""

_THIRD, _HALF = COLUMNS // 3, COLUMNS // 2
_GRAPH_HEIGHT = 6
_TABLE_HEIGHT = 7
_CPU_WARNING = {"label": "Locust's CPU warning", "value": 90}


class Grid:
    """Places widgets in rows, from the top.

    Attributes:
        widgets: The widgets placed so far.
        height: Height of all complete rows.

    """

    def __init__(self) -> None:
        """An empty grid."""
        self.widgets: list[Json] = []
        self.height = 0
        self._x = 0
        self._row_height = 0

    def new_row(self) -> None:
        """Complete the current row."""
        self.height += self._row_height
        self._x = self._row_height = 0

    def put(self, kind: str, width: int, height: int, properties: Json) -> None:
        """Place a widget in the current row, or in a new one if it does not fit."""
        if self._x + width > COLUMNS:
            self.new_row()
        position = {"x": self._x, "y": self.height, "width": width, "height": height}
        self.widgets.append({"type": kind, **position, "properties": properties})
        self._x += width
        self._row_height = max(self._row_height, height)

    def put_text(self, height: int, markdown: str) -> None:
        """Place a text over the whole width. Its first line is its title."""
        self.new_row()
        self.put("text", COLUMNS, height, {"markdown": markdown})
        self.new_row()

    def put_graph(self, properties: Json) -> None:
        """Place a graph that takes a third of the width."""
        self.put("metric", _THIRD, _GRAPH_HEIGHT, properties)


def put_load(grid: Grid, view: View) -> None:
    """Place the widgets of the load."""
    grid.put_text(
        2,
        f"# Load test of {HOST_PLACEHOLDER}\nNamespace {NAMESPACE_PLACEHOLDER}. Each run updates these widgets and"
        " marks its start, the end of its ramp-up and its stop. Widgets that you add are kept below.",
    )
    requests = load_metric(view, "RequestCount", "Sum", "requests")
    failures = load_metric(view, "FailureCount", "Sum", "failures")
    lines = rates([(requests, "PERIOD"), (failures, "PERIOD")], view.resolution)
    rate_limits = load_lines(view.checks, "all", "1/s")
    grid.put_graph(graph(view, "Requests and failures per second", "per second", lines, rate_limits))
    percentiles = [load_metric(view, "ResponseTime_ms", each, each) for each in ("p50", "p95", "p99")]
    grid.put_graph(graph(view, "Response time", "ms", percentiles, load_lines(view.checks, "all", "ms")))
    grid.put_graph(graph(view, "Users and workers", "", _users_and_workers(view)))
    if "Request" in view.series:
        _put_names(grid, view)
    share = {"expression": "100*m2/m1", "label": "failed requests", "id": "e1"}
    hidden = [with_options(requests, id="m1", visible=False), with_options(failures, id="m2", visible=False)]
    share_limits = load_lines(view.checks, "all", "%")
    grid.put_graph(graph(view, "Failed requests", "percent", [*hidden, [share]], share_limits))
    _put_generator(grid, view)
    if view.logs != "off":
        _put_failures(grid, view)
    grid.new_row()


def put_target(grid: Grid, view: View, target: Target) -> None:
    """Place the widgets of an AWS resource: a graph per signal."""
    grid.put_text(1, f"## {target.title}")
    for signal in target.signals:
        grid.put_graph(_signal(view, target, signal))
    grid.new_row()


def _signal(view: View, target: Target, signal: Signal) -> Json:
    lines = rates((target_metric(metric), metric.divisor) for metric in signal.metrics)
    limits = target_lines(view.checks, target, signal)
    return graph(view, f"{signal.title}, {target.title}", signal.unit, lines, limits)


def _users_and_workers(view: View) -> list[list[Any]]:
    searches = (search(view, "UserCount", "Maximum", ("Host", "UserClass"), host) for host, _ in gauge_hosts(view))
    by_class = [
        [{"expression": each, "label": "${PROP('Dim.UserClass')}", "id": f"e{number}"}]
        for number, each in enumerate(searches, 1)
    ]
    totals = gauges(view, "UserCount", Maximum="users") + gauges(view, "WorkerCount", Maximum="workers")
    return totals + by_class


def _put_generator(grid: Grid, view: View) -> None:
    lines = gauges(view, "GeneratorCpu_Percent", Average="average", Maximum="busiest process")
    limits = load_lines(view.checks, "generator", "%")
    grid.put_graph(graph(view, "Load generator: CPU", "percent", lines, [_CPU_WARNING, *limits]))
    lines = gauges(view, "GeneratorMemory_Bytes", Average="average", Maximum="largest process")
    limits = load_lines(view.checks, "generator", "MB")
    grid.put_graph(graph(view, "Load generator: memory", "bytes", lines, limits))


def _put_failures(grid: Grid, view: View) -> None:
    properties = {
        "region": view.region,
        "title": "Newest failures",
        "query": newest_failures(view),
        "view": "table",
    }
    grid.put("log", COLUMNS, _GRAPH_HEIGHT, properties)


def _put_names(grid: Grid, view: View) -> None:
    """Place the widgets that compare request names."""
    slowest = [[_top_names(search(view, "ResponseTime_ms", "p95", view.series))]]
    for title, unit, lines, limited in (
        ("Busiest names: requests per second", "per second", _top_rates(view, "RequestCount"), "1/s"),
        ("Slowest names: p95", "ms", slowest, "ms"),
        ("Most failing names: failures per second", "per second", _top_rates(view, "FailureCount"), None),
    ):
        limits = [] if limited is None else load_lines(view.checks, "request", limited)
        grid.put_graph(graph(view, title, unit, lines, limits))
    label = "${PROP('Dim.Method')} " * ("Method" in view.series) + "${PROP('Dim.Request')}"
    every = {"expression": search(view, "ResponseTime_ms", "p99", view.series), "label": label, "id": "e1"}
    table = graph(view, "Response time by name: p99, ms", "", [[every]])
    table |= {
        "view": "table",
        "table": {"layout": "vertical", "stickySummary": True, "summaryColumns": ["MIN", "AVG", "MAX"]},
    }
    del table["yAxis"]
    grid.put("metric", _HALF, _TABLE_HEIGHT, table)
    bars = graph(view, "Most requested names, requests", "", [[{"expression": most_requested(view), "id": "q1"}]])
    bars |= {"view": "bar", "stat": "Sum", "setPeriodToTimeRange": True}
    del bars["yAxis"]
    grid.put("metric", _HALF, _TABLE_HEIGHT, bars)


def _top_rates(view: View, metric: str) -> list[list[Any]]:
    """The names with the highest sums per second."""
    # PERIOD takes a metric, and returns the period that is chosen for the graph.
    of_host = with_options(load_metric(view, metric, "Sum", metric), id="m1", visible=False)
    return [of_host, [_top_names(f"{search(view, metric, 'Sum', view.series)}/{seconds_of('m1', view.resolution)}")]]


def _top_names(lines: str) -> Json:
    """The highest of the lines that an expression results in."""
    # Without a label here, each line keeps the label of its metric through the metric math.
    return {"expression": f"SLICE(SORT({lines}, MAX, DESC), 0, {MAX_LINES})", "label": "", "id": "e1"}


def graph(view: View, title: str, unit: str, metrics: list[list[Any]], limits: Sequence[Json] = ()) -> Json:
    """The properties of a graph over time."""
    axis = {"min": 0, "showUnits": False, **({"label": unit} if unit else {})}
    properties = {
        "title": title,
        "region": view.region,
        "view": "timeSeries",
        "stacked": False,
        "period": PERIOD_S,
        "metrics": metrics,
        "yAxis": {"left": axis},
    }
    return properties | ({"annotations": {"horizontal": list(limits)}} if limits else {})
