"""Records of runs in CloudWatch Logs, for every machine: the streams `runs/<run ID>` of the log group."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._aws.log_query import MAX_ROWS, patiently, query
from locust_cw._runs.entry import Entry
from locust_cw._runs.record import NoRecordError, Record
from locust_cw._runs.record_events import HEAD, Assembler, batches_of, events_of, fields_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from locust_cw._aws.account import Account
    from locust_cw._runs.record_events import UpdatePhase

PREFIX = "runs/"
"""What the names of the streams begin with."""

_HEAD_BEGINS = f'\\{{"event":"{HEAD}","phase":'
_NEWEST_EVENTS = 20
_MAX_PAGES = 40
_MAX_HEADS_TRIED = 3
_READERS = 8
_MARGIN_S = 3600
_ALL_TIME = 0.0


class RecordWriter:
    """Writes the updates of the record of one run.

    Args:
        call: Calls an operation of AWS, as `Account.call` does.
        log_group: The log group.

    """

    def __init__(self, call: Callable[..., dict[str, Any]], log_group: str) -> None:
        """Nothing is written yet."""
        self._call = call
        self._group = log_group
        self._has_stream = False

    def write(self, run_id: str, events: list[dict[str, Any]]) -> None:
        """Write the events of an update.

        Raises:
            AwsError: If AWS refused a call, or the call did not reach AWS.

        """
        stream = f"{PREFIX}{run_id}"
        if not self._has_stream:
            create_stream(self._call, self._group, stream)
            self._has_stream = True
        for batch in batches_of(events):
            self._call("PutLogEvents", logGroupName=self._group, logStreamName=stream, logEvents=batch)


def create_stream(call: Callable[..., dict[str, Any]], log_group: str, stream: str) -> None:
    """Create a log stream, unless it exists.

    Raises:
        AwsError: If AWS refused the call, or the call did not reach AWS.

    """
    try:
        call("CreateLogStream", logGroupName=log_group, logStreamName=stream)
    except _core.AwsError as error:
        if error.kind != "already_exists":
            raise


def events_of_update(record: Record, phase: UpdatePhase) -> list[dict[str, Any]]:
    """The events of an update at the present time, without secrets."""
    return events_of(record.for_other_machines(), phase, int(time.time() * 1000))


class SharedRecords:
    """The records in a log group.

    A group of the class INFREQUENT_ACCESS is read with queries of Logs Insights, because it refuses GetLogEvents.
    """

    def __init__(self, account: Account, log_group: str) -> None:
        """Nothing is read yet."""
        self._account = account
        self._group = log_group

    # One record.

    def read(self, run_id: str) -> Record:
        """Read the record of a run.

        Raises:
            NoRecordError: If the log group has none.
            AwsError: If AWS refused a call, or the call did not reach AWS.
            TimeoutError: If Logs Insights takes too long.

        """
        _core.check_options({"run_id": run_id})
        try:
            text = self._read_stream(run_id)
        except _core.AwsError as error:
            if error.kind == "not_found":
                text = None
            elif needs_query(error):
                text = self._query_record(run_id)
            else:
                raise
        if text is None:
            raise NoRecordError(f"the log group {self._group} has no complete record of a run {run_id}")
        return Record.from_text(text, f"in the log stream {PREFIX}{run_id}")

    def _read_stream(self, run_id: str) -> str | None:
        found = Assembler()
        for events in newest_pages(self._account, self._group, f"{PREFIX}{run_id}", _NEWEST_EVENTS):
            found.add(events)
            if (text := found.text()) is not None:
                return text
        return None

    def _query_record(self, run_id: str) -> str | None:
        # A run ID has no characters that a query or a regular expression would read otherwise, but dots.
        in_stream = f"fields @timestamp, @message | filter @logStream = '{PREFIX}{run_id}'"
        heads = self._query(
            f"{in_stream} | filter @message like /^{_HEAD_BEGINS}/ | sort @timestamp desc | limit {_MAX_HEADS_TRIED}",
            _ALL_TIME,
        )
        for row in heads:
            head = fields_of({"message": row["@message"]})
            digest = head.get("sha256")
            if not isinstance(digest, str) or not digest.isalnum():
                continue
            rows = self._query(f"{in_stream} | filter @message like /{digest}/ | limit {MAX_ROWS}", _ALL_TIME)
            found = Assembler()
            found.add([{"timestamp": 0, "message": each["@message"]} for each in rows])
            if (text := found.text()) is not None:
                return text
        return None

    def _query(self, text: str, since: float) -> list[dict[str, str]]:
        return query(self._account, self._group, text, (int(since), int(time.time()) + _MARGIN_S))

    # The list.

    def entries(self, since: float, known: Collection[str] = ()) -> list[Entry]:
        """The runs that started at a time or later, in any order.

        Args:
            since: Seconds since the epoch.
            known: Run IDs that need not be read.

        Raises:
            AwsError: If AWS refused a call, or the call did not reach AWS.
            TimeoutError: If Logs Insights takes too long.

        """
        wanted = [run_id for run_id in self._run_ids(since) if run_id not in known]
        try:
            with ThreadPoolExecutor(_READERS) as readers:
                found = [entry for entry in readers.map(self._newest_entry, wanted) if entry is not None]
        except _core.AwsError as error:
            if not needs_query(error):
                raise
            found = self._query_entries(since, set(wanted))
        return [entry for entry in found if entry.started >= since]

    def _run_ids(self, since: float) -> list[str]:
        """The IDs of the runs with events of a time or later."""
        try:
            streams = patiently(
                self._account, "DescribeLogStreams", logGroupName=self._group, logStreamNamePrefix=PREFIX
            )["logStreams"]
        except _core.AwsError as error:
            if error.kind != "not_found":
                raise
            return []
        times = ("creationTime", "lastEventTimestamp", "lastIngestionTime")
        recent = (each for each in streams if max(each[name] or 0 for name in times) >= since * 1000)
        names = (each["logStreamName"].removeprefix(PREFIX) for each in recent)
        # The streams of requests can have the same prefix (`--cw-log-stream runs`), and so has the stream of `doctor`.
        return [name for name in names if "/" not in name]

    def _newest_entry(self, run_id: str) -> Entry | None:
        """The entry in the newest head, which is the last event of its stream unless an update is being written."""
        found = Assembler()
        for limit in (1, _NEWEST_EVENTS):
            found.add(next(newest_pages(self._account, self._group, f"{PREFIX}{run_id}", limit), []))
            if found.newest_head is not None:
                return Entry.from_fields(found.newest_head)
        return None

    def _query_entries(self, since: float, wanted: set[str]) -> list[Entry]:
        heads = r"fields @timestamp, @message | filter @logStream like /^runs\//"
        newest_first = f"sort @timestamp desc | limit {MAX_ROWS}"
        # Most runs have ended: the last update of each is enough.
        ended = f'{heads} | filter @message like /^{_HEAD_BEGINS}"end"/ | {newest_first}'
        found = self._entries_of(self._query(ended, since), wanted)
        if left := wanted - found.keys():
            others = f"{heads} | filter @message like /^{_HEAD_BEGINS}/ | {newest_first}"
            found |= self._entries_of(self._query(others, since), left)
        return list(found.values())

    @staticmethod
    def _entries_of(rows: list[dict[str, str]], wanted: set[str]) -> dict[str, Entry]:
        """The newest entry of each run, from rows of which the newest come first."""
        found: dict[str, Entry] = {}
        for row in rows:
            entry = Entry.from_fields(fields_of({"message": row["@message"]}))
            if entry is not None and entry.run_id in wanted:
                found.setdefault(entry.run_id, entry)
        return found


def newest_pages(account: Account, log_group: str, stream: str, limit: int) -> Iterator[list[dict[str, Any]]]:
    """The pages of a stream, from its end on, each with at most `limit` events.

    Raises:
        AwsError: If AWS refused a call, or the call did not reach AWS.

    """
    parameters: dict[str, Any] = {"logGroupName": log_group, "logStreamName": stream, "limit": limit}
    for _ in range(_MAX_PAGES):
        page = patiently(account, "GetLogEvents", **parameters, startFromHead=False)
        yield page["events"]
        token = page["nextBackwardToken"]
        if token is None or token == parameters.get("nextToken"):
            return
        parameters["nextToken"] = token


def needs_query(error: _core.AwsError) -> bool:
    """Whether AWS refused to read a group of the class INFREQUENT_ACCESS other than with queries."""
    return error.code.startswith("InvalidOperation")
