"""Why CloudWatch has no metrics of a run, as far as its record says, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust_cw._aws.metric_data import FRESH_S, shortest_period
from locust_cw._runs.record import LOCAL_IS_GONE
from locust_cw._terminal.redaction import redact

if TYPE_CHECKING:
    from locust_cw._runs.record import Record


class NoDataError(Exception):
    """CloudWatch has no metrics of the run. The message says why, as far as is known, and what to do."""


def no_data(record: Record, now: float) -> NoDataError:
    """The error that explains it."""
    return NoDataError(f"CloudWatch has no metrics of run {record.run_id}{_reason(record, now)}")


def _reason(record: Record, now: float) -> str:
    requests = record.receipt.get("requests", {})
    if record.option("dry_run"):
        return ": it was a dry run, which sends nothing."
    if not requests.get("observed", 0):
        return ": it made no requests."
    if record.option("local"):
        return f". {LOCAL_IS_GONE}"
    if not requests.get("delivered", 0):
        return _undelivered(record)
    return _not_found(record, now)


def _undelivered(record: Record) -> str:
    if spooled := record.receipt["requests"].get("spooled", 0):
        return f": {spooled:,} requests are undelivered on this machine. Send them with: {record.replay_command}"
    logs = " Only its log events were delivered." if record.receipt.get("log_events", {}).get("delivered") else ""
    return f": none of its requests were delivered.{logs} The receipt says why."


def _not_found(record: Record, now: float) -> str:
    """Delivered requests that CloudWatch does not return."""
    if shortest_period(record.started, now) is None:
        return ": it is more than 15 months old, and CloudWatch does not keep metrics longer."
    queried = f": locust-cw queried namespace {record.option('namespace')} at {_destination(record)}."
    if now - (record.stopped or record.started) < FRESH_S:
        return f"{queried} The run has just ended: CloudWatch returns new metrics after some minutes. Try again then."
    return (
        f"{queried} If the run was published elsewhere, give --region, --profile or --endpoint-url. Data that was sent"
        " hours after the test can take two hours to appear."
    )


def _destination(record: Record) -> str:
    """Where the metrics were requested, without secrets."""
    given = {name: value for name, value in record.destination.items() if value} | record.account
    given |= {
        "account": given.get("account_id"),
        "endpoint_url": given.get("endpoint_url", given.get("cloudwatch_url")),
    }
    named = {name: given.get(name) for name in ("role_arn", "account", "region", "profile", "endpoint_url")}
    shown = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in named.items() if value)
    return redact(shown) or "the AWS account and region in use"
