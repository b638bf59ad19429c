"""What users add to a run, in its record: marks and the names of custom metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from locust_cw import _core

if TYPE_CHECKING:
    from locust_cw._runs.record import Record


def custom_data_of(statistics: _core.RunStatistics) -> dict[str, Any]:
    """The fields of the record."""
    names = ("name", "kind", "unit", "dimensions")
    return {
        "marks": [list(mark) for mark in statistics.marks],
        "custom_metrics": [{name: getattr(metric, name) for name in names} for metric in statistics.custom_metrics],
    }


def added_up(one: Record, other: Record) -> dict[str, Any]:
    """The fields of the record of two processes of one run."""
    marks = _core.merge_marks([(when, text) for when, text in one.marks], [(when, text) for when, text in other.marks])
    new = [metric for metric in one.custom_metrics if metric not in other.custom_metrics]
    return {"marks": [list(mark) for mark in marks], "custom_metrics": [*other.custom_metrics, *new]}
