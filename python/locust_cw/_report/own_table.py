"""The table of requests from the run's own numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._report.findings import Row
from locust_cw._report.own_numbers import QUANTILES

if TYPE_CHECKING:
    from locust_cw._report.own_numbers import OwnNumbers


def own_request_table(run: OwnNumbers) -> tuple[Row, list[Row]]:
    """The row of all requests, and a row for each method and name, the most requested first."""
    rows = [_row(run, each) for each in run.summary.requests(QUANTILES)]
    rows.sort(key=lambda row: -row.requests)
    if (others := run.summary.other_requests(QUANTILES)) is not None:
        rows.append(_row(run, others, _core.OTHER))
    return _row(run, run.summary.all_requests(QUANTILES)), rows


def _row(run: OwnNumbers, totals: _core.RequestTotals, name: str = "") -> Row:
    return Row(
        name=name or totals.name,
        method=totals.method,
        host="",
        requests=totals.requests,
        failures=totals.failures,
        requests_per_s=totals.requests / run.seconds,
        mean=totals.mean_ms,
        percentiles=tuple(totals.quantiles_ms),
    )
