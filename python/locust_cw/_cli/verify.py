"""`locust-cw verify`: asks CloudWatch what it holds of a run, and compares it with the run's record."""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._aws.account import message_of
from locust_cw._aws.metric_data import FRESH_S, points, shortest_period
from locust_cw._aws.targets import Metric
from locust_cw._cli.output import account_at, complain, is_gone, print_json, wrapped
from locust_cw._cli.shared_options import account_options, add_recorded_account_options
from locust_cw._runs.record import LOCAL_IS_GONE, NoRecordError, Record, neighbours, newest, span_of
from locust_cw._terminal.quantities import human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from locust_cw._aws.account import Account
    from locust_cw._cli.main import AddParser

MOST_POINTS = 500_000
"""Above so many values per second, minutes are asked for: they come as 100,800 a page."""
MAX_EVENTS_READ = 100_000
"""More log events than these are counted by Logs Insights and not read one by one."""

_LONGEST_PERIOD_S = 3600
_EVENTS_AT_ONCE = 10_000
# FilterLogEvents: most events of one page.
_EVENTS_IN_A_PAGE = 10_000
_QUERY_POLL_S = 1.0
_QUERY_TIMEOUT_S = 15 * 60
_THROTTLED_PAUSES_S = (1.0, 2.0, 4.0, 8.0)

_EPILOG = """\
examples:
  locust-cw verify                                   the run recorded last on this machine
  locust-cw verify 20261122T110301Z-7f3a --json
  locust-cw verify || echo 'CloudWatch does not hold all of it'

Compared are RequestCount and FailureCount of each series over the time of the run, and the run's log events, with the
record that the test left beside the spool. Where calls got no answer and were repeated (the receipt's `uncertain`),
CloudWatch may hold that many more, and that is taken as equal. CloudWatch adds up what several runs publish for the
same host in the same seconds (in the same minutes, three hours later): a test with --cw-dimensions Host,Request,RunId
is kept apart, but for the host's roll-up.

More than 100,000 log events, and those of the class INFREQUENT_ACCESS, are counted by Logs Insights, which AWS charges
by the data it reads.

With --json, `equal` says whether CloudWatch and the receipt agree, and `complete` whether every request and log event
that was observed is there: of what was dropped or rejected, the receipt tells as well, but CloudWatch does not hold it.

exit code: 0 CloudWatch holds it all, 1 it does not, be it dropped, rejected or missing, or could not be asked,
2 wrong argument
"""


@dataclass(frozen=True)
class Line:
    """One number of CloudWatch's beside the record's.

    Attributes:
        what: `RequestCount`, `FailureCount`, or what kind of log events.
        of: Whose: the dimensions, or the name of the request.
        expected: What was published, if everything has arrived.
        held: What CloudWatch has.
        lacking: How many fewer than expected are right all the same: they were dropped, or refused for good.
        spare: How many more than expected are right all the same.

    """

    what: str
    of: str
    expected: int
    held: int
    lacking: int = 0
    spare: int = 0

    @property
    def agrees(self) -> bool:
        """Whether CloudWatch has what it should."""
        return self.expected - self.lacking <= self.held <= self.expected + self.spare


@dataclass
class Findings:
    """What came of the comparison.

    Attributes:
        lines: All numbers.
        notes: What one should know to read them.
        series: How many series were compared.
        requests: How many CloudWatch has in these.
        failures: How many of them failed.
        log_events: How many log events it has.

    """

    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    series: int = 0
    requests: int = 0
    failures: int = 0
    log_events: int = 0

    @property
    def differing(self) -> list[Line]:
        """Those that do not agree."""
        return [line for line in self.lines if not line.agrees]


def declare(add_parser: AddParser) -> None:
    """Declare the command."""
    parser = add_parser(
        "verify",
        help="ask CloudWatch what it holds of a run, and compare it with the receipt",
        description=wrapped(
            "Ask CloudWatch what it holds of a run, and compare it with the run's receipt, name by name."
        ),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", nargs="?", metavar="RUN", help="id of the run; else the one recorded last")
    parser.add_argument("--spool-dir", metavar="FOLDER", help="where its record is; else the user's state folder")
    parser.add_argument("--json", action="store_true", help="print one JSON object, with all numbers")
    add_recorded_account_options(parser)
    parser.set_defaults(run_command=_verify)


def _verify(options: argparse.Namespace) -> int:
    try:
        record = Record.read(options.run or newest(options.spool_dir), options.spool_dir)
    except NoRecordError as error:
        complain(str(error))
        return 1
    findings = Findings()
    if not record.receipt:
        complain(f"the record of run {record.run_id} has no receipt, so there is nothing to compare CloudWatch with")
        return 1
    if record.option("dry_run"):
        complain(f"run {record.run_id} was a dry run: nothing was sent, so CloudWatch holds nothing of it")
        return 1
    if is_gone(record.local_url) and options.endpoint_url is None:
        complain(LOCAL_IS_GONE)
        return 1
    try:
        account = account_at(
            record.account | account_options(options), recorded=record.destination or None, account=options.account
        )
        _compare_metrics(account, record, findings)
        _compare_logs(account, record, findings)
    except (_core.AwsError, TimeoutError) as error:
        complain(message_of(error))
        return 1
    _explain(record, findings)
    if options.json:
        _print_json(record, findings)
    else:
        _print(record, findings)
    return 0 if _is_complete(record, findings) else 1


# Metrics


def period_of(record: Record, span: tuple[int, int], now: float) -> int:
    """The finest period, in seconds, that CloudWatch can still tell, and that is not too much to ask for."""
    start, end = span
    period = shortest_period(start, now, int(record.option("resolution"))) or _LONGEST_PERIOD_S
    too_many = (end - start) / period * 2 * len(record.series) > MOST_POINTS
    return 60 if period == 1 and too_many else period


def _compare_metrics(account: Account, record: Record, findings: Findings) -> None:
    others = neighbours(record)
    span = span_of(record, others)
    period = period_of(record, span, time.time())
    # CloudWatch's periods begin at multiples of their length.
    start, end = span[0] // period * period, -(-span[1] // period) * period
    overlapping = sorted(
        other.run_id
        for other in others
        if math.floor(other.started) < end and math.floor(other.stopped or time.time()) >= start
    )
    compared = record.series
    if overlapping:
        apart = [series for series in record.series if "RunId" in series["dimensions"]]
        findings.notes.append(
            f"{', '.join(overlapping)} published for the same host in the same"
            f" {'seconds' if period == 1 else 'minutes'}, and CloudWatch adds them up"
            + (
                ": the host's roll-up is not compared"
                if apart
                else ". A test with --cw-dimensions Host,Request,RunId is kept apart"
            )
        )
        compared = apart or compared
    queries = [
        (metric, key, series)
        for series in compared
        for metric, key in (("RequestCount", "requests"), ("FailureCount", "failures"))
    ]
    namespace = record.option("namespace")
    metrics = [
        Metric("", namespace, metric, tuple(series["dimensions"].items()), "Sum") for metric, _, series in queries
    ]
    found = points(account.call, metrics, start, end, period)
    sums = [round(math.fsum(value for _, value in each)) for each in found]
    # As the receipt does: a request counts in its own series.
    roll_ups = record.roll_ups
    own = {id(series) for series in compared if series not in roll_ups} or {id(series) for series in compared}
    findings.series = len(compared)
    findings.requests, findings.failures = (
        sum(held for (_, key, series), held in zip(queries, sums, strict=True) if key == wanted and id(series) in own)
        for wanted in ("requests", "failures")
    )
    lost = {key: _lost(record, key) for key in ("requests", "failures")}
    findings.lines += [
        Line(
            metric,
            " ".join(f"{name}={value}" for name, value in sorted(series["dimensions"].items())),
            series[key],
            held,
            # Which series they belonged to is not known.
            min(series[key], lost[key]),
            # Of none there are no copies.
            record.receipt["uncertain"] if series[key] else 0,
        )
        for (metric, key, series), held in zip(queries, sums, strict=True)
    ]


# Log events


@dataclass
class Logged:
    """The log events that CloudWatch holds of a run.

    Attributes:
        events: How many.
        by_name: Requests by outcome and the name they were logged with; None where they were not looked into.
        duplicates: How many are there for a second time.

    """

    events: int = 0
    by_name: Counter[tuple[str, str]] | None = None
    duplicates: int = 0


def _compare_logs(account: Account, record: Record, findings: Findings) -> None:
    receipt = record.receipt["log_events"]
    expected = receipt["observed"] - receipt["dropped"]
    if record.option("logs") == "off" or expected == 0:
        return
    group, prefix = record.option("log_group"), f"{record.option('log_stream')}/{record.run_id}/"
    by_insights = record.option("log_class") == "INFREQUENT_ACCESS" or expected > MAX_EVENTS_READ
    try:
        counted = _count(account, record, group, prefix) if by_insights else None
        logged = counted or _read(account, record, group, prefix)
    except _core.AwsError as error:
        if error.kind != "not_found":
            raise
        findings.notes.append(f"there is no log group {group}")
        logged = Logged(by_name=Counter())
    spare = record.receipt["uncertain"]
    findings.log_events = logged.events
    findings.lines.append(Line("log events", "all", expected, logged.events, receipt["rejected"], spare))
    if logged.duplicates:
        findings.notes.append(f"{logged.duplicates} log events are there twice: same worker and seq")
    if logged.by_name is None or receipt["rejected"] or receipt["dropped"]:
        # Which names those were that are missing is not known.
        return
    held, wanted = _by_series(record, logged.by_name), Counter(dict(_expected_by_name(record)))
    if not _kept_the_same_names(record):
        held, wanted = _over_names(held), _over_names(wanted)
    for (what, name), number in wanted.items():
        findings.lines.append(Line(f"logged {what}", name, number, held[what, name], spare=spare if number else 0))


def _names(record: Record) -> set[str]:
    """The request names of its series."""
    return {each["dimensions"]["Request"] for each in record.series if "Request" in each["dimensions"]}


def _kept_the_same_names(record: Record) -> bool:
    """Whether what has no series of its own name is `(other)` in every process.

    One that met more names than it may keep has kept the first ones, as many as it may. Where several kept the same,
    there are no more in all; else a name may be `(other)` in one and a series in another.
    """
    names = _names(record)
    return _core.OTHER not in names or len(names) - 1 == record.option("max_requests")


def _over_names(by_name: Counter[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """The same, all names together."""
    found = Counter[tuple[str, str]]()
    for (outcome, _), number in by_name.items():
        found[outcome, "all"] += number
    return found


def _by_series(record: Record, logged: Counter[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """Requests by outcome and the name of their series."""
    names = _names(record)
    found = Counter[tuple[str, str]]()
    for (outcome, logged_name), number in logged.items():
        name = _core.dimension_value(logged_name)
        found[outcome, name if name in names else _core.OTHER] += number
    return found


def _expected_by_name(record: Record) -> Iterator[tuple[tuple[str, str], int]]:
    """Outcome and name of the requests that are logged for certain, and how many there are."""
    series = [each for each in record.series if "Request" in each["dimensions"]]
    requests, failures = Counter[str](), Counter[str]()
    for each in series:
        requests[each["dimensions"]["Request"]] += each["requests"]
        failures[each["dimensions"]["Request"]] += each["failures"]
    from_reports = record.receipt["log_events"]["observed"] < failures.total()
    sampled = record.option("logs") == "failures" or record.option("log_sample") < 1
    if from_reports:
        return
    for name in sorted(requests):
        if failures[name]:
            yield ("failure", name), failures[name]
        if not sampled and record.receipt["log_events"]["observed"] >= requests.total():
            yield ("success", name), requests[name] - failures[name]


def _read(account: Account, record: Record, group: str, prefix: str) -> Logged:
    """Read the events, a number of seconds at a time."""
    json_format = record.option("log_format") == "json"
    logged = Logged(by_name=Counter() if json_format else None)
    seen = set[tuple[str, int]]()
    for start, end in _slices(record):
        for event in _filter(account, group, prefix, start, end):
            logged.events += 1
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


def _filter(account: Account, group: str, prefix: str, start: int, end: int) -> list[dict[str, Any]]:
    """The events of the streams whose name begins so, from one millisecond to before the other."""
    for pause in (*_THROTTLED_PAUSES_S, None):
        try:
            events: list[dict[str, Any]] = account.call(
                "FilterLogEvents", logGroupName=group, logStreamNamePrefix=prefix, startTime=start, endTime=end - 1
            )["events"]
        except _core.AwsError as error:
            if pause is None or error.kind != "throttled":
                raise
            time.sleep(pause)
        else:
            if len(events) == _EVENTS_IN_A_PAGE and end - start > 1:
                # Whoever answers in CloudWatch's stead may tell of no second page.
                middle = (start + end) // 2
                return [*_filter(account, group, prefix, start, middle), *_filter(account, group, prefix, middle, end)]
            # Nor look at the prefix.
            return [event for event in events if event["logStreamName"].startswith(prefix)]
    raise AssertionError


def _slices(record: Record) -> Iterator[tuple[int, int]]:
    """Milliseconds from and to: pieces of the run with some thousands of events each, and all that may be around it."""
    start, stop = math.floor(record.started), math.ceil(record.stopped or time.time()) + 1
    events = record.receipt["log_events"]["observed"]
    pieces = max(1, min(stop - start, math.ceil(events / _EVENTS_AT_ONCE)))
    bounds = [start - 3600, *(start + (stop - start) * number // pieces for number in range(pieces + 1)), stop + 3600]
    for first, second in itertools.pairwise(bounds):
        yield first * 1000, second * 1000


def _count(account: Account, record: Record, group: str, prefix: str) -> Logged | None:
    """Have Logs Insights count them.

    Returns:
        None where who answers in CloudWatch's stead does not count.

    Raises:
        TimeoutError: If that takes too long.

    """
    start, stop = math.floor(record.started), math.ceil(record.stopped or time.time())
    escaped = prefix.replace("\\", "\\\\").replace('"', '\\"')
    query = f'filter strcontains(@logStream, "{escaped}")'
    is_json = record.option("log_format") == "json"
    query += " | stats count(*) as events by " + ("outcome, name" if is_json else "@logStream") + " | limit 10000"
    started = account.call(
        "StartQuery", logGroupName=group, queryString=query, startTime=start - 3600, endTime=stop + 3600, limit=10_000
    )
    deadline = time.monotonic() + _QUERY_TIMEOUT_S
    while True:
        told = account.call("GetQueryResults", queryId=started["queryId"])
        if told["status"] == "Complete":
            break
        if told["status"] not in ("Scheduled", "Running") or time.monotonic() > deadline:
            raise TimeoutError(f"Logs Insights did not count the events of {group}: the query is {told['status']}")
        time.sleep(_QUERY_POLL_S)
    logged = Logged(by_name=Counter() if is_json else None)
    for row in told["results"]:
        fields = {each["field"]: each["value"] for each in row}
        if "events" not in fields:
            return None
        number = int(fields["events"])
        logged.events += number
        if logged.by_name is not None and fields.get("outcome"):
            logged.by_name[fields["outcome"], str(fields.get("name"))] += number
    return logged


# What is told


def _lost(record: Record, group: str) -> int:
    """How many the receipt says were dropped or rejected."""
    account = record.receipt[group]
    return int(account["dropped"] + account["rejected"])


def _what_was_lost(record: Record) -> str:
    """The same for people; empty where nothing was."""
    lost = {what: _lost(record, group) for group, what in (("requests", "requests"), ("log_events", "log events"))}
    told = " and ".join(f"{number} {what}" for what, number in lost.items() if number)
    return f"{told} were dropped or rejected" if told else ""


def _is_complete(record: Record, findings: Findings) -> bool:
    """Whether CloudWatch holds every request and log event that was observed."""
    receipt = record.receipt
    if findings.differing or any(receipt[group]["dropped"] for group in ("requests", "log_events")):
        return False
    # What was rejected may have been replayed since.
    is_there = not receipt["uncertain"] and all(line.held >= line.expected for line in findings.lines)
    return is_there or not _what_was_lost(record)


def _explain(record: Record, findings: Findings) -> None:
    """Say why numbers may differ, and what to do."""
    receipt = record.receipt
    lost = {key: sum(receipt[group][key] for group in ("requests", "log_events")) for key in ("rejected", "dropped")}
    if receipt["uncertain"]:
        findings.notes.append(
            f"up to {receipt['uncertain']} may be there beside what was counted: their calls got no answer"
        )
    if lost["rejected"]:
        findings.notes.append(f"CloudWatch refused {lost['rejected']} for good: that many may be missing")
    for replay in record.sent_elsewhere:
        findings.notes.append(
            f"a replay sent {replay['requests']} requests and {replay['log_events']} log events of this run elsewhere:"
            f" to account {replay['destination'].get('account_id')}, region {replay['destination'].get('region')}"
        )
    if lost["dropped"]:
        findings.notes.append(f"{lost['dropped']} were dropped before they could be published, and are not expected")
    if not findings.differing:
        return
    waiting = [each for each in _core.pending_spools(record.option("spool_dir")) if each.run_id == record.run_id]
    if waiting:
        findings.notes.append(
            f"{human_bytes(sum(each.bytes for each in waiting))} of it wait on this machine. Send them:"
            f" {record.replay_command}"
        )
    elif receipt["requests"]["spooled"] + receipt["log_events"]["spooled"]:
        findings.notes.append("the receipt counts some as spooled: replay them on the machines whose spools hold them")
    ago = time.time() - (record.stopped or record.started)
    if ago < FRESH_S and any(line.held < line.expected for line in findings.differing):
        findings.notes.append(
            f"the run ended {ago / 60:.0f} min ago; CloudWatch may take some minutes to tell of it: try again"
        )
    if any(line.held > line.expected for line in findings.differing):
        findings.notes.append(
            "where there is more than expected, another run may have published for the same host at the same time;"
            " a test with --cw-dimensions Host,Request,RunId is kept apart"
        )


def _print_json(record: Record, findings: Findings) -> None:
    print_json(
        {
            "run_id": record.run_id,
            "equal": not findings.differing,
            "complete": _is_complete(record, findings),
            "numbers": [asdict(line) | {"agrees": line.agrees} for line in findings.lines],
            "notes": findings.notes,
        }
    )


def _print(record: Record, findings: Findings) -> None:
    out = sys.stdout.write
    lost = _what_was_lost(record)
    compared = f"{len(findings.lines)} numbers"
    held = (
        f"{findings.requests} requests with {findings.failures} failures in {findings.series} series, and"
        f" {findings.log_events} log events ({compared} compared)"
    )
    if differing := findings.differing:
        also = f", and {lost}" if lost else ""
        out(f"Run {record.run_id}: CloudWatch and the receipt differ in {len(differing)} of {compared}{also}.\n")
        width = max(len(line.what) for line in differing)
        out(f"{'':{width}} {'expected':>11} {'held':>11} {'difference':>11}  of\n")
        for line in differing:
            numbers = f"{line.expected:>11} {line.held:>11} {line.held - line.expected:>+11}"
            out(f"{line.what:{width}} {numbers}  {line.of}\n")
    elif _is_complete(record, findings):
        out(f"Run {record.run_id}: CloudWatch holds what was published, {held}.\n")
    else:
        out(f"Run {record.run_id}: CloudWatch does not hold all of it: {lost}. It holds the rest, {held}.\n")
    for note in findings.notes:
        out(f"- {note}\n")
