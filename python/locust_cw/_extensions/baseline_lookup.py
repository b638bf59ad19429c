"""The base of a comparison: what the name of a baseline, or a run ID, stands for."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import gevent

from locust_cw import _core
from locust_cw._aws.account import Account
from locust_cw._runs.baselines import is_generated_run_id
from locust_cw._runs.record import NoRecordError, Record
from locust_cw._runs.shared_baselines import SharedBaselines, find_baseline
from locust_cw._runs.shared_records import SharedRecords
from locust_cw._terminal.redaction import redact

if TYPE_CHECKING:
    from locust_cw._settings.table import Options

logger = logging.getLogger("locust_cw")


@dataclass(frozen=True)
class Found:
    """A run with a record; `baseline` is the name of the baseline that it is, if it is one."""

    record: Record
    baseline: str | None


@dataclass(frozen=True)
class NotSet:
    """No baseline and no run has the name: the first run of a branch has none to be compared with."""


@dataclass(frozen=True)
class Missing:
    """The run has no record."""

    reason: str


@dataclass(frozen=True)
class Unreadable:
    """It is unknown whether there is one: for example, AWS did not allow the call or did not respond."""

    reason: str


Base: TypeAlias = Found | NotSet | Missing | Unreadable


def look_up(name: str, options: Options) -> Base:
    """Find the record of a baseline or run, here or in CloudWatch Logs. It waits for AWS."""
    try:
        return _find(name, options)
    except NoRecordError as error:
        return Missing(str(error))
    except (_core.AwsError, TimeoutError) as error:
        return Unreadable(redact(str(error)))
    except Exception as error:
        logger.debug("The error of the lookup", exc_info=True)
        return Unreadable(redact(f"{type(error).__name__}: {error}"))


def _find(name: str, options: Options) -> Found | NotSet:
    spool_dir, group = options["spool_dir"], options["log_group"]
    # The local CloudWatch of a test is new, and a dry run calls no AWS.
    is_remote = not options["dry_run"] and not options["local"]
    account = Account(options.core, gevent.sleep) if is_remote else None
    baseline = None
    if not is_generated_run_id(name):
        shared = None if account is None else SharedBaselines(account, group)
        baseline = find_baseline(name, spool_dir, shared)
    run_id = name if baseline is None or baseline.run_id is None else baseline.run_id
    try:
        record = _read(run_id, spool_dir, None if account is None else SharedRecords(account, group))
    except NoRecordError as error:
        if baseline is not None:
            raise NoRecordError(f"the run of the baseline {name} has no record any more: {error}") from error
        if is_generated_run_id(name):
            raise
        return NotSet()
    return Found(record, None if baseline is None else name)


def _read(run_id: str, spool_dir: str | None, shared: SharedRecords | None) -> Record:
    try:
        return Record.read(run_id, spool_dir)
    except NoRecordError:
        if shared is None:
            raise
    return shared.read(run_id)
