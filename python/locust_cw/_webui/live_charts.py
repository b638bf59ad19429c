"""The charts of the live view: their titles, lines and limits. Their values follow separately."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._aws.targets import METRIC_KIND
from locust_cw._dashboard.check_lines import limits_of_load, limits_of_target
from locust_cw._settings.names import targets_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from locust_cw._settings.table import Options


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
        key: Which values it has: the name of an array of the load, or the number of the line in a chart of a target.
        label: Its name in the legend.

    """

    key: str
    label: str


@dataclass(frozen=True)
class Limit:
    """The limit of a check, as a horizontal line.

    Attributes:
        check: The expression of the check.
        label: The expression without the target of the chart.
        value: The limit, in the unit of the chart.

    """

    check: str
    label: str
    value: float


@dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes:
        key: Its name. The values of a chart of a target have it, too.
        group: The title of the charts that it belongs to: `Load`, a target, or `Metrics`.
        title: Its title.
        unit: The unit of its values, in CloudWatch's terms.
        lines: Its lines.
        limits: The limits of checks.

    """

    key: str
    group: str
    title: str
    unit: str
    lines: list[Line]
    limits: list[Limit] = field(default_factory=list)


_LOAD = "Load"
_METRICS = "Metrics"
_PERCENTILES = ("p50", "p95", "p99")


def charts_of(options: Options) -> list[Chart]:
    """The charts of a run with these options: of the load, and one for each signal of each target.

    A dry run reads no metrics of targets.
    """
    checks = [_core.parse_check(text) for text in options["check"] or ()]
    return [*_charts_of_load(checks), *(() if options["dry_run"] else _charts_of_targets(options, checks))]


def _charts_of_load(checks: list[_core.Check]) -> list[Chart]:
    rates = [Line("requests", "requests"), Line("failures", "failures")]
    percentiles = [Line(each, each) for each in _PERCENTILES]
    return [
        Chart("rates", _LOAD, "Requests and failures", "1/s", rates, _limits(limits_of_load(checks, "all", "1/s"))),
        Chart(
            "times", _LOAD, "Response time", "Milliseconds", percentiles, _limits(limits_of_load(checks, "all", "ms"))
        ),
        Chart("users", _LOAD, "Users", "Count", [Line("users", "users")]),
    ]


def _charts_of_targets(options: Options, checks: list[_core.Check]) -> Iterator[Chart]:
    for number, target in enumerate(targets_of(options["target"])):
        for index, signal in enumerate(target.signals):
            lines = [Line(str(position), metric.label) for position, metric in enumerate(signal.metrics)]
            limits = _limits(limits_of_target(checks, target, signal))
            is_metric = target.kind == METRIC_KIND
            group, title = (_METRICS, target.text.partition(":")[2]) if is_metric else (target.title, signal.title)
            yield Chart(key_of(number, index), group, title, signal.unit, lines, limits)


def key_of(target: int, signal: int) -> str:
    """The key of the chart of a signal, by the number of its target and its own number."""
    return f"target{target}-{signal}"


def _limits(found: Iterable[tuple[_core.Check, float]]) -> list[Limit]:
    return [Limit(check.text, _label(check), value) for check, value in found]


def _label(check: _core.Check) -> str:
    return check.text if check.scope != "target" else f"{check.measure} {check.operator} {check.limit:g}"
