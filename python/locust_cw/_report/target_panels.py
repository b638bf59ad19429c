"""The panels of targets: the metrics of AWS resources in the time of the run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._aws.account import message_of
from locust_cw._aws.targets import METRIC_KIND, Target
from locust_cw._report.findings import Group, Line, Panel
from locust_cw._report.query import fetch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from locust_cw._aws.graph_metric import Signal
    from locust_cw._aws.metric_data import AccountOf
    from locust_cw._report.run_metrics import RunMetrics

_SINGLE_METRICS = "Metrics of the target"


def target_groups(targets: Iterable[Target], accounts: AccountOf, run: RunMetrics) -> tuple[list[Group], list[str]]:
    """The groups of targets that have data, and a note for each of the others.

    Consecutive targets that are single metrics share a group.
    """
    groups: list[Group] = []
    notes: list[str] = []
    for target in targets:
        try:
            panels = [panel for signal in target.signals if (panel := _panel(signal, accounts, run))]
        except _core.AwsError as error:
            notes.append(f"{target.text} is not shown: {message_of(error)}")
            continue
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
    return groups, notes


def _panel(signal: Signal, accounts: AccountOf, run: RunMetrics) -> Panel | None:
    """The panel of a signal; None without data."""
    lines = []
    for region in dict.fromkeys(metric.region for metric in signal.metrics):
        metrics = [metric for metric in signal.metrics if metric.region == region]
        found = fetch(accounts(region), metrics, run.chart_start, run.chart_end, run.period)
        lines += [Line(metric.label, series) for metric, series in zip(metrics, found, strict=True) if series]
    return Panel(signal.title, signal.unit, tuple(lines)) if lines else None


def _renamed(panel: Panel, title: str) -> Panel:
    """The panel of a single metric, with what the user gave as its title."""
    return replace(panel, title=title, lines=tuple(replace(line, label=title) for line in panel.lines))
