"""The dashboard of a test: its body, the marks of runs on it, and the queries saved beside it.

The body is made of a `View` and marks alone; `put` reads the dashboard that is there, keeps what is not ours, and puts
it back. Grammar: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import quote

from locust_cw import _core
from locust_cw._aws.endpoint import endpoint_of, partition_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from locust_cw._aws.account import Account
    from locust_cw._aws.targets import Metric, Signal, Target

logger = logging.getLogger("locust_cw")

Json: TypeAlias = "dict[str, Any]"

COLUMNS = 24
"""Of the grid that widgets stand in."""
MAX_WIDGETS = 500
"""On a dashboard."""
MAX_VARIABLES = 25
"""On a dashboard."""
MAX_BODY_BYTES = 900_000
"""AWS names no limit for a body; a POST to CloudWatch may have 1 MB, its name and wrapping included."""
MAX_RUNS = 20
"""Runs that are marked; the marks of older ones go."""
MAX_HOSTS = 25
"""Hosts to choose from; the oldest go."""
MAX_NAME = 255
"""Characters of a dashboard's name."""
MAX_REASON = 200
"""Characters of a mark's reason."""

MAX_LINES = 20
"""Names on one graph, those with the highest values; CloudWatch draws 100 at most, too many to be told apart."""

PERIOD_S = 60
"""Seconds per point: data of seconds is kept for three hours only, and the targets' own metrics come by the minute."""

OURS = " (locust-cw)"
"""How titles of our widgets end. A title without it makes a widget the user's."""

# What the variables replace, everywhere in the body. They look like nothing else that might stand in it, and read the
# same as text and as a regular expression, as which CloudWatch takes them.
NAMESPACE_PLACEHOLDER = "LocustCwNamespace"
HOST_PLACEHOLDER = "LocustCwHost"
_VARIABLE_IDS = ("locustCwNamespace", "locustCwHost")

_CPU_WARNING = {"label": "Locust warns", "value": 90}

Event: TypeAlias = Literal["start", "ramped up", "stop"]
_EVENTS: tuple[Event, ...] = ("start", "ramped up", "stop")
_MARK = re.compile(
    rf"run (?P<run_id>[A-Za-z0-9._-]{{1,{_core.MAX_RUN_ID_CHARS}}})"
    rf" (?P<event>{'|'.join(_EVENTS)})(?:: (?P<reason>.*))?",
    re.DOTALL,
)
_NAME = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_NAME}}}")


class DashboardError(Exception):
    """The dashboard cannot be made. The message tells why, and what to do."""


@dataclass(frozen=True)
class Mark:
    """A moment of a run, drawn as a vertical line.

    Attributes:
        run_id: The run.
        event: What happened.
        time: Seconds since the epoch.
        reason: Why, where there is something to say: the alarm that stopped it.

    """

    run_id: str
    event: Event
    time: float
    reason: str | None = None

    def annotation(self) -> Json:
        """As it stands in a widget."""
        reason = f": {' '.join(self.reason.split())[:MAX_REASON]}" if self.reason else ""
        when = datetime.fromtimestamp(self.time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"label": f"run {self.run_id} {self.event}{reason}", "value": when}

    @classmethod
    def read(cls, annotation: object) -> Mark | None:
        """The mark that an annotation is, or None where it is somebody else's."""
        if not isinstance(annotation, dict):
            return None
        found = _MARK.fullmatch(str(annotation.get("label")))
        try:
            when = datetime.fromisoformat(str(annotation.get("value"))).timestamp()
            datetime.fromtimestamp(when, UTC)  # which there is none for at the very ends of the calendar
        except (OverflowError, ValueError):
            return None
        if found is None:
            return None
        event = next(event for event in _EVENTS if event == found["event"])
        return cls(found["run_id"], event, when, found["reason"])


@dataclass(frozen=True)
class View:
    """What a dashboard shows.

    Attributes:
        region: Where the test publishes.
        namespace: Of its metrics.
        series: What series are made of: `Host`, `Request`, `Method`, `RunId`.
        logs: Which requests are logged: `all`, `failures` or `off`.
        log_format: `json` or `text`.
        log_group: Where to.
        host: The host under test; None where users have hosts of their own.
        constants: Dimensions that all metrics have.
        targets: The AWS resources under test.

    """

    # What options decide has no default here: the core knows those.
    region: str
    namespace: str
    series: tuple[str, ...]
    logs: str
    log_format: str
    log_group: str
    host: str | None = None
    constants: tuple[tuple[str, str], ...] = ()
    targets: tuple[Target, ...] = ()

    @classmethod
    def of(
        cls, options: Mapping[str, Any], *, region: str, host: str | None = None, targets: Sequence[Target] = ()
    ) -> View:
        """What a test with these options of the core publishes; those that are missing have their defaults."""
        chosen = {**_core.default_options(), **{name: value for name, value in options.items() if value is not None}}
        constants = [pair.partition("=") for pair in chosen["dimension"] or ()]
        return cls(
            region=region,
            namespace=chosen["namespace"],
            series=tuple(dict.fromkeys(name.strip() for name in chosen["dimensions"].split(","))),
            logs=chosen["logs"],
            log_format=chosen["log_format"],
            log_group=chosen["log_group"],
            host=None if host is None else _core.dimension_value(_core.public_host(host)),
            constants=tuple((name.strip(), _core.dimension_value(value.strip())) for name, _, value in constants),
            targets=tuple(targets),
        )


def check_name(name: str) -> str:
    """The name, if a dashboard can have it.

    Raises:
        InvalidOptionError: If not.

    """
    if _NAME.fullmatch(name) is None:
        raise _core.InvalidOptionError(
            "dashboard", f"{name!r} cannot be a dashboard's name; expected 1 to {MAX_NAME} letters, digits, - and _"
        )
    return name


def default_name(namespace: str) -> str:
    """The name of a dashboard for which none was given."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", namespace).strip("-")[:MAX_NAME] or "Locust"


def console_url(region: str, place: str) -> str:
    """Where people look at a place in CloudWatch's part of the AWS console."""
    domain = partition_of(region).console
    return f"https://{quote(region)}.console.{domain}/cloudwatch/home?region={quote(region)}#{place}"


def dashboard_url(region: str, name: str) -> str:
    """Where people look at it."""
    return console_url(region, f"dashboards/dashboard/{quote(name)}")


def shown_at(options: Mapping[str, Any], region: str, name: str) -> str | None:
    """Where people look at what was put with these options of the core; None where that is not at AWS."""
    return None if endpoint_of(options, "cloudwatch") else dashboard_url(region, name)


def metrics_url(region: str, namespace: str) -> str:
    """Where people look at the metrics of a namespace."""
    # The console's own notation, as far as it is needed: a string begins with ', and * stands before two hex digits.
    name = re.sub(r"[^A-Za-z0-9_.-]", lambda found: f"*{ord(found[0]):02x}", namespace)
    return console_url(region, f"metricsV2:graph=~();namespace=~'{name}")


def log_group_url(region: str, name: str) -> str:
    """Where people look at a log group."""
    # The console takes the name encoded twice, with $ for %.
    return console_url(region, f"logsV2:log-groups/log-group/{quote(quote(name, safe=''), safe='').replace('%', '$')}")


# The body.


def body(view: View, marks: Iterable[Mark] = (), existing: Json | None = None) -> Json:
    """The body of a dashboard: ours on top, below it what others added to the one that exists.

    Args:
        view: What it shows.
        marks: Added to those that it has.
        existing: The body that it has now.

    Raises:
        DashboardError: If it is too large for CloudWatch.

    """
    existing = existing or {}
    mine, others = _parted(existing.get("widgets"))
    annotations = _Annotations(_newest([*_marks_of(mine), *marks]), mine)
    while True:
        made = _made(view, annotations, existing, others)
        if len(made["widgets"]) > MAX_WIDGETS:
            raise DashboardError(
                f"the dashboard would have {len(made['widgets'])} widgets, and CloudWatch takes {MAX_WIDGETS}: name"
                " fewer targets with --cw-target, or another dashboard"
            )
        size = len(json.dumps(made).encode())
        if size <= MAX_BODY_BYTES:
            return made
        if not annotations.runs:
            raise DashboardError(
                f"the dashboard would have {size} bytes, and CloudWatch takes about {MAX_BODY_BYTES}: name fewer"
                " targets with --cw-target, or another dashboard"
            )
        del annotations.runs[0]


def _made(view: View, annotations: _Annotations, existing: Json, others: Sequence[Json]) -> Json:
    grid = _Grid()
    _put_load(grid, view)
    for target in {target.title: target for target in view.targets}.values():
        _put_target(grid, view, target)
    for widget in grid.widgets:
        annotations.put_on(widget)
    others = _moved_below(others, grid.height)
    kept: Json = {name: existing[name] for name in ("start", "end", "periodOverride") if name in existing}
    return {
        "start": "-PT3H",
        "periodOverride": "inherit",
        **kept,
        "variables": _variables(view, existing.get("variables")),
        "widgets": [*grid.widgets, *others],
    }


class _Grid:
    """Places widgets in rows."""

    def __init__(self) -> None:
        self.widgets: list[Json] = []
        self.height = 0
        self._x = 0
        self._row = 0

    def new_row(self) -> None:
        self.height += self._row
        self._x = self._row = 0

    def put(self, kind: str, width: int, height: int, properties: Json) -> None:
        if self._x + width > COLUMNS:
            self.new_row()
        place = {"x": self._x, "y": self.height, "width": width, "height": height}
        self.widgets.append({"type": kind, **place, "properties": properties})
        self._x += width
        self._row = max(self._row, height)

    def put_text(self, height: int, markdown: str) -> None:
        self.new_row()
        first, _, rest = markdown.partition("\n")
        self.put("text", COLUMNS, height, {"markdown": f"{first}{OURS}\n{rest}".rstrip("\n")})
        self.new_row()


class _Annotations:
    """What is drawn on graphs: the marks, and what people added to a graph of the same title."""

    def __init__(self, runs: list[list[Mark]], mine: Iterable[Json]) -> None:
        self.runs = runs
        self._added: dict[str, Json] = {}
        for widget in mine:
            annotations = widget["properties"].get("annotations")
            if isinstance(annotations, dict):
                self._added.setdefault(_title(widget), annotations)

    def put_on(self, widget: Json) -> None:
        properties = widget["properties"]
        if properties.get("view") != "timeSeries":
            return
        added = self._added.get(_title(widget), {})
        vertical = [mark.annotation() for run in self.runs for mark in run]
        vertical += [each for each in _list(added.get("vertical")) if Mark.read(each) is None]
        horizontal = list(properties.pop("annotations", {}).get("horizontal", ()))
        horizontal += [each for each in _list(added.get("horizontal")) if each not in horizontal]
        annotations = {"horizontal": horizontal, "vertical": vertical}
        if any(annotations.values()):
            properties["annotations"] = {name: each for name, each in annotations.items() if each}


def _newest(marks: Iterable[Mark]) -> list[list[Mark]]:
    """The marks of the newest runs, by run, the newest last; of two marks of the same moment the later given."""
    runs: dict[str, dict[Event, Mark]] = {}
    for mark in marks:
        runs.setdefault(mark.run_id, {})[mark.event] = mark
    in_order = sorted(runs.values(), key=lambda run: min(mark.time for mark in run.values()))
    return [sorted(run.values(), key=lambda mark: _EVENTS.index(mark.event)) for run in in_order[-MAX_RUNS:]]


def _marks_of(mine: Iterable[Json]) -> list[Mark]:
    found: dict[tuple[str, str], Mark] = {}
    for widget in mine:
        annotations = widget["properties"].get("annotations")
        for annotation in _list(annotations.get("vertical")) if isinstance(annotations, dict) else ():
            if mark := Mark.read(annotation):
                found[mark.run_id, mark.event] = mark
    return list(found.values())


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _title(widget: Json) -> str:
    properties = widget.get("properties")
    if not isinstance(properties, dict):
        return ""
    if widget.get("type") == "text":
        return str(properties.get("markdown") or "").partition("\n")[0]
    return str(properties.get("title") or "")


def _parted(widgets: object) -> tuple[list[Json], list[Json]]:
    """Our widgets and those of others; a copy of one of ours was made by somebody to change it, and is theirs."""
    mine: dict[str, Json] = {}
    others: list[Json] = []
    for widget in (each for each in _list(widgets) if isinstance(each, dict)):
        title = _title(widget)
        if not title.endswith(OURS):
            others.append(widget)
        elif title in mine:
            others.append(_renamed(widget, title.removesuffix(OURS) + " (copy)"))
        else:
            mine[title] = widget
    return list(mine.values()), others


def _renamed(widget: Json, title: str) -> Json:
    properties = dict(widget["properties"])
    if widget.get("type") == "text":
        properties["markdown"] = "\n".join([title, *properties["markdown"].split("\n")[1:]])
    else:
        properties["title"] = title
    return {**widget, "properties": properties}


def _moved_below(widgets: Sequence[Json], y: int) -> list[Json]:
    """The same in the same order to each other, the uppermost at `y`; CloudWatch itself places those without one."""
    placed = [widget["y"] for widget in widgets if isinstance(widget.get("y"), int)]
    by = y - min(placed, default=0)
    return [{**widget, "y": widget["y"] + by} if isinstance(widget.get("y"), int) else widget for widget in widgets]


def _variables(view: View, existing: object) -> list[Json]:
    earlier = [each for each in _list(existing) if isinstance(each, dict)]
    namespace: Json = {
        "id": _VARIABLE_IDS[0],
        "type": "pattern",
        "pattern": NAMESPACE_PLACEHOLDER,
        "inputType": "input",
        "label": "Namespace",
        "defaultValue": view.namespace,
        "visible": True,
    }
    host: Json = {
        "id": _VARIABLE_IDS[1],
        "type": "pattern",
        "pattern": HOST_PLACEHOLDER,
        "inputType": "select",
        "label": "Host",
        "visible": True,
    }
    if view.host is None:
        # A search knows a new metric after some minutes only: where the host is known, it is there from the start.
        schema = _schema(view.namespace, "Host", *(name for name, _ in view.constants))
        host |= {
            "defaultValue": "__FIRST",
            "search": f'{schema} MetricName="RequestCount"',
            "populateFrom": "Host",
        }
    else:
        known = [value for each in earlier if each.get("id") == host["id"] for value in _list(each.get("values"))]
        chosen = {"value": view.host, "label": view.host}
        others = [value for value in known if isinstance(value, dict) and value.get("value") != view.host]
        host |= {"defaultValue": view.host, "values": [chosen, *others][:MAX_HOSTS]}
    theirs = [each for each in earlier if each.get("id") not in _VARIABLE_IDS]
    if len(theirs) + 2 > MAX_VARIABLES:
        raise DashboardError(
            f"the dashboard has {len(theirs)} variables of its own, and CloudWatch takes {MAX_VARIABLES} with our two:"
            " take another dashboard"
        )
    return [namespace, host, *theirs]


# The load.


def _put_load(grid: _Grid, view: View) -> None:
    third = COLUMNS // 3
    grid.put_text(
        2,
        f"# Load test of {HOST_PLACEHOLDER}\nNamespace {NAMESPACE_PLACEHOLDER}. Each run brings this part up to date"
        " and marks its start, the end of its ramp-up and its stop. Widgets that you add stay, below.",
    )
    requests, failures = _load(view, "RequestCount", "Sum", "requests"), _load(view, "FailureCount", "Sum", "failures")
    grid.put(
        "metric",
        third,
        6,
        _graph(
            view, "Requests and failures per second", "per second", _rates([(requests, "PERIOD"), (failures, "PERIOD")])
        ),
    )
    grid.put(
        "metric",
        third,
        6,
        _graph(
            view,
            "Response time",
            "ms",
            [_load(view, "ResponseTime_ms", percentile, percentile) for percentile in ("p50", "p95", "p99")],
        ),
    )
    searches = (_search(view, "UserCount", "Maximum", ("Host", "UserClass"), host) for host, _ in _gauge_hosts(view))
    by_class = [
        [{"expression": search, "label": "${PROP('Dim.UserClass')}", "id": f"e{number}"}]
        for number, search in enumerate(searches, 1)
    ]
    grid.put(
        "metric",
        third,
        6,
        _graph(
            view,
            "Users and workers",
            "",
            [*_gauges(view, "UserCount", Maximum="users"), *_gauges(view, "WorkerCount", Maximum="workers"), *by_class],
        ),
    )
    if "Request" in view.series:
        _put_names(grid, view)
    share = {"expression": "100*m2/m1", "label": "failed requests", "id": "e1"}
    hidden = [_with(requests, id="m1", visible=False), _with(failures, id="m2", visible=False)]
    grid.put("metric", third, 6, _graph(view, "Failed requests", "percent", [*hidden, [share]]))
    cpu = _graph(
        view,
        "Load generator: CPU",
        "percent",
        _gauges(view, "GeneratorCpu_Percent", Average="average", Maximum="busiest process"),
    )
    cpu["annotations"] = {"horizontal": [_CPU_WARNING]}
    grid.put("metric", third, 6, cpu)
    memory = _gauges(view, "GeneratorMemory_Bytes", Average="average", Maximum="largest process")
    grid.put("metric", third, 6, _graph(view, "Load generator: memory", "bytes", memory))
    if view.logs != "off":
        log = {
            "region": view.region,
            "title": f"Newest failures{OURS}",
            "query": _failures_query(view),
            "view": "table",
        }
        grid.put("log", COLUMNS, 6, log)
    grid.new_row()


def _put_names(grid: _Grid, view: View) -> None:
    third = COLUMNS // 3

    def by_name(metric: str, stat: str, per: str = "") -> list[Any]:
        search = _search(view, metric, stat, view.series)
        # Without a label of its own, each line keeps that of its metric, whatever mathematics it went through.
        return [[{"expression": f"SLICE(SORT({search}{per}, MAX, DESC), 0, {MAX_LINES})", "label": "", "id": "e1"}]]

    graphs = (
        ("Busiest names: requests per second", "per second", by_name("RequestCount", "Sum", f"/{PERIOD_S}")),
        ("Slowest names: p95", "ms", by_name("ResponseTime_ms", "p95")),
        ("Most failing names: failures per second", "per second", by_name("FailureCount", "Sum", f"/{PERIOD_S}")),
    )
    for title, unit, metrics in graphs:
        grid.put("metric", third, 6, _graph(view, title, unit, metrics))
    label = "${PROP('Dim.Method')} " * ("Method" in view.series) + "${PROP('Dim.Request')}"
    every = {"expression": _search(view, "ResponseTime_ms", "p99", view.series), "label": label, "id": "e1"}
    table = _graph(view, "Response time by name: p99, ms", "", [[every]])
    table |= {
        "view": "table",
        "table": {"layout": "vertical", "stickySummary": True, "summaryColumns": ["MIN", "AVG", "MAX"]},
    }
    del table["yAxis"]
    grid.put("metric", COLUMNS // 2, 7, table)
    top = _graph(view, "Most requested names, requests", "", [[{"expression": _top_query(view), "id": "q1"}]])
    top |= {"view": "bar", "stat": "Sum"}
    del top["yAxis"]
    grid.put("metric", COLUMNS // 2, 7, top)


def _load(view: View, name: str, stat: str, label: str, host: str = HOST_PLACEHOLDER) -> list[Any]:
    dimensions = [part for dimension in (("Host", host), *view.constants) for part in dimension]
    return [NAMESPACE_PLACEHOLDER, name, *dimensions, {"stat": stat, "label": label}]


def _gauge_hosts(view: View) -> list[tuple[str, str]]:
    """The hosts that gauges are drawn of, each with what it adds to a label.

    A test whose users have several hosts publishes its gauges under none of them, where no choice of a host finds them.
    Without a host it is not known whether the tests shown are such.
    """
    return [(HOST_PLACEHOLDER, "")] + [(_core.NO_HOST, ", all hosts")] * (view.host is None)


def _gauges(view: View, name: str, **labels: str) -> list[list[Any]]:
    """A gauge by the labels of its statistics."""
    return [
        _load(view, name, stat, label + where, host)
        for host, where in _gauge_hosts(view)
        for stat, label in labels.items()
    ]


def _with(metric: list[Any], **options: object) -> list[Any]:
    return [*metric[:-1], {**metric[-1], **options}]


def _rates(metrics: Iterable[tuple[list[Any], str | None]]) -> list[list[Any]]:
    """Metrics as they are, or per second: then the metric is hidden, and what is drawn is its quotient."""
    lines: list[list[Any]] = []
    for number, (metric, divisor) in enumerate(metrics, 1):
        if divisor is None:
            lines.append(metric)
            continue
        quotient = {"expression": f"m{number}/{divisor}(m{number})", "label": metric[-1]["label"], "id": f"e{number}"}
        if region := metric[-1].get("region"):
            quotient["region"] = region
        lines += [_with(metric, id=f"m{number}", visible=False), [quotient]]
    return lines


def _graph(view: View, title: str, unit: str, metrics: list[list[Any]]) -> Json:
    axis = {"min": 0, "showUnits": False, **({"label": unit} if unit else {})}
    return {
        "title": title + OURS,
        "region": view.region,
        "view": "timeSeries",
        "stacked": False,
        "period": PERIOD_S,
        "metrics": metrics,
        "yAxis": {"left": axis},
    }


def _schema(namespace: str, *dimensions: str) -> str:
    # Quotation marks are needed where there is more than letters and digits, and the variable may bring anything.
    return "{" + ",".join(f'"{part}"' for part in (namespace, *dimensions)) + "}"


def _search(view: View, metric: str, stat: str, series: Sequence[str], host: str = HOST_PLACEHOLDER) -> str:
    schema = _schema(NAMESPACE_PLACEHOLDER, *series, *(name for name, _ in view.constants))
    terms = [("MetricName", metric)] + [("Host", host)] * ("Host" in series)
    terms += [(name, value) for name, value in view.constants if not set(value) & set("\"'\\")]
    return f"SEARCH('{schema} {' '.join(_term(*term) for term in terms)}', '{stat}', {PERIOD_S})"


def _term(name: str, value: str) -> str:
    return f'{_identifier(name)}="{value}"'


def _identifier(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else f'"{name}"'


def _top_query(view: View) -> str:
    """Of Metrics Insights."""
    dimensions = [*view.series, *(name for name, _ in view.constants)]
    schema = ", ".join([f'"{NAMESPACE_PLACEHOLDER}"', *(_identifier(name) for name in dimensions)])
    fixed = [("Host", HOST_PLACEHOLDER)] * ("Host" in view.series) + [
        pair for pair in view.constants if "'" not in pair[1]
    ]
    where = " AND ".join(f"{_identifier(name)} = '{value}'" for name, value in fixed)
    where = f" WHERE {where}" if where else ""
    return f"SELECT SUM(RequestCount) FROM SCHEMA({schema}){where} GROUP BY Request ORDER BY SUM() DESC LIMIT 10"  # noqa: S608 - no database is asked


def _failures_query(view: View) -> str:
    source = f"SOURCE '{view.log_group}'"
    if view.log_format == "text":
        return (
            f"{source} | filter @message like '[exception='"
            ' | parse @message "[timestamp=*] [host=*] [request_type=*] [name=*] [response_time=*] [exception=*]'
            ' [user=*]"'
            " as time, host, method, name, response_time_ms, error, user"
            f" | filter host = '{HOST_PLACEHOLDER}'"
            " | display @timestamp, method, name, response_time_ms, error | sort @timestamp desc | limit 50"
        )
    return (
        f"{source} | fields @timestamp, method, name, status, response_time_ms, error_type, error, run_id"
        f" | filter outcome = 'failure' and host = '{HOST_PLACEHOLDER}' | sort @timestamp desc | limit 50"
    )


# The targets.


def _put_target(grid: _Grid, view: View, target: Target) -> None:
    grid.put_text(1, f"## {target.title}")
    for signal in target.signals:
        grid.put("metric", COLUMNS // 3, 6, _signal(view, target, signal))
    grid.new_row()


def _signal(view: View, target: Target, signal: Signal) -> Json:
    lines = _rates((_drawn(metric), metric.divisor) for metric in signal.metrics)
    return _graph(view, f"{signal.title}, {target.title}", signal.unit, lines)


def _drawn(metric: Metric) -> list[Any]:
    dimensions = [part for dimension in metric.dimensions for part in dimension]
    options = {"stat": metric.stat, "label": metric.label, **({"region": metric.region} if metric.region else {})}
    return [metric.namespace, metric.name, *dimensions, options]


# Beside it.


def saved_queries(view: View) -> dict[str, str]:
    """Queries of Logs Insights over the log, by name; none where the log does not hold what they need."""
    if view.logs == "off" or view.log_format != "json":
        return {}
    queries = {
        "failures by type": "filter outcome = 'failure'"
        " | stats count(*) as failures, latest(error) as newest_error by error_type, status, method, name"
        " | sort failures desc",
    }
    if view.logs == "all":
        queries["slowest requests"] = (
            "fields @timestamp, method, name, response_time_ms, outcome, status, run_id, worker"
            " | filter ispresent(response_time_ms) | sort response_time_ms desc | limit 100"
        )
        queries["percentiles by name"] = (
            "filter outcome = 'success'"
            " | stats count(*) as requests, pct(response_time_ms, 50) as p50, pct(response_time_ms, 95) as p95,"
            " pct(response_time_ms, 99) as p99, max(response_time_ms) as slowest by method, name"
            " | sort p99 desc"
        )
    return queries


def get(account: Account, name: str) -> Json | None:
    """The body of a dashboard; None if there is no such dashboard.

    Raises:
        AwsError: If AWS does not tell.
        DashboardError: If it is none that can be changed.

    """
    try:
        text = account.call("GetDashboard", DashboardName=name)["DashboardBody"]
    except _core.AwsError as error:
        if error.kind == "not_found":
            return None
        raise
    try:
        existing = json.loads(text)
    except (TypeError, ValueError):
        existing = None
    if not isinstance(existing, dict):
        raise DashboardError(f"the dashboard {name} has a body that cannot be read: delete it, or take another name")
    return existing


def put(account: Account, name: str, view: View, marks: Iterable[Mark] = ()) -> None:
    """Create a dashboard, or bring it up to date and add marks; the marks and the widgets of others stay.

    Raises:
        AwsError: If AWS refuses.
        DashboardError: If it cannot be made.

    """
    made = body(view, marks, get(account, name))
    answer = account.call("PutDashboard", DashboardName=name, DashboardBody=json.dumps(made))
    for message in answer.get("DashboardValidationMessages") or ():
        logger.warning("CloudWatch says of the dashboard %s, %s: %s", name, message["DataPath"], message["Message"])


def save_queries(account: Account, name: str, view: View) -> list[str]:
    """Save the queries of Logs Insights in the folder of the dashboard's name, or bring them up to date.

    They are a convenience: what AWS refuses is logged, and nothing raised.

    Returns:
        The names of those that are saved.

    """
    saved: list[str] = []
    try:
        known = account.call("DescribeQueryDefinitions", queryDefinitionNamePrefix=f"{name}/")["queryDefinitions"]
        ids = {query["name"]: query["queryDefinitionId"] for query in known}
        for title, query in saved_queries(view).items():
            query_name = f"{name}/{title}"
            same = {"queryDefinitionId": ids[query_name]} if query_name in ids else {}
            account.call(
                "PutQueryDefinition", name=query_name, queryString=query, logGroupNames=[view.log_group], **same
            )
            saved.append(query_name)
    except _core.AwsError as error:
        # A local CloudWatch has none.
        level = logging.WARNING if error.kind == "access_denied" else logging.DEBUG
        logger.log(level, "The queries of the dashboard %s are not saved: %s", name, error.message)
    return saved


def delete(account: Account, name: str) -> bool:
    """Delete a dashboard.

    Returns:
        Whether there was one.

    Raises:
        AwsError: If AWS refuses.

    """
    try:
        account.call("DeleteDashboards", DashboardNames=[name])
    except _core.AwsError as error:
        if error.kind == "not_found":
            return False
        raise
    return True


@dataclass
class Dashboard:
    """The dashboard of one run, marked as the run goes on.

    Each method reads and puts the dashboard, with all marks of the run so far: a call that failed is made good by the
    next. A call made while another is under way returns at once: the other puts its mark, too, even after a failure.

    Attributes:
        account: Where it is; its `sleep` lets others run.
        name: Its name.
        view: What it shows.
        run_id: The run.

    """

    account: Account
    name: str
    view: View
    run_id: str
    _marks: list[Mark] = field(default_factory=list)
    _changed: bool = False
    _putting: bool = False

    def begin(self, time: float) -> None:
        """Create it or bring it up to date, mark the start, and save the queries beside it.

        Raises:
            AwsError: If AWS refuses.
            DashboardError: If it cannot be made.

        """
        self._mark("start", time)
        save_queries(self.account, self.name, self.view)

    def ramped_up(self, time: float) -> None:
        """Mark the end of the ramp-up. Raises as `begin` does."""
        self._mark("ramped up", time)

    def stopped(self, time: float, reason: str | None = None) -> None:
        """Mark the stop, with its reason where there is one. Raises as `begin` does."""
        self._mark("stop", time, reason)

    def _mark(self, event: Event, time: float, reason: str | None = None) -> None:
        self._marks.append(Mark(self.run_id, event, time, reason))
        self._changed = True
        if self._putting:
            return
        self._putting = True
        try:
            while self._changed:
                self._changed = False
                try:
                    put(self.account, self.name, self.view, list(self._marks))
                except (_core.AwsError, DashboardError):
                    # Whoever has made a mark meanwhile relies on this call.
                    if not self._changed:
                        raise
        finally:
            self._putting = False
