"""Runs of this machine: the newest one, and those whose data share seconds and series with another run."""

from __future__ import annotations

import math

from locust_cw._aws.metric_data import LATE_S
from locust_cw._runs.folder import known_runs, records_folder
from locust_cw._runs.record import HOW_RECORDED, NoRecordError, Record


def span_of(record: Record, others: list[Record], now: float) -> tuple[int, int]:
    """The first second in which requests of a run can have ended, and the second after the last one.

    The span ends where a later run of the same series starts. The second in which one stops and the other starts counts
    for both. `now` is the end of a run under way.
    """
    start, stop = math.floor(record.started), math.ceil(record.end(now)) + LATE_S
    following = [math.floor(other.started) for other in others if other.started > (record.stopped or record.started)]
    return start, max(start + 1, math.ceil(record.stopped or record.started), min([stop, *following]))


def _dimensions(record: Record) -> set[frozenset[tuple[str, str]]]:
    """The dimensions of each series."""
    return {frozenset(series["dimensions"].items()) for series in record.series}


def neighbours(record: Record) -> list[Record]:
    """Other runs on this machine that publish to the same series."""
    found, spool_dir, own = [], record.option("spool_dir"), _dimensions(record)
    for run_id in known_runs(spool_dir):
        try:
            other = Record.read(run_id, spool_dir, with_summary=False)
        except NoRecordError:
            continue
        same = other.option("namespace") == record.option("namespace") and not other.option("dry_run")
        if other.run_id != record.run_id and same and not own.isdisjoint(_dimensions(other)):
            found.append(other)
    return found


def newest(spool_dir: str | None = None) -> str:
    """The ID of the newest run.

    Raises:
        NoRecordError: If this machine has no record.

    """
    known = known_runs(spool_dir)
    if not known:
        raise NoRecordError(f"there is no record of any run in {records_folder(spool_dir)}{HOW_RECORDED}")
    return known[-1]


def was_published(run_id: str, spool_dir: str | None = None) -> bool:
    """Whether this machine has a record of an earlier run with this ID that was published to AWS."""
    try:
        record = Record.read(run_id, spool_dir, with_summary=False)
    except NoRecordError:
        return False
    return not record.option("dry_run") and record.local_url is None
