"""The body of a dashboard: locust-cw's part on top, below it what users added to the existing dashboard."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from locust_cw._dashboard.annotations import Annotations, Mark
from locust_cw._dashboard.custom_metrics import put_custom_metrics
from locust_cw._dashboard.limits import MAX_BODY_BYTES, MAX_WIDGETS, DashboardError
from locust_cw._dashboard.ownership import claim, split_by_owner
from locust_cw._dashboard.variables import variables
from locust_cw._dashboard.widgets import Grid, put_load, put_target

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from locust_cw._dashboard.view import View
    from locust_cw._dashboard.widget_json import Json

_KEPT_SETTINGS = ("start", "end", "periodOverride")


def make_body(view: View, marks: Iterable[Mark] = (), existing: Json | None = None) -> Json:
    """Make a body. Marks of the oldest runs are left out as far as necessary to stay within CloudWatch's limit.

    Args:
        view: What the dashboard shows.
        marks: Marks to add to those on the existing dashboard.
        existing: The body of the existing dashboard.

    Raises:
        DashboardError: If the body is too large for CloudWatch.

    """
    existing = existing or {}
    ours, others = split_by_owner(existing.get("widgets"))
    annotations = Annotations(marks, ours)
    while True:
        body = _assemble(view, annotations, existing, ours, others)
        if len(body["widgets"]) > MAX_WIDGETS:
            raise DashboardError(
                f"the dashboard would have {len(body['widgets'])} widgets, and CloudWatch accepts {MAX_WIDGETS}: give"
                " fewer targets with --cw-target, or choose another dashboard"
            )
        size = len(json.dumps(body).encode())
        if size <= MAX_BODY_BYTES:
            return body
        if not annotations.runs:
            raise DashboardError(
                f"the dashboard would have {size} bytes, and CloudWatch accepts about {MAX_BODY_BYTES}: give fewer"
                " targets with --cw-target, or choose another dashboard"
            )
        del annotations.runs[0]


def _assemble(
    view: View, annotations: Annotations, existing: Json, ours: Sequence[Json], others: Sequence[Json]
) -> Json:
    grid = Grid()
    put_load(grid, view)
    put_custom_metrics(grid, view, ours)
    for target in {target.title: target for target in view.targets}.values():
        put_target(grid, view, target)
    for widget in grid.widgets:
        annotations.add_to(widget)
        claim(widget)
    kept: Json = {name: existing[name] for name in _KEPT_SETTINGS if name in existing}
    return {
        "start": "-PT3H",
        # CloudWatch chooses the period by the time range that is shown: seconds for a test of a minute.
        "periodOverride": "auto",
        **kept,
        "variables": variables(view, existing.get("variables")),
        "widgets": [*grid.widgets, *_moved_below(others, grid.height)],
    }


def _moved_below(widgets: Sequence[Json], y: int) -> list[Json]:
    """Move widgets together so that the topmost is at `y`. CloudWatch places those without a position."""
    positions = [widget["y"] for widget in widgets if isinstance(widget.get("y"), int)]
    by = y - min(positions, default=0)
    return [{**widget, "y": widget["y"] + by} if isinstance(widget.get("y"), int) else widget for widget in widgets]
