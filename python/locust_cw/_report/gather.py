"""Gathering the findings of a report: reading CloudWatch, and concluding from it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from locust_cw._aws.metric_data import shortest_period
from locust_cw._report import saturation as _saturation
from locust_cw._report.findings import Findings, Group
from locust_cw._report.load_panels import generator_notes, load_notes, load_panels
from locust_cw._report.no_data import no_data
from locust_cw._report.request_table import request_table
from locust_cw._report.run_metrics import RunMetrics
from locust_cw._report.target_panels import target_groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locust_cw._aws.metric_data import AccountOf
    from locust_cw._aws.targets import Target
    from locust_cw._runs.record import Record

_MAX_RUN_S = 86_400


def gather(record: Record, targets: Sequence[Target], accounts: AccountOf, now: float | None = None) -> Findings:
    """Read the metrics of a run and of its targets from CloudWatch.

    Args:
        record: The record of the run.
        targets: The AWS resources under test.
        accounts: The accounts to read from.
        now: Seconds since the epoch.

    Raises:
        AwsError: If AWS refused a call about the run, or the call did not reach AWS.
        NoDataError: If CloudWatch has no metrics of the run.

    """
    now = time.time() if now is None else now
    run = _read(record, accounts, now)
    saturation = _saturation.find(run.samples(), run.period)
    groups, target_notes = target_groups(targets, accounts, run)
    total, rows = request_table(run)
    return Findings(
        record=record,
        started=record.started,
        ramped_up=run.ramped_up,
        stopped=run.stopped,
        ended=run.ended,
        period=run.period,
        groups=[Group("Load", tuple(load_panels(run))), *groups],
        saturation=saturation,
        total=total,
        rows=rows,
        highest_rate=max(run.requests.values, default=0),
        highest_users=max(run.users.values, default=0),
        workers=int(max(run.workers.values, default=0)),
        notes=[*load_notes(run), *target_notes, *generator_notes(run, saturation.time)],
    )


def _read(record: Record, accounts: AccountOf, now: float) -> RunMetrics:
    shortest = shortest_period(record.started, now, int(record.option("resolution") or 1))
    if record.option("dry_run") or shortest is None or not record.roll_ups:
        raise no_data(record, now)
    stopped = min(now, record.started + _MAX_RUN_S) if record.stopped is None else record.stopped
    run = RunMetrics(record, accounts(None), shortest, stopped)
    if not run.observed:
        raise no_data(record, now)
    if record.stopped is None:
        # Without a recorded stop, the run ends with its last request.
        run.stopped = max(run.requests.times, default=record.started) + run.period
    return run
