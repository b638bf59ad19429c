"""Reading the log events of a run: one by one with FilterLogEvents, or counted by Logs Insights."""

from __future__ import annotations

import itertools
import json
import math
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from locust_cw._aws.log_query import MAX_ROWS, patiently, query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from locust_cw._aws.account import Account
    from locust_cw._runs.record import Record

MAX_EVENTS_READ = 100_000
"""Most log events that are read one by one. Logs Insights counts more."""

_EVENTS_PER_SLICE = 10_000
_EVENTS_PER_PAGE = 10_000
"""Most events of a page (FilterLogEvents)."""
_HOUR = 3600


@dataclass
class LoggedEvents:
    """The log events of a run that CloudWatch has.

    Attributes:
        count: How many.
        by_name: Requests by outcome and logged name; None if the format of the events does not contain it.
        duplicates: How many events occur for a second time.

    """

    count: int = 0
    by_name: Counter[tuple[str, str]] | None = None
    duplicates: int = 0


class LogReader:
    """Reads the log events of a run."""

    def __init__(self, account: Account, record: Record) -> None:
        """Nothing is read before `read` or `count`."""
        self._account = account
        self._record = record
        self._group: str = record.option("log_group")
        self._prefix = f"{record.option('log_stream')}/{record.run_id}/"
        self._is_json = record.option("log_format") == "json"

    def _nothing(self) -> LoggedEvents:
        return LoggedEvents(by_name=Counter() if self._is_json else None)

    def read(self) -> LoggedEvents:
        """Read the events one by one, a slice of the run at a time.

        Raises:
            AwsError: If AWS refused a call, or the call did not reach AWS.

        """
        logged = self._nothing()
        seen = set[tuple[str, int]]()
        for start, end in self._slices():
            for event in self._filter(start, end):
                logged.count += 1
                if logged.by_name is None:
                    continue
                try:
                    fields = json.loads(event["message"])
                    # Compact events have no worker, but each worker has a stream of its own.
                    identity = (event["logStreamName"], int(fields["seq"]))
                except (ValueError, TypeError, KeyError):
                    continue
                logged.duplicates += identity in seen
                seen.add(identity)
                if "outcome" in fields:
                    logged.by_name[fields["outcome"], str(fields.get("name"))] += 1
        return logged

    def _slices(self) -> Iterator[tuple[int, int]]:
        """Milliseconds from and to: parts of the run with some thousand events, and an hour before and after."""
        record = self._record
        start, stop = math.floor(record.started), math.ceil(record.end(time.time())) + 1
        events = record.receipt["log_events"]["observed"]
        parts = max(1, min(stop - start, math.ceil(events / _EVENTS_PER_SLICE)))
        inner = (start + (stop - start) * number // parts for number in range(parts + 1))
        for first, second in itertools.pairwise([start - _HOUR, *inner, stop + _HOUR]):
            yield first * 1000, second * 1000

    def _filter(self, start: int, end: int) -> list[dict[str, Any]]:
        """The events of the run from one millisecond to before another."""
        events = self._filter_once(start, end)
        if len(events) == _EVENTS_PER_PAGE and end - start > 1:
            # An implementation of the API may return one page only, without a token for the next one.
            middle = (start + end) // 2
            return [*self._filter(start, middle), *self._filter(middle, end)]
        # Nor may it apply the prefix.
        return [event for event in events if event["logStreamName"].startswith(self._prefix)]

    def _filter_once(self, start: int, end: int) -> list[dict[str, Any]]:
        """The response to FilterLogEvents."""
        events: list[dict[str, Any]] = patiently(
            self._account,
            "FilterLogEvents",
            logGroupName=self._group,
            logStreamNamePrefix=self._prefix,
            startTime=start,
            endTime=end - 1,
        )["events"]
        return events

    def count(self) -> LoggedEvents | None:
        """Count the events with Logs Insights.

        Returns:
            None if the implementation of the API returns no counts.

        Raises:
            AwsError: If AWS refused a call, or the call did not reach AWS.
            TimeoutError: If Logs Insights takes too long.

        """
        logged = self._nothing()
        for fields in self._query_results():
            if "events" not in fields:
                return None
            number = int(fields["events"])
            logged.count += number
            if logged.by_name is not None and fields.get("outcome"):
                logged.by_name[fields["outcome"], str(fields.get("name"))] += number
        return logged

    def _query_results(self) -> list[dict[str, str]]:
        record = self._record
        escaped = self._prefix.replace("\\", "\\\\").replace('"', '\\"')
        by = "outcome, name" if self._is_json else "@logStream"
        return query(
            self._account,
            self._group,
            f'filter strcontains(@logStream, "{escaped}") | stats count(*) as events by {by} | limit {MAX_ROWS}',
            (math.floor(record.started) - _HOUR, math.ceil(record.end(time.time())) + _HOUR),
        )
