"""The record of a `Publisher`, which is written when the publisher is closed.

Processes of a machine can share a run, and each has its own publisher. Their record has the sum of those that ran at
the same time. A publisher that starts after the others have ended replaces the record, like a later test with the same
run ID.
"""

from __future__ import annotations

import json
import logging
import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from locust_cw._runs.custom_data import added_up, custom_data_of
from locust_cw._runs.folder import records_folder
from locust_cw._runs.folder_lock import locked
from locust_cw._runs.record import NoRecordError, Record, differ

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locust_cw import _core

logger = logging.getLogger("locust_cw")

_SAME_OPTIONS = ("namespace", "endpoint_url", "dry_run")


def write_record(
    receipt: _core.Receipt,
    options: Mapping[str, Any],
    times: tuple[float, float],
    host: str | None,
    statistics: _core.RunStatistics,
) -> None:
    """Write the record of a publisher, or add it to that of other processes of the run.

    A record that cannot be written is logged at DEBUG: the program needs its receipt, and not the record.

    Args:
        receipt: The receipt of the publisher.
        options: The options of the core, `spool_dir` as an absolute path.
        times: The start and the stop, in seconds since the epoch.
        host: The host under test, as it is published.
        statistics: The statistics of the publisher.

    """
    started, stopped = times
    summary = statistics.summary()
    record = Record(
        receipt.run_id,
        dict(options),
        started,
        stopped=stopped,
        host=host,
        receipt=json.loads(receipt.json),
        series=receipt.series,
        destination=receipt.destination or {},
        updated=stopped,
        p95_ms=summary.quantile_ms(0.95),
        summary=summary.to_json(),
        measured_from=statistics.measured_from,
        measured_until=statistics.measured_until,
        **custom_data_of(statistics),
    )
    spool_dir = record.option("spool_dir")
    try:
        with locked(records_folder(spool_dir)):
            _with_other_processes(record, spool_dir).write()
    except (OSError, TypeError, ValueError) as error:
        logger.debug("The record of run %s could not be written: %s", receipt.run_id, error)


def _with_other_processes(record: Record, spool_dir: str | None) -> Record:
    try:
        other = Record.read(record.run_id, spool_dir)
    except NoRecordError:
        return record
    return _sum_of(record, other) if _belong_together(record, other) else record


def _belong_together(record: Record, other: Record) -> bool:
    """Whether two records are of processes that took part in one run: they overlap and have the same destination."""
    overlap = _stop_of(other) >= record.started and other.started <= _stop_of(record)
    same_options = all(record.option(name) == other.option(name) for name in _SAME_OPTIONS)
    return overlap and bool(other.receipt) and same_options and not differ(record.destination, other.destination)


def _stop_of(record: Record) -> float:
    return math.inf if record.stopped is None else record.stopped


def _sum_of(record: Record, other: Record) -> Record:
    """The record of both. Values that cannot be added are those of `record`."""
    series, shared_cost = _sum_of_series(record.series, other.series)
    receipt = _added(record.receipt, other.receipt)
    # The processes of a run pay once for the metrics of a series.
    receipt["estimated_cost_usd"] = max(0.0, receipt["estimated_cost_usd"] - shared_cost)
    last_stop = max(_stop_of(record), _stop_of(other))
    now = time.time()
    begins, ends = zip(record.measured_time(now), other.measured_time(now), strict=True)
    summary = _sum_of_summaries(record, other)
    return replace(
        record,
        started=min(record.started, other.started),
        stopped=None if math.isinf(last_stop) else last_stop,
        host=record.host if record.host == other.host else None,
        receipt=receipt,
        series=series,
        destination=record.destination or other.destination,
        replays=[*other.replays, *record.replays],
        p95_ms=None if summary is None else summary.quantile_ms(0.95),
        summary="" if summary is None else summary.to_json(),
        measured_from=min(begins),
        measured_until=max(ends),
        **added_up(record, other),
    )


def _sum_of_summaries(one: Record, other: Record) -> _core.Summary | None:
    """The summary of both; None if one is not known, as the other one would be taken for that of the run."""
    try:
        return one.load_summary().merge(other.load_summary())
    except NoRecordError:
        return None


def _added(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Add up the numbers of two objects, also in the objects that they contain."""
    return {**other, **{key: _sum_or_first(value, other.get(key)) for key, value in one.items()}}


def _sum_or_first(one: Any, other: Any) -> Any:  # noqa: ANN401 - any value of a receipt
    if isinstance(one, dict) and isinstance(other, dict):
        return _added(one, other)
    return one + other if _is_number(one) and _is_number(other) else one


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _sum_of_series(own: list[dict[str, Any]], others: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], float]:
    """The series of both, and how much of the cost of metrics occurs in both, in US dollars."""
    found = {frozenset(each["dimensions"].items()): dict(each) for each in others}
    shared_cost = 0.0
    for each in own:
        key = frozenset(each["dimensions"].items())
        known = found.get(key)
        if known is None:
            found[key] = dict(each)
            continue
        costs = [float(series.get("metrics_cost_usd", 0.0)) for series in (known, each)]
        shared_cost += min(costs)
        counts = {name: known[name] + each[name] for name in ("requests", "failures")}
        found[key] = known | counts | {"metrics_cost_usd": max(costs)}
    return list(found.values()), shared_cost
