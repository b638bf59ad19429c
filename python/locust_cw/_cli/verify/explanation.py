"""Why numbers may differ, and what to do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._aws.metric_data import FRESH_S
from locust_cw._cli.verify.comparison import PUBLISHED, Agreement, Comparison
from locust_cw._runs.entry import Entry
from locust_cw._terminal.quantities import human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

_GROUPS = {"requests": "requests", "log_events": "log events"}


def lost_in_words(comparison: Comparison) -> str:
    """How much was dropped or rejected; empty if nothing was."""
    lost = " and ".join(f"{number} {_GROUPS[group]}" for group, number in comparison.lost.items())
    return f"{lost} were dropped or rejected" if lost else ""


def explanation(comparison: Comparison) -> Iterator[str]:
    """What readers need to know about the comparison."""
    if Entry.of(comparison.record).state(time.time()) == "killed":
        yield "the run was killed: what it published after the last update of its record is not expected"
    yield from comparison.metrics.notes
    yield from comparison.logs.notes
    yield from _from_receipt(comparison)
    if comparison.agreement is Agreement.DIFFERENT:
        yield from _differences(comparison)


def _from_receipt(comparison: Comparison) -> Iterator[str]:
    record = comparison.record
    receipt = record.receipt
    rejected, dropped = (sum(receipt[group][fate] for group in PUBLISHED) for fate in ("rejected", "dropped"))
    if receipt["uncertain"]:
        yield (
            f"CloudWatch may have up to {receipt['uncertain']} more than counted, in calls that got no response and"
            " were repeated"
        )
    if rejected:
        yield f"CloudWatch rejected {rejected}, so up to {rejected} may be missing"
    for replay in record.sent_elsewhere:
        yield (
            f"a replay sent {replay['requests']} requests and {replay['log_events']} log events of this run to another"
            f" destination: account {replay['destination'].get('account_id')}, region"
            f" {replay['destination'].get('region')}"
        )
    if dropped:
        yield f"{dropped} were dropped before they could be published, and are not expected in CloudWatch"


def _differences(comparison: Comparison) -> Iterator[str]:
    record = comparison.record
    waiting = [each for each in _core.pending_spools(record.option("spool_dir")) if each.run_id == record.run_id]
    if waiting:
        size = human_bytes(sum(each.bytes for each in waiting))
        yield f"{size} are undelivered on this machine. Send them with: {record.replay_command}"
    elif any(record.receipt[group]["spooled"] for group in PUBLISHED):
        yield "the receipt counts spooled results: replay them on the machines that have the spools"
    ago = time.time() - (record.stopped or record.started)
    if ago < FRESH_S and any(number.held < number.expected for number in comparison.differing):
        yield f"the run ended {ago / 60:.0f} min ago, and CloudWatch may return its data some minutes later: try again"
    if any(number.held > number.expected for number in comparison.differing):
        yield (
            "where CloudWatch has more than expected, another run may have published for the same host at the same"
            " time; with --cw-dimensions Host,Request,RunId, a test has series of its own"
        )
