"""Comparing two runs by their summaries."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._comparison.results import ComparedRuns, Side

if TYPE_CHECKING:
    from locust_cw._runs.record import Record


def compare_records(base: Record, run: Record, *, baseline: str | None, tolerance: float) -> ComparedRuns:
    """Compare two recorded runs.

    Args:
        base: The run that the other one is compared with.
        run: The other one.
        baseline: The name of the baseline, if the base was given by one.
        tolerance: The change up to which both count as the same, as a share.

    Raises:
        NoRecordError: If a record has no summary, or it cannot be read.

    """
    of_base, of_run = base.load_summary(), run.load_summary()
    return compare_summaries(
        (side_of(base, of_base), of_base), (side_of(run, of_run), of_run), baseline=baseline, tolerance=tolerance
    )


def compare_summaries(
    base: tuple[Side, _core.Summary], run: tuple[Side, _core.Summary], *, baseline: str | None, tolerance: float
) -> ComparedRuns:
    """Compare two runs. It can take two seconds, in which the GIL is released."""
    (base_side, base_summary), (run_side, run_summary) = base, run
    found = _core.compare_runs(base_summary, base_side.seconds, run_summary, run_side.seconds, tolerance=tolerance)
    return ComparedRuns(
        base=base_side,
        run=run_side,
        baseline=baseline,
        tolerance=tolerance,
        verdict=found.verdict,
        reasons_of_run=found.reasons,
        rows=found.rows,
    )


def side_of(record: Record, summary: _core.Summary) -> Side:
    """What is shown of a recorded run."""
    measured_from, measured_until = record.measured_time(time.time())
    return Side(
        run_id=record.run_id,
        started=record.started,
        seconds=measured_until - measured_from,
        requests=requests_of(summary),
        host=record.host,
        users=record.users,
        warmup_s=record.option("warmup"),
        is_approximate=summary.is_approximate,
    )


def requests_of(summary: _core.Summary) -> int:
    """The number of requests of a run."""
    return sum(totals.requests for totals in summary.requests([]))
