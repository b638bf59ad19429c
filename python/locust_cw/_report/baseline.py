"""The lines of another run, for the charts of a report."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locust_cw._report.findings import Findings, Group, Panel
    from locust_cw._report.series import Series


def lines_of(baseline: Findings | None, group: Group, panel: Panel) -> Mapping[str, Series]:
    """The lines of the same panel of another run, by label, in seconds since the start of that run."""
    if baseline is None:
        return {}
    panels = (
        each for other in (*baseline.groups, *baseline.names) if other.title == group.title for each in other.panels
    )
    found = next((each for each in panels if (each.title, each.unit) == (panel.title, panel.unit)), None)
    if found is None:
        return {}
    known = {line.label for line in panel.lines}
    lines = [line for line in found.lines if line.label in known]
    times = {line.label: tuple(begin - baseline.started for begin in line.series.times) for line in lines}
    return {line.label: replace(line.series, times=times[line.label]) for line in lines}
