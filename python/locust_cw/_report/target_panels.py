"""The panels of targets: the metrics of AWS resources in the time of the run."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._aws.account import message_of
from locust_cw._aws.targets import METRIC_KIND, Target
from locust_cw._report.findings import Group, Line, Panel
from locust_cw._report.query import fetch
from locust_cw._report.resources import Usage
from locust_cw._report.scales import MILLISECONDS_OF

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from locust_cw._aws.graph_metric import Metric, Signal
    from locust_cw._aws.metric_data import AccountOf
    from locust_cw._report.run_series import RunSeries
    from locust_cw._report.series import Series

# Names of metrics that are a share of the capacity in percent, such as CPUUtilization.
_USED = re.compile("(Utilization|UsagePercentage|UsedPercent|_used_percent)$")
_SINGLE_METRICS = "Metrics of the target"


def target_groups(
    targets: Iterable[Target], accounts: AccountOf, run: RunSeries
) -> tuple[list[Group], list[Usage], list[str]]:
    """The groups of targets that have data, the use of their resources, and a note for each of the others.

    Consecutive targets that are single metrics share a group.
    """
    groups: list[Group] = []
    usages: list[Usage] = []
    notes: list[str] = []
    for target in targets:
        try:
            read = [_read(signal, accounts, run) for signal in target.signals]
        except (_core.AwsError, TimeoutError) as error:
            reason = message_of(error) if isinstance(error, _core.AwsError) else f"{error}."
            notes.append(f"{target.text} is not shown: {reason}")
            continue
        panels = [_panel(signal, lines) for signal, lines in zip(target.signals, read, strict=True) if lines]
        usages += _usages(target, [each for lines in read for each in lines])
        if not panels:
            notes.append(
                f"{target.text} is not shown: CloudWatch has no data for it in the time of the run. Check its name and"
                " region. AWS services publish metrics once a minute or less often, with a delay of some minutes."
            )
        elif target.kind != METRIC_KIND:
            groups.append(Group(target.title, tuple(panels)))
        else:
            named = [_renamed(panel, target.text.removeprefix(f"{METRIC_KIND}:")) for panel in panels]
            if groups and groups[-1].title == _SINGLE_METRICS:
                named = [*groups.pop().panels, *named]
            groups.append(Group(_SINGLE_METRICS, tuple(named)))
    return groups, usages, notes


def _read(signal: Signal, accounts: AccountOf, run: RunSeries) -> list[tuple[Metric, Series]]:
    """The metrics of a signal that have data. Times are in milliseconds, as everywhere in a report."""
    found = []
    for region in dict.fromkeys(metric.region for metric in signal.metrics):
        metrics = [metric for metric in signal.metrics if metric.region == region]
        series = fetch(accounts(region), metrics, run.chart_start, run.chart_end, run.query_period)
        found += [(metric, each) for metric, each in zip(metrics, series, strict=True) if each]
    factor = MILLISECONDS_OF.get(signal.unit)
    if factor is None:
        return found
    return [(metric, replace(each, values=tuple(value * factor for value in each.values))) for metric, each in found]


def _panel(signal: Signal, found: Sequence[tuple[Metric, Series]]) -> Panel:
    unit = "Milliseconds" if signal.unit in MILLISECONDS_OF else signal.unit
    return Panel(signal.title, unit, tuple(Line(metric.label, series) for metric, series in found))


def _usages(target: Target, found: Sequence[tuple[Metric, Series]]) -> list[Usage]:
    """The use of the target's resources whose limit is known: those that AWS measures in percent.

    Of several statistics of a metric, the first one stands for the resource, which is the mean of its instances.
    """
    usages: dict[str, Usage] = {}
    for metric, series in found:
        is_left = metric.name == "BurstBalance"
        if is_left or _USED.search(metric.name):
            label = metric.label.removesuffix(" average").removesuffix(" maximum")
            own = (
                target.text.removeprefix(f"{METRIC_KIND}:") if target.kind == METRIC_KIND else f"{target.title} {label}"
            )
            usages.setdefault(metric.name, Usage(own, series, is_left))
    return list(usages.values())


def _renamed(panel: Panel, title: str) -> Panel:
    """The panel of a single metric, with what the user gave as its title."""
    return replace(panel, title=title, lines=tuple(replace(line, label=title) for line in panel.lines))
