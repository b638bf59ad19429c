"""What CloudWatch documents of a dashboard's body, checked without the code that makes it.

The local CloudWatch takes any text for a body, so a put that succeeds proves nothing. The rules are those of the AWS
documentation: "Dashboard Body Structure and Syntax", "Using dashboard variables", "Search expression syntax", "Using
math expressions", "Metrics Insights query components and syntax", and the quotas of CloudWatch. Unknown keys are
problems too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from support.dashboard_metrics import (
    SEARCH_QUERY,
    _written_out,
    metrics_problems,
)
from support.dashboard_values import (
    is_int,
    is_number,
    period_and_stat_problems,
    region_problems,
    unknown_keys,
)

MAX_WIDGETS = 500
MAX_METRICS = 2500
MAX_VARIABLES = 25
MAX_BYTES = 1_000_000  # of a request to CloudWatch, read the strict way
COLUMNS = 24
MAX_HEIGHT = 1000

NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
DURATION = re.compile(r"-P(?=.)(\d+[YMWD])*(T(\d+[HMS])+)?")
LOG_COMMANDS = {"display", "fields", "filter", "pattern", "diff", "parse", "sort", "stats", "limit", "dedup", "unmask"}
MAX_LOG_LIMIT = 10_000

WIDGET_KEYS = {"type", "x", "y", "width", "height", "properties"}
METRIC_KEYS = {
    "accountId", "annotations", "gauge", "labels", "legend", "liveData", "metrics", "period", "region",
    "setPeriodToTimeRange", "singleValueFullPrecision", "sparkline", "stacked", "start", "end", "stat", "table",
    "timezone", "title", "trend", "view", "yAxis",
}  # fmt: skip
LOG_KEYS = {"accountId", "query", "queryLanguage", "region", "stacked", "title", "view"}
VARIABLE_KEYS = {
    "defaultValue", "id", "inputType", "label", "pattern", "populateFrom", "property", "search", "type", "values",
    "visible",
}  # fmt: skip
TABLE_KEYS = {"layout", "showTimeSeriesData", "stickySummary", "summaryColumns"}


def problems(body: str | dict[str, Any]) -> list[str]:
    """What is wrong with a body, in words; empty if nothing."""
    text = body if isinstance(body, str) else json.dumps(body)
    try:
        parsed = json.loads(text)
    except ValueError as error:
        return [f"no JSON: {error}"]
    if not isinstance(parsed, dict):
        return ["no object"]
    found = list(_body(parsed))
    if len(text.encode()) > MAX_BYTES:
        found.append(f"{len(text.encode())} bytes")
    return found


def assert_valid(body: str | dict[str, Any]) -> dict[str, Any]:
    """The body, as an object."""
    found = problems(body)
    assert not found, "\n".join(found)
    parsed = json.loads(body) if isinstance(body, str) else body
    assert isinstance(parsed, dict)
    return parsed


def resolved(body: dict[str, Any], **choices: str) -> dict[str, Any]:
    """The body as the console shows it: patterns replaced by the choice for the variable's id, else by its default."""
    text = json.dumps(body["widgets"])
    for variable in body.get("variables", []):
        if variable["type"] == "pattern":
            value = json.dumps(choices.get(variable["id"], variable["defaultValue"]))[1:-1]
            text = re.sub(variable["pattern"], value.replace("\\", r"\\"), text)
    return {**body, "widgets": json.loads(text), "variables": []}


def metrics_of(body: dict[str, Any]) -> list[tuple[str, str, dict[str, str], dict[str, Any]]]:
    """Namespace, name, dimensions and rendering of each metric, abbreviations written out; without expressions."""
    found = []
    for widget in body["widgets"]:
        before: list[str] = []
        for metric in widget["properties"].get("metrics", []) if widget["type"] == "metric" else []:
            texts = [part for part in metric if isinstance(part, str)]
            if not texts:
                continue
            before = _written_out(texts, before)
            rendering = metric[-1] if isinstance(metric[-1], dict) else {}
            dimensions = dict(zip(before[2::2], before[3::2], strict=True))
            found.append((before[0], before[1], dimensions, rendering))
    return found


def expressions_of(body: dict[str, Any]) -> list[str]:
    return [
        metric[0]["expression"]
        for widget in body["widgets"]
        if widget["type"] == "metric"
        for metric in widget["properties"].get("metrics", [])
        if isinstance(metric[0], dict)
    ]


def _body(body: dict[str, Any]) -> Iterator[str]:
    yield from unknown_keys(body, {"start", "end", "periodOverride", "variables", "widgets"}, "body")
    start, end = body.get("start"), body.get("end")
    if start is not None and not (isinstance(start, str) and (DURATION.fullmatch(start) or _is_time(start))):
        yield f"body: start {start!r} is neither a duration nor a time"
    if end is not None and not (_is_time(start) and _is_time(end)):
        yield "body: end needs times for both start and end"
    if body.get("periodOverride", "auto") not in ("auto", "inherit"):
        yield f"body: periodOverride {body['periodOverride']!r}"
    widgets = body.get("widgets")
    if not isinstance(widgets, list):
        yield "body: widgets is required, a list"
        return
    if len(widgets) > MAX_WIDGETS:
        yield f"body: {len(widgets)} widgets, at most {MAX_WIDGETS}"
    for number, widget in enumerate(widgets):
        yield from _widget(widget, f"widget {number}")
    if all(isinstance(widget, dict) for widget in widgets):
        yield from _overlaps(widgets)
        metrics = sum(
            len(widget["properties"].get("metrics") or [])
            for widget in widgets
            if widget.get("type") == "metric" and isinstance(widget.get("properties"), dict)
        )
        if metrics > MAX_METRICS:
            yield f"body: {metrics} metrics, at most {MAX_METRICS}"
    yield from _variables(body.get("variables", []), json.dumps(widgets))


# Widgets


def _widget(widget: Any, where: str) -> Iterator[str]:
    if not isinstance(widget, dict):
        yield f"{where}: no object"
        return
    yield from unknown_keys(widget, WIDGET_KEYS, where)
    if ("x" in widget) != ("y" in widget):
        yield f"{where}: x without y, or y without x"
    for key, low, high in (("x", 0, COLUMNS - 1), ("y", 0, None), ("width", 1, COLUMNS), ("height", 1, MAX_HEIGHT)):
        value = widget.get(key, low)
        if not is_int(value) or value < low or (high is not None and value > high):
            yield f"{where}: {key} is {value!r}"
        elif key == "width" and is_int(widget.get("x", 0)) and widget.get("x", 0) + value > COLUMNS:
            yield f"{where}: reaches beyond column {COLUMNS}"
    checks = {"metric": _metric_widget, "text": _text_widget, "log": _log_widget}
    properties = widget.get("properties")
    if not isinstance(properties, dict):
        yield f"{where}: properties is required"
    elif widget.get("type") in checks:
        yield from checks[widget["type"]](properties, where)
    elif widget.get("type") not in ("alarm", "explorer", "custom"):
        yield f"{where}: no such type {widget.get('type')!r}"


def _overlaps(widgets: list[dict[str, Any]]) -> Iterator[str]:
    taken: dict[tuple[int, int], int] = {}
    for number, widget in enumerate(widgets):
        sides = [widget.get("x"), widget.get("y"), widget.get("width", 6), widget.get("height", 6)]
        if not all(is_int(side) and 0 <= side <= MAX_HEIGHT * MAX_WIDGETS for side in sides):
            continue
        x, y, width, height = (int(side or 0) for side in sides)
        cells = [(column, row) for column in range(x, x + width) for row in range(y, y + height)]
        if others := {taken[cell] for cell in cells if cell in taken}:
            yield f"widget {number} overlaps widget {min(others)}"
        taken.update(dict.fromkeys(cells, number))


def _text_widget(properties: dict[str, Any], where: str) -> Iterator[str]:
    yield from unknown_keys(properties, {"markdown", "background"}, where)
    if not isinstance(properties.get("markdown"), str):
        yield f"{where}: markdown is required"
    if properties.get("background", "solid") not in ("solid", "transparent"):
        yield f"{where}: background {properties['background']!r}"


def _log_widget(properties: dict[str, Any], where: str) -> Iterator[str]:
    yield from unknown_keys(properties, LOG_KEYS, where)
    yield from region_problems(properties, where)
    if properties.get("view", "table") not in ("table", "timeSeries", "bar", "pie"):
        yield f"{where}: view {properties['view']!r}"
    query = properties.get("query")
    if not isinstance(query, str):
        yield f"{where}: query is required"
        return
    sources = re.match(r"(SOURCE '[.\-_/#A-Za-z0-9]{1,512}' \| )+", query)
    if sources is None:
        yield f"{where}: the query has no SOURCE"
        return
    yield from log_query_problems(query[sources.end() :], where)


def log_query_problems(query: str, where: str = "query") -> Iterator[str]:
    """What is wrong with a query of Logs Insights, its sources left out."""
    query = re.sub(r"^#.*$", "", query, flags=re.MULTILINE)  # a comment
    bare = re.sub(r"\"[^\"]*\"|'[^']*'|/(?:\\.|[^/|])+/", "''", query)
    if "'" in bare.replace("''", "") or '"' in bare:
        yield f"{where}: a quotation mark is not closed"
    if bare.count("(") != bare.count(")"):
        yield f"{where}: a bracket is not closed"
    for command in bare.split("|"):
        words = command.split()
        if not words or words[0] not in LOG_COMMANDS:
            yield f"{where}: no such command in the query: {command.strip()!r}"
        elif words[0] == "limit" and not (len(words) == 2 and words[1].isdigit() and int(words[1]) <= MAX_LOG_LIMIT):
            yield f"{where}: {command.strip()!r}"


def _metric_widget(properties: dict[str, Any], where: str) -> Iterator[str]:
    yield from unknown_keys(properties, METRIC_KEYS, where)
    yield from region_problems(properties, where)
    view = properties.get("view", "timeSeries")
    if view not in ("timeSeries", "singleValue", "gauge", "bar", "pie", "table"):
        yield f"{where}: view {view!r}"
    for key in ("stacked", "liveData", "sparkline", "setPeriodToTimeRange", "singleValueFullPrecision", "trend"):
        if not isinstance(properties.get(key, False), bool):
            yield f"{where}: {key} is {properties[key]!r}"
    if not isinstance(properties.get("title", ""), str):
        yield f"{where}: title is {properties['title']!r}"
    yield from period_and_stat_problems(properties, where)
    yield from _axes(properties, view, where)
    yield from _annotations(properties.get("annotations", {}), view, where)
    if "table" in properties:
        yield from _table(properties["table"], view, f"{where}: table")
    metrics = properties.get("metrics")
    if metrics is None and "alarms" not in properties.get("annotations", {}):
        yield f"{where}: metrics is required"
    elif metrics is not None:
        yield from metrics_problems(metrics, where)


def _table(table: dict[str, Any], view: str, where: str) -> Iterator[str]:
    yield from unknown_keys(table, TABLE_KEYS, where)
    if view != "table":
        yield f"{where} without the view"
    if table.get("layout", "horizontal") not in ("horizontal", "vertical"):
        yield f"{where}: layout {table['layout']!r}"
    if not set(table.get("summaryColumns", [])) <= {"MIN", "MAX", "AVG", "SUM"}:
        yield f"{where}: summaryColumns {table['summaryColumns']!r}"


def _axes(properties: dict[str, Any], view: str, where: str) -> Iterator[str]:
    axes = properties.get("yAxis", {})
    yield from unknown_keys(axes, {"left", "right"}, f"{where}: yAxis")
    for axis in axes.values():
        yield from unknown_keys(axis, {"label", "max", "min", "showUnits"}, f"{where}: yAxis")
        if not all(is_number(axis[end]) for end in ("min", "max") if end in axis):
            yield f"{where}: an end of yAxis is no number"
        if not isinstance(axis.get("label", ""), str) or not isinstance(axis.get("showUnits", True), bool):
            yield f"{where}: yAxis has a wrong label or showUnits"
    if view == "gauge" and not {"min", "max"} <= axes.get("left", {}).keys():
        yield f"{where}: a gauge needs min and max"
    if view in ("table", "pie", "singleValue") and axes:
        yield f"{where}: a {view} has no yAxis"


def _annotations(annotations: dict[str, Any], view: str, where: str) -> Iterator[str]:
    yield from unknown_keys(annotations, {"alarms", "horizontal", "vertical"}, f"{where}: annotations")
    if annotations.get("vertical") and view != "timeSeries":
        yield f"{where}: vertical annotations need the view timeSeries"
    for kind, fills in (("horizontal", ("above", "below", "none")), ("vertical", ("before", "after", "none"))):
        for one in annotations.get(kind, []):
            if isinstance(one, list) and len(one) != 2:
                yield f"{where}: a band of {len(one)} annotations"
            for each in one if isinstance(one, list) else [one]:
                yield from _annotation(each, kind, fills, f"{where}: {kind} annotation")


def _annotation(one: Any, kind: str, fills: tuple[str, ...], where: str) -> Iterator[str]:
    if not isinstance(one, dict):
        yield f"{where}: no object"
        return
    known = {"color", "fill", "label", "value", "visible"} | ({"yAxis"} if kind == "horizontal" else set())
    yield from unknown_keys(one, known, where)
    fits = _is_time(one.get("value")) if kind == "vertical" else is_number(one.get("value"))
    if not fits:
        yield f"{where}: value {one.get('value')!r}"
    if not isinstance(one.get("label", ""), str):
        yield f"{where}: label {one['label']!r}"
    if one.get("fill", "none") not in fills:
        yield f"{where}: fill {one['fill']!r}"


def _is_time(value: Any) -> bool:
    if not isinstance(value, str) or "T" not in value:
        return False
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


# Variables


def _variables(variables: Any, widgets: str) -> Iterator[str]:
    if not isinstance(variables, list):
        yield "variables: no list"
        return
    if len(variables) > MAX_VARIABLES:
        yield f"variables: {len(variables)}, at most {MAX_VARIABLES}"
    ids = [variable.get("id") for variable in variables]
    if len(set(ids)) < len(ids):
        yield "variables: an id is there twice"
    for variable in variables:
        yield from _variable(variable, widgets, f"variable {variable.get('id')}")


def _variable(variable: dict[str, Any], widgets: str, where: str) -> Iterator[str]:
    yield from unknown_keys(variable, VARIABLE_KEYS, where)
    yield from _choices(variable, where)
    kind = variable.get("type")
    if not isinstance(variable.get("id"), str) or not re.fullmatch(r"\w{1,32}", variable["id"]):
        yield f"{where}: its id"
    if kind not in ("property", "pattern"):
        yield f"{where}: type {kind!r}"
    elif not isinstance(variable.get(kind), str) or {"property", "pattern"} - {kind} & variable.keys():
        yield f"{where}: of type {kind}, it needs {kind} and that alone"
    elif kind == "pattern" and not re.search(variable["pattern"], widgets):
        yield f"{where}: its pattern is nowhere"
    if not isinstance(variable.get("visible", True), bool):
        yield f"{where}: visible {variable['visible']!r}"


def _choices(variable: dict[str, Any], where: str) -> Iterator[str]:
    input_type = variable.get("inputType")
    listed, searched = "values" in variable, "search" in variable
    if input_type not in ("input", "radio", "select"):
        yield f"{where}: inputType {input_type!r}"
    elif (input_type == "input") == (listed or searched) or (listed and searched):
        yield f"{where}: {input_type} with values {listed}, search {searched}"
    if searched != ("populateFrom" in variable):
        yield f"{where}: search and populateFrom belong together"
    elif searched:
        found = SEARCH_QUERY.fullmatch(variable["search"])
        parts = [part.strip().strip('"') for part in found["schema"].split(",")] if found else []
        if variable["populateFrom"] not in parts[1:]:
            yield f"{where}: populateFrom is no dimension of {variable['search']!r}"
    default = variable.get("defaultValue")
    if default == "__FIRST" and input_type == "input":
        yield f"{where}: nothing is first"
    yield from _values(variable["values"], default, where) if listed else ()


def _values(values: Any, default: Any, where: str) -> Iterator[str]:
    if not values:
        yield f"{where}: no values"
    for value in values:
        if not isinstance(value, dict) or not isinstance(value.get("value"), str) or value.keys() - {"value", "label"}:
            yield f"{where}: value {value!r}"
    if default is not None and default not in [value.get("value") for value in values if isinstance(value, dict)]:
        yield f"{where}: its default {default!r} is no choice"
