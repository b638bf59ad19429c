"""Gathering the findings of a report: from CloudWatch, or else from the run's own numbers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from locust_cw._aws.metric_data import shortest_period
from locust_cw._report import saturation as _saturation
from locust_cw._report.findings import Findings, Group
from locust_cw._report.links import links_of
from locust_cw._report.load_panels import cloudwatch_notes, generator_notes, load_panels, own_notes, run_notes
from locust_cw._report.name_panels import name_groups
from locust_cw._report.no_data import no_data
from locust_cw._report.own_numbers import OwnNumbers
from locust_cw._report.own_table import own_request_table
from locust_cw._report.request_table import request_table
from locust_cw._report.resources import Usage, explain
from locust_cw._report.run_metrics import RunMetrics
from locust_cw._report.target_panels import target_groups
from locust_cw._runs.record import NoRecordError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locust_cw import _core
    from locust_cw._aws.metric_data import AccountOf
    from locust_cw._aws.targets import Target
    from locust_cw._report.findings import Row
    from locust_cw._report.run_series import RunSeries
    from locust_cw._runs.record import Record

_MAX_RUN_S = 86_400


class _Aws(NamedTuple):
    """The targets, and the accounts to read their metrics from; None to read none."""

    targets: Sequence[Target]
    accounts: AccountOf | None


def gather(record: Record, targets: Sequence[Target], accounts: AccountOf, now: float | None = None) -> Findings:
    """Read the metrics of a run and of its targets from CloudWatch.

    If CloudWatch has no metrics of the run, the load is from the run's own numbers.

    Args:
        record: The record of the run.
        targets: The AWS resources under test.
        accounts: The accounts to read from.
        now: Seconds since the epoch.

    Raises:
        AwsError: If AWS refused a call about the run, or the call did not reach AWS.
        NoDataError: If neither CloudWatch nor the record has data of the run.

    """
    now = time.time() if now is None else now
    summary = _summary_of(record)
    run = _read(record, accounts, now)
    if run is None:
        reason = no_data(record, now)
        if summary is None or not summary.all_requests([]).requests:
            raise reason
        own = OwnNumbers(record, summary, now)
        return _own_findings(own, _Aws(targets, None if record.option("dry_run") else accounts), str(reason))
    total, rows = request_table(run)
    notes = [*run_notes(record, now), *cloudwatch_notes(run)]
    return _findings(run, (total, rows), summary, _Aws(targets, accounts), notes)


def own_findings(
    record: Record, summary: _core.Summary, targets: Sequence[Target], accounts: AccountOf | None, reason: str
) -> Findings:
    """The findings from the run's own numbers.

    Args:
        record: The record of the run.
        summary: Its summary, with requests.
        targets: The AWS resources under test.
        accounts: The accounts to read their metrics from; None to read none.
        reason: Why the numbers are not from CloudWatch, as a sentence for readers.

    """
    return _own_findings(OwnNumbers(record, summary, time.time()), _Aws(targets, accounts), reason)


def _own_findings(run: OwnNumbers, aws: _Aws, reason: str) -> Findings:
    notes = [*run_notes(run.record, run.read_at), *own_notes(run, reason)]
    return _findings(run, own_request_table(run), run.summary, aws, notes)


def _findings(
    run: RunSeries,
    table: tuple[Row, list[Row]],
    summary: _core.Summary | None,
    aws: _Aws,
    notes: list[str],
) -> Findings:
    record = run.record
    found = _saturation.find(run.samples(), run.period)
    groups: list[Group] = []
    usages: list[Usage] = []
    if aws.accounts is None:
        target_notes = [f"{target.text} is not shown: no metrics were read from AWS." for target in aws.targets]
    else:
        groups, usages, target_notes = target_groups(aws.targets, aws.accounts, run)
    if run.cpu:
        usages.append(Usage("load generator", run.cpu, is_target=False))
    total, rows = table
    load = Group("Load", tuple(load_panels(run)))
    return Findings(
        record=record,
        read_at=run.read_at,
        started=record.started,
        ramped_up=run.ramped_up,
        stopped=run.stopped,
        ended=run.ended,
        period=run.period,
        groups=[load, *groups],
        saturation=found,
        total=total,
        rows=rows,
        highest_rate=max(run.requests.values, default=0),
        highest_users=max(run.users.values, default=record.users or 0),
        workers=int(max(run.workers.values, default=0)),
        notes=[*notes, *target_notes, *generator_notes(run, found.time)],
        names=name_groups(run, summary),
        errors=summary.errors() if summary is not None else (),
        slowest=summary.slowest() if summary is not None else (),
        resources=explain(usages, record.started, found.time, run.stopped),
        latency_is=run.latency_is,
        links=links_of(record, run.read_at),
    )


def _summary_of(record: Record) -> _core.Summary | None:
    """The summary; None if another version wrote the record."""
    try:
        return record.load_summary()
    except NoRecordError:
        return None


def _read(record: Record, accounts: AccountOf, now: float) -> RunMetrics | None:
    """The metrics in CloudWatch; None if it has none."""
    shortest = shortest_period(record.started, now, int(record.option("resolution") or 1))
    if record.option("dry_run") or shortest is None or not record.roll_ups:
        return None
    stopped = min(now, record.started + _MAX_RUN_S) if record.stopped is None else record.stopped
    run = RunMetrics(record, accounts(None), shortest, stopped, now)
    if not run.observed:
        return None
    if record.stopped is None:
        # Without a recorded stop, the run ends with its last request.
        run.stopped = max(run.requests.times, default=record.started) + run.period
    return run
