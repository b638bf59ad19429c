"""Limits of checks as horizontal lines on the graphs of what they limit.

The label of a line is `check: ` and the expression. A line with another label, or with another value than the limit of
the expression, is a user's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._checks.target_metrics import ADDITIVE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from locust_cw._aws.graph_metric import Signal
    from locust_cw._aws.targets import Target
    from locust_cw._dashboard.widget_json import Json

_PREFIX = "check: "
_COLOR = "#d13212"
# A graph of memory shows bytes.
_FACTORS = {"MB": 1_000_000}


def load_lines(checks: Iterable[_core.Check], scope: str, unit: str) -> list[Json]:
    """The lines of a graph of the load.

    Args:
        checks: The checks of the test.
        scope: The scope of the checks: `all`, `request` or `generator`.
        unit: The unit of the checks.

    """
    return [_line(check) for check, _ in limits_of_load(checks, scope, unit)]


def limits_of_load(checks: Iterable[_core.Check], scope: str, unit: str) -> list[tuple[_core.Check, float]]:
    """The checks whose lines a graph of the load has, and the limits in its unit. The arguments are as above."""
    return [(check, _value(check)) for check in checks if (check.scope, check.unit) == (scope, unit)]


def target_lines(checks: Iterable[_core.Check], target: Target, signal: Signal) -> list[Json]:
    """The lines of a graph of a target."""
    return [_line(check) for check, _ in limits_of_target(checks, target, signal)]


def limits_of_target(checks: Iterable[_core.Check], target: Target, signal: Signal) -> list[tuple[_core.Check, float]]:
    """The checks whose lines a graph of a target has, and their limits.

    A sum over a run has no line: the graph shows sums per second or per period.
    """
    drawn = {metric.name for metric in signal.metrics if metric.divisor is None}
    return [
        (check, _value(check))
        for check in checks
        if check.scope == "target"
        and (check.name or "").strip() == target.text.strip()
        and check.metric in drawn
        and check.statistic not in ADDITIVE
    ]


def is_check_line(annotation: object) -> bool:
    """Whether an annotation is the line of a check of this run or an earlier one."""
    if not isinstance(annotation, dict):
        return False
    label = annotation.get("label")
    if not isinstance(label, str) or not label.startswith(_PREFIX):
        return False
    try:
        check = _core.parse_check(label.removeprefix(_PREFIX))
    except _core.InvalidOptionError:
        return False
    return bool(annotation.get("value") == _value(check))


def _line(check: _core.Check) -> Json:
    return {"label": f"{_PREFIX}{check.text}", "value": _value(check), "color": _COLOR}


def _value(check: _core.Check) -> float:
    return check.limit * _FACTORS.get(check.unit, 1)
