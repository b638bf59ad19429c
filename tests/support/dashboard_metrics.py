"""The grammar of a widget's metrics and expressions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from support.dashboard_values import (
    COLOR,
    FUNCTIONS,
    ID,
    MAX_DIMENSIONS,
    MAX_EXPRESSION,
    RENDERING_KEYS,
    period_and_stat_problems,
    region_problems,
    unknown_keys,
)

MAX_METRICS_PER_WIDGET = 500


# Metrics and expressions


def metrics_problems(metrics: Any, where: str) -> Iterator[str]:
    if not isinstance(metrics, list) or not metrics:
        yield f"{where}: metrics is no list, or empty"
        return
    if len(metrics) > MAX_METRICS_PER_WIDGET:
        yield f"{where}: {len(metrics)} metrics"
    before: list[str] = []
    for number, metric in enumerate(metrics):
        at = f"{where}, metric {number}"
        if not isinstance(metric, list) or not metric:
            yield f"{at}: no list, or empty"
            return
        texts = metric[:-1] if isinstance(metric[-1], dict) else metric
        if not all(isinstance(part, str) and part for part in texts):
            yield f"{at}: a part is no text, or empty"
            return
        before = _written_out(texts, before) if texts else before
        if texts and (len(before) < 2 or len(before) % 2 or len(before) > 2 + 2 * MAX_DIMENSIONS):
            yield f"{at}: {texts} is no namespace, name and pairs of a dimension and its value"
        yield from _rendering(metric[-1] if isinstance(metric[-1], dict) else {}, at, expression=not texts)
    yield from _together(metrics, where)


def _together(metrics: list[list[Any]], where: str) -> Iterator[str]:
    renderings = [metric[-1] for metric in metrics if isinstance(metric[-1], dict)]
    if not any(rendering.get("visible", True) for rendering in renderings) and len(renderings) == len(metrics):
        yield f"{where}: nothing is visible"
    ids = [rendering["id"] for rendering in renderings if "id" in rendering]
    for name in {name for name in ids if ids.count(name) > 1}:
        yield f"{where}: the id {name} is there twice"
    for rendering in renderings:
        if "expression" in rendering:
            yield from _expression(str(rendering["expression"]), set(ids), where)


def _written_out(texts: list[str], before: list[str]) -> list[str]:
    if texts[0] == "...":
        return before[: len(before) - len(texts) + 1] + texts[1:]
    return [before[index] if text == "." and index < len(before) else text for index, text in enumerate(texts)]


def _rendering(rendering: dict[str, Any], where: str, *, expression: bool) -> Iterator[str]:
    yield from unknown_keys(rendering, RENDERING_KEYS | ({"expression"} if expression else set()), where)
    if expression and not isinstance(rendering.get("expression"), str):
        yield f"{where}: neither a metric nor an expression"
    yield from period_and_stat_problems(rendering, where)
    if "id" in rendering and not (isinstance(rendering["id"], str) and ID.fullmatch(rendering["id"])):
        yield f"{where}: id {rendering['id']!r}"
    if not isinstance(rendering.get("visible", True), bool):
        yield f"{where}: visible {rendering['visible']!r}"
    if rendering.get("yAxis", "left") not in ("left", "right"):
        yield f"{where}: yAxis {rendering['yAxis']!r}"
    if "color" in rendering and not COLOR.fullmatch(str(rendering["color"])):
        yield f"{where}: color {rendering['color']!r}"
    if "region" in rendering:
        yield from region_problems(rendering, where)
    if not isinstance(rendering.get("label", ""), str):
        yield f"{where}: label {rendering['label']!r}"


SEARCH = re.compile(r"SEARCH\('(?P<query>[^']*)',\s*'(?P<stat>[^']+)'(?:,\s*(?P<period>\d+))?\)")
PART = r"(?:\"[^\"]+\"|[A-Za-z0-9_/.:#-]+)"
SEARCH_QUERY = re.compile(
    rf"\s*\{{\s*(?P<schema>{PART}(?:\s*,\s*{PART})*)\s*\}}\s*(?P<terms>(?:{PART}=(?:\"[^\"]*\"|[^\s\"]+)\s*)*)"
)
NAMED = r"(?:[A-Za-z_]\w*|\"[^\"]+\")"
CONDITION = rf"{NAMED}\s*!?=\s*'[^']*'"
METRICS_INSIGHTS = re.compile(
    r"(?P<select>SELECT) (?P<function>AVG|COUNT|MAX|MIN|SUM)"
    rf"\({NAMED}\) FROM (?:SCHEMA\(\"[^\"]+\"(?:, {NAMED})*\)|\"[^\"]+\")"
    rf"(?: WHERE {CONDITION}(?: (?:AND|OR) {CONDITION})*)?"
    rf"(?: GROUP BY {NAMED}(?:, {NAMED})*)?"
    r"(?: ORDER BY (?P<ordered>AVG|COUNT|MAX|MIN|SUM)\(\)(?: ASC| DESC)?)?(?: LIMIT (?P<limit>\d+))?"
)


def _expression(expression: str, ids: set[str], where: str) -> Iterator[str]:
    at = f"{where}: expression {expression!r}"
    if len(expression) > MAX_EXPRESSION:
        yield f"{at}: longer than {MAX_EXPRESSION}"
    if expression.startswith("SELECT"):
        found = METRICS_INSIGHTS.fullmatch(expression)
        if found is None:
            yield f"{at}: no query of Metrics Insights"
        elif found["limit"] and not 1 <= int(found["limit"]) <= 500:
            yield f"{at}: its limit"
    else:
        yield from _mathematics(expression, ids, at)


def _mathematics(expression: str, ids: set[str], at: str) -> Iterator[str]:
    for search in SEARCH.finditer(expression):
        if SEARCH_QUERY.fullmatch(search["query"]) is None:
            yield f"{at}: what is searched for"
        rest = {"stat": search["stat"], "period": int(search["period"] or 60)}
        yield from period_and_stat_problems(rest, at)
    math = SEARCH.sub(" 1 ", expression)
    math = re.sub(r'"[^"]*"', " 1 ", math)
    if "'" in math or '"' in math or math.count("(") != math.count(")"):
        yield f"{at}: not balanced"
    if re.search(r"[^\w\s()+\-*/^.,<>=!&|\[\]]", math):
        yield f"{at}: a character that is no mathematics"
    for word in re.findall(r"[A-Za-z_]\w*", math):
        if word not in FUNCTIONS and word not in ids:
            yield f"{at}: {word} is neither a function nor an id"
