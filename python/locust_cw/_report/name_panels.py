"""The charts of the main request names, from the run's own numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust_cw._report.findings import Group, Line, Panel
from locust_cw._report.own_numbers import OwnNumbers, percentiles_of

if TYPE_CHECKING:
    from locust_cw import _core
    from locust_cw._report.run_series import RunSeries

MAX_NAMES_DRAWN = 12
"""Most names with charts: those with the most requests."""


def name_groups(run: RunSeries, summary: _core.Summary | None) -> list[Group]:
    """For each of the main names: requests/s and response times."""
    if summary is None:
        return []
    own = run if isinstance(run, OwnNumbers) else OwnNumbers(run.record, summary, run.read_at)
    named = sorted(own.timelines[1:], key=lambda timeline: -sum(timeline.requests))
    return [_group(own, timeline) for timeline in named[:MAX_NAMES_DRAWN] if timeline.starts]


def _group(run: OwnNumbers, timeline: _core.RequestTimeline) -> Group:
    requests, failures = run.rates_of(timeline)
    lines = [Line("requests", requests)]
    lines += [Line("failures", failures)] if any(failures.values) else []
    panels = [Panel("Requests", "requests/s", tuple(lines))] if requests else []
    if percentiles := percentiles_of(timeline):
        panels.append(Panel("Response time", "Milliseconds", tuple(percentiles)))
    return Group(f"{timeline.method} {timeline.name}".strip(), tuple(panels))
