"""What the values in a dashboard's body have to be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

MAX_DIMENSIONS = 30
MAX_EXPRESSION = 1024
ID = re.compile(r"[a-z][A-Za-z0-9_]{0,254}")
COLOR = re.compile(r"#[0-9A-Fa-f]{6}")
REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
STATISTIC = re.compile(
    r"Average|Sum|Minimum|Maximum|SampleCount|IQM|(p|tm|tc|ts|wm)\d{1,3}(\.\d+)?|(PR|TM|TC|TS|WM)\([\d.%]*:[\d.%]*\)"
)
HIGH_RESOLUTION_PERIODS = {1, 5, 10, 30}
FUNCTIONS = {
    "ABS", "AND", "ANOMALY_DETECTION_BAND", "ASC", "AVG", "CEIL", "DAY", "DESC", "DIFF", "DIFF_TIME", "EPOCH",
    "FILL", "FIRST", "FLOOR", "HOUR", "IF", "LAMBDA", "LAST", "LINEAR", "LOG", "LOG10", "MAX", "METRICS",
    "METRIC_COUNT", "MIN", "MINUTE", "MONTH", "OR", "PERIOD", "RATE", "REMOVE_EMPTY", "REPEAT", "RUNNING_SUM",
    "SEARCH", "SERVICE_QUOTA", "SLICE", "SORT", "STDDEV", "SUM", "TIME_SERIES", "YEAR",
}  # fmt: skip
RENDERING_KEYS = {"accountId", "color", "id", "label", "period", "region", "stat", "visible", "yAxis"}


def unknown_keys(value: dict[str, Any], known: Iterable[str], where: str) -> Iterator[str]:
    for key in value:
        if key not in known:
            yield f"{where}: no such key {key}"


def is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def region_problems(properties: dict[str, Any], where: str) -> Iterator[str]:
    region = properties.get("region")
    if not isinstance(region, str) or not REGION.fullmatch(region):
        yield f"{where}: region is required, not {region!r}"


def period_and_stat_problems(options: dict[str, Any], where: str) -> Iterator[str]:
    period = options.get("period", 60)
    if not is_int(period) or period <= 0 or (period % 60 and period not in HIGH_RESOLUTION_PERIODS):
        yield f"{where}: period {period!r}"
    stat = options.get("stat", "Sum")
    if not isinstance(stat, str) or not STATISTIC.fullmatch(stat):
        yield f"{where}: stat {stat!r}"
