"""Comparing the log events: all of them, and those of each request name."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

from locust_cw import _core
from locust_cw._cli.verify.comparison import LogsComparison, Number
from locust_cw._cli.verify.log_reader import MAX_EVENTS_READ, LoggedEvents, LogReader

if TYPE_CHECKING:
    from locust_cw._aws.account import Account
    from locust_cw._runs.record import Record

ByName: TypeAlias = "Counter[tuple[str, str]]"
"""Requests by outcome and name."""


def compare_logs(account: Account, record: Record) -> LogsComparison:
    """Read the log events of a run and compare them with its record.

    Raises:
        AwsError: If AWS refused a call, or the call did not reach AWS.
        TimeoutError: If Logs Insights takes too long to count them.

    """
    receipt = record.receipt["log_events"]
    expected = receipt["observed"] - receipt["dropped"]
    if record.option("logs") == "off" or expected == 0:
        return LogsComparison()
    notes: list[str] = []
    try:
        logged = _read(LogReader(account, record), record, expected)
    except _core.AwsError as error:
        if error.kind != "not_found":
            raise
        notes.append(f"there is no log group {record.option('log_group')}")
        logged = LoggedEvents(by_name=Counter())
    if logged.duplicates:
        notes.append(f"{logged.duplicates} log events occur twice, with the same log stream and seq")
    spare = record.receipt["uncertain"]
    numbers = [Number("log events", "all", expected, logged.count, receipt["rejected"], spare)]
    # The receipt does not say which names were rejected or dropped.
    if logged.by_name is not None and not receipt["rejected"] and not receipt["dropped"]:
        numbers += _numbers_by_name(record, logged.by_name, spare)
    return LogsComparison(numbers, logged.count, notes)


def _read(reader: LogReader, record: Record, expected: int) -> LoggedEvents:
    # FilterLogEvents does not read groups of the class INFREQUENT_ACCESS.
    by_insights = record.option("log_class") == "INFREQUENT_ACCESS" or expected > MAX_EVENTS_READ
    return (reader.count() if by_insights else None) or reader.read()


def _numbers_by_name(record: Record, logged: ByName, spare: int) -> list[Number]:
    held, expected = _by_series(record, logged), _expected_by_name(record)
    if not _have_the_same_names(record):
        held, expected = _over_all_names(held), _over_all_names(expected)
    return [
        Number(f"logged {outcome}", name, number, held[outcome, name], spare=spare if number else 0)
        for (outcome, name), number in expected.items()
    ]


def _names(record: Record) -> set[str]:
    """The request names that have a series."""
    return {each["dimensions"]["Request"] for each in record.series if "Request" in each["dimensions"]}


def _have_the_same_names(record: Record) -> bool:
    """Whether every process published the same names as `(other)`.

    A process keeps the first names, up to the limit, and publishes the others as `(other)`. If all processes kept the
    same names, there are no more names than the limit. A process with too many series publishes known names as
    `(other)` too.
    """
    names, limit = _names(record), record.option("max_requests")
    series = sum("Request" in each["dimensions"] for each in record.series)
    return _core.OTHER not in names or (len(names) - 1 == limit and series < limit * _core.MAX_SERIES_PER_REQUEST)


def _over_all_names(by_name: ByName) -> ByName:
    found: ByName = Counter()
    for (outcome, _), number in by_name.items():
        found[outcome, "all"] += number
    return found


def _by_series(record: Record, logged: ByName) -> ByName:
    """Requests by outcome and the name of their series."""
    names = _names(record)
    found: ByName = Counter()
    for (outcome, logged_name), number in logged.items():
        name = _core.dimension_value(logged_name)
        found[outcome, name if name in names else _core.OTHER] += number
    return found


def _expected_by_name(record: Record) -> ByName:
    """The requests that are certainly logged, as far as the record shows."""
    requests, failures = Counter[str](), Counter[str]()
    for each in record.series:
        if "Request" in each["dimensions"]:
            requests[each["dimensions"]["Request"]] += each["requests"]
            failures[each["dimensions"]["Request"]] += each["failures"]
    observed = record.receipt["log_events"]["observed"]
    found: ByName = Counter()
    if observed < failures.total():
        # The master published from the workers' reports, which contain no single requests.
        return found
    is_sampled = record.option("logs") == "failures" or record.option("log_sample") < 1
    for name in sorted(requests):
        if failures[name]:
            found["failure", name] = failures[name]
        if not is_sampled and observed >= requests.total():
            found["success", name] = requests[name] - failures[name]
    return found
