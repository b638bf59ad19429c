"""The metrics that a target check reads: from a check such as `rds:shop-db: CPUUtilization Average < 80` to CloudWatch.

The kind of the target determines namespace, dimensions and region. A metric that the catalogue of targets does not list
is allowed, because AWS publishes more metrics of a resource than the catalogue lists. It is read with the dimensions of
the resource, in each namespace of the kind.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._aws.targets import METRIC_KIND, STATISTICS, is_name, is_statistic

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from locust_cw._aws.graph_metric import Metric
    from locust_cw._aws.targets import Target

ADDITIVE = ("Sum", "SampleCount")
"""Statistics that grow with the time that they cover. Without data they are 0, if AWS counts the metric at all."""

_TRAFFIC = "Traffic"
"""The signal that every resource under load has data for."""


@dataclass(frozen=True)
class TargetMetrics:
    """The metrics that a target check reads.

    Attributes:
        check: The check.
        series: The metric with the statistic of the check. There are several if AWS publishes the metric once per
            operation of the resource, or if the kind has several namespaces. Each series that has data must meet the
            limit.
        traffic: Metrics that have data whenever the resource is under load. A minute in which they have data and the
            series have none counts as 0. Empty for a metric whose missing data has no such meaning.
        is_known: Whether the catalogue of targets lists the metric.
        known_names: The names of the metrics that the catalogue lists for the target.

    """

    check: _core.Check
    series: tuple[Metric, ...]
    traffic: tuple[Metric, ...]
    is_known: bool
    known_names: tuple[str, ...]

    @property
    def all(self) -> tuple[Metric, ...]:
        """All metrics that are read."""
        return self.series + self.traffic

    @property
    def region(self) -> str | None:
        """The region that stores the metrics; None for the region that the test publishes to."""
        return self.series[0].region

    def worst(self, values: Iterable[float]) -> float:
        """The value that is farthest from meeting the limit."""
        if self.check.operator == "==":
            return max(values, key=lambda value: abs(value - self.check.limit))
        return max(values) if self.check.operator.startswith("<") else min(values)


def target_checks(expressions: Sequence[str], targets: Sequence[Target]) -> list[_core.Check]:
    """The checks whose scope is a target.

    Raises:
        InvalidOptionError: If a check is malformed or appears twice, or its metrics cannot exist.

    """
    checks = [check for check in _core.parse_checks(expressions) if check.scope == "target"]
    for check in checks:
        metrics_of(check, targets)
    return checks


def metrics_of(check: _core.Check, targets: Sequence[Target]) -> TargetMetrics:
    """The metrics that a check reads.

    Args:
        check: A check whose scope is a target.
        targets: The AWS resources under test.

    Raises:
        InvalidOptionError: If the target is not among them, or the metric or the statistic cannot exist.

    """
    target = _target_of(check, targets)
    name, statistic = check.metric or "", check.statistic or ""
    if not is_statistic(statistic):
        raise _invalid(check, f"unknown statistic {statistic}; expected {', '.join(STATISTICS)}, p99 or similar")
    listed = [metric for signal in target.signals for metric in signal.metrics]
    names = tuple(dict.fromkeys(metric.name for metric in listed))
    found = [metric for metric in listed if metric.name == name]
    if not found:
        _check_name(check, target, name, names)
    series = dict.fromkeys(_with(metric, name, statistic) for metric in found or _resource_metrics(listed))
    # In the catalogue, metrics that count events have the statistic `Sum`.
    counts = bool(found) and all(metric.stat == "Sum" for metric in found) and target.kind != METRIC_KIND
    return TargetMetrics(
        check,
        tuple(series),
        _traffic(target, name) if counts and statistic in ADDITIVE else (),
        is_known=bool(found),
        known_names=names,
    )


def by_region(metrics: Sequence[TargetMetrics], indices: Iterable[int]) -> list[list[int]]:
    """The indices of metrics, divided by the region that stores them: a failure concerns only one region."""
    found: dict[str | None, list[int]] = {}
    for index in indices:
        found.setdefault(metrics[index].region, []).append(index)
    return list(found.values())


def _target_of(check: _core.Check, targets: Sequence[Target]) -> Target:
    name = (check.name or "").strip()
    for target in targets:
        if target.text.strip() == name:
            return target
    raise _invalid(check, f"{name} is not a target of this test; add --cw-target {name}")


def _check_name(check: _core.Check, target: Target, name: str, names: Sequence[str]) -> None:
    """Check the name of a metric that the catalogue does not list."""
    if target.kind == METRIC_KIND:
        raise _invalid(check, f"the target is the metric {names[0]}, not {name}")
    same = next((each for each in names if each.lower() == name.lower()), None)
    if same is not None:
        raise _invalid(check, f"the metric is spelled {same}, not {name}")
    if not is_name(name):
        raise _invalid(check, f"{name!r} is not a metric name; metrics of this target include {', '.join(names)}")


def _resource_metrics(listed: Sequence[Metric]) -> list[Metric]:
    """A metric from each namespace that has the dimensions of the resource and no more."""
    fewest = min(len(metric.dimensions) for metric in listed)
    by_source = {
        (metric.namespace, metric.dimensions, metric.region): metric
        for metric in listed
        if len(metric.dimensions) == fewest
    }
    return list(by_source.values())


def _with(metric: Metric, name: str, statistic: str) -> Metric:
    return replace(metric, label="", name=name, stat=statistic, divisor=None)


def _traffic(target: Target, name: str) -> tuple[Metric, ...]:
    metrics = [metric for signal in target.signals if signal.title.startswith(_TRAFFIC) for metric in signal.metrics]
    found = dict.fromkeys(_with(metric, metric.name, "SampleCount") for metric in metrics if metric.name != name)
    return tuple(found)


def _invalid(check: _core.Check, problem: str) -> _core.InvalidOptionError:
    return _core.InvalidOptionError("check", f"{check.text!r}: {problem}")
