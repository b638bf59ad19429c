"""The baselines that all machines know: the events of the stream `baselines` in the log group of the records.

Log events cannot be replaced, so the newest event of a name counts, and a removal is an event of its own.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._aws.log_query import MAX_ROWS, query
from locust_cw._runs.baselines import FORMAT, Baseline, chosen, newest_of
from locust_cw._runs.local_baselines import local_baselines
from locust_cw._runs.record_events import fields_of
from locust_cw._runs.shared_records import RecordWriter, create_stream, events_of_update, needs_query, newest_pages

if TYPE_CHECKING:
    from locust_cw._aws.account import Account
    from locust_cw._runs.record import Record
    from locust_cw._runs.record_events import UpdatePhase

STREAM = "baselines"
"""The name of the stream."""

_EVENT = "baseline"
_PAGE = 10_000
_MARGIN_S = 3600
_FIELDS = ("name", "run_id", "time")


class SharedBaselines:
    """The baselines in a log group.

    A group of the class INFREQUENT_ACCESS is read with queries of Logs Insights, because it refuses GetLogEvents.
    """

    def __init__(self, account: Account, log_group: str) -> None:
        """Nothing is read yet."""
        self._account = account
        self._group = log_group

    def read(self, name: str | None = None) -> dict[str, Baseline]:
        """The baselines by name, including removed ones.

        Args:
            name: The only name that is needed. Without it, all are read.

        Raises:
            AwsError: If AWS refused a call, or the call did not reach AWS.
            TimeoutError: If Logs Insights takes too long.

        """
        found: list[Baseline] = []
        try:
            for page in newest_pages(self._account, self._group, STREAM, _PAGE):
                found += self._baselines_of(page)
                if name is not None and any(each.name == name for each in found):
                    # Older pages have older events.
                    break
        except _core.AwsError as error:
            if error.kind == "not_found":
                return {}
            if not needs_query(error):
                raise
            found = self._query()
        return newest_of(found)

    def _query(self) -> list[Baseline]:
        text = f"fields @timestamp, @message | filter @logStream = '{STREAM}' | sort @timestamp desc | limit {MAX_ROWS}"
        rows = query(self._account, self._group, text, (0, int(time.time()) + _MARGIN_S))
        # The newest row comes first.
        return self._baselines_of({"message": row.get("@message")} for row in reversed(rows))

    @staticmethod
    def _baselines_of(events: Any) -> list[Baseline]:  # noqa: ANN401 - a page of events, or rows of a query
        entries = (fields for event in events if (fields := fields_of(event)).get("event") == _EVENT)
        read = (Baseline.from_fields({key: entry.get(key) for key in _FIELDS}) for entry in entries)
        return [each for each in read if each is not None]

    def add(self, baseline: Baseline, record: Record | None = None) -> None:
        """Set or remove a baseline for all machines.

        Args:
            baseline: The baseline.
            record: The record of its run, which is written again: it is then kept as long as the baseline, and exists
                even if the run had not logged to the group.

        Raises:
            AwsError: If AWS refused a call, or the call did not reach AWS.

        """
        if record is not None:
            phase: UpdatePhase = "update" if record.stopped is None else "end"
            writer = RecordWriter(self._account.call, self._group)
            writer.write(record.run_id, events_of_update(record, phase))
        create_stream(self._account.call, self._group, STREAM)
        message = {"event": _EVENT, "format": FORMAT, **{key: getattr(baseline, key) for key in _FIELDS}}
        event = {"timestamp": int(time.time() * 1000), "message": json.dumps(message, separators=(",", ":"))}
        self._account.call("PutLogEvents", logGroupName=self._group, logStreamName=STREAM, logEvents=[event])


def find_baseline(name: str, spool_dir: str | None, shared: SharedBaselines | None) -> Baseline | None:
    """The baseline with a name that counts on this machine; None if there is none, or it was removed.

    Args:
        name: The name.
        spool_dir: The spool folder of the tests.
        shared: The baselines of all machines; None to use only those of this machine.

    Raises:
        AwsError: If AWS refused a call, or the call did not reach AWS.
        TimeoutError: If Logs Insights takes too long.

    """
    local = local_baselines(spool_dir).get(name)
    needs_shared = shared is not None and (local is None or not local.is_local)
    return chosen(local, shared.read(name).get(name) if shared is not None and needs_shared else None)
