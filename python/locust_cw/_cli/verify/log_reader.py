"""Reading the log events of a run: one by one with FilterLogEvents, or counted by Logs Insights."""

from __future__ import annotations

import itertools
import json
import math
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from locust_cw import _core

if TYPE_CHECKING:
    from collections.abc import Iterator

    from locust_cw._aws.account import Account
    from locust_cw._runs.record import Record

MAX_EVENTS_READ = 100_000
"""Most log events that are read one by one. Logs Insights counts more."""

_EVENTS_PER_SLICE = 10_000
_EVENTS_PER_PAGE = 10_000
"""Most events of a page (FilterLogEvents)."""
_THROTTLING_PAUSES_S = (1.0, 2.0, 4.0, 8.0)
_QUERY_POLL_S = 1.0
_QUERY_TIMEOUT_S = 15 * 60
_QUERY_LIMIT = 10_000
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
                    identity = (str(fields["worker"]), int(fields["seq"]))
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
        start, stop = math.floor(record.started), math.ceil(record.stopped or time.time()) + 1
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
        """The response to FilterLogEvents, which is repeated while AWS throttles it."""
        pauses = iter(_THROTTLING_PAUSES_S)
        while True:
            try:
                events: list[dict[str, Any]] = self._account.call(
                    "FilterLogEvents",
                    logGroupName=self._group,
                    logStreamNamePrefix=self._prefix,
                    startTime=start,
                    endTime=end - 1,
                )["events"]
            except _core.AwsError as error:
                pause = next(pauses, None)
                if pause is None or error.kind != "throttled":
                    raise
                time.sleep(pause)
            else:
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
        for row in self._query_results():
            fields = {each["field"]: each["value"] for each in row}
            if "events" not in fields:
                return None
            number = int(fields["events"])
            logged.count += number
            if logged.by_name is not None and fields.get("outcome"):
                logged.by_name[fields["outcome"], str(fields.get("name"))] += number
        return logged

    def _query_results(self) -> list[list[dict[str, str]]]:
        record = self._record
        escaped = self._prefix.replace("\\", "\\\\").replace('"', '\\"')
        by = "outcome, name" if self._is_json else "@logStream"
        started = self._account.call(
            "StartQuery",
            logGroupName=self._group,
            queryString=(
                f'filter strcontains(@logStream, "{escaped}") | stats count(*) as events by {by} | limit {_QUERY_LIMIT}'
            ),
            startTime=math.floor(record.started) - _HOUR,
            endTime=math.ceil(record.stopped or time.time()) + _HOUR,
            limit=_QUERY_LIMIT,
        )
        deadline = time.monotonic() + _QUERY_TIMEOUT_S
        while True:
            answer = self._account.call("GetQueryResults", queryId=started["queryId"])
            status = answer["status"]
            if status == "Complete":
                results: list[list[dict[str, str]]] = answer["results"]
                return results
            if status not in ("Scheduled", "Running") or time.monotonic() > deadline:
                raise TimeoutError(
                    f"Logs Insights did not count the log events of {self._group}: the query is {status}. Run this"
                    " command again"
                )
            time.sleep(_QUERY_POLL_S)
