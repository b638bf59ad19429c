"""`locust-cw runs`: list the runs that this machine and CloudWatch Logs have a record of."""

from __future__ import annotations

import argparse
import re
import sys
import time
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._aws.account import message_of
from locust_cw._checks.wording import one_line, utc
from locust_cw._cli.account import interruptible_account
from locust_cw._cli.output import print_error, print_json
from locust_cw._cli.parser import AddParser, add_command
from locust_cw._cli.recorded_run import add_log_group_option
from locust_cw._cli.shared_options import account_options, add_account_options, add_spool_option
from locust_cw._runs.entry import Entry
from locust_cw._runs.folder import known_runs
from locust_cw._runs.record import NoRecordError, Record
from locust_cw._runs.shared_records import SharedRecords
from locust_cw._runs.tags import parse_tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_DESCRIPTION = """\
List runs, the newest first: those that this machine has recorded, and those of all machines whose tests log to the log
group.
"""
_EPILOG = """\
examples:
  locust-cw runs
  locust-cw runs --since 12h --tag branch=main
  locust-cw runs --local --json | jq -r '.[0].run_id'

State: running, finished, or killed (the record was not updated for three minutes, and the test did not stop). With
--json, times are in seconds since the epoch, and values that are unknown are null.

exit code: 0 listed, 1 CloudWatch Logs could not be read (the runs of this machine are listed), 2 invalid argument
"""
_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_NONE = "-"


def declare(add_parser: AddParser) -> None:
    """Declare the sub-command."""
    parser = add_command(
        add_parser, "runs", summary="list runs, the newest first", description=_DESCRIPTION, epilog=_EPILOG
    )
    parser.add_argument(
        "--since",
        metavar="AGE",
        type=_age,
        default="30d",
        help="age of the oldest run: 90m, 12h, 30d or 4w (default: %(default)s)",
    )
    parser.add_argument(
        "--tag", metavar="NAME=VALUE", action="append", default=[], help="only runs with this tag; repeatable"
    )
    parser.add_argument(
        "--local", action="store_true", help="only runs that this machine has recorded; AWS is not called"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list")
    add_spool_option(parser)
    add_log_group_option(parser)
    add_account_options(parser)
    parser.set_defaults(run_command=_run)


def _age(text: str) -> float:
    found = re.fullmatch(r"([0-9]{1,6})([mhdw])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"must be a number and a unit, such as 90m, 12h, 30d or 4w, not {text!r}")
    return int(found[1]) * _UNITS[found[2]]


def _run(options: argparse.Namespace) -> int:
    tags, since = parse_tags(options.tag), max(0.0, time.time() - options.since)
    found = {entry.run_id: entry for entry in _local(options.spool_dir) if entry.started >= since}
    code = 0
    if not options.local:
        # The record of a run that has ended on this machine is complete.
        known = {entry.run_id for entry in found.values() if entry.stopped is not None}
        account = interruptible_account(account_options(options))
        try:
            shared = SharedRecords(account, options.log_group).entries(since, known)
        except (_core.AwsError, TimeoutError) as error:
            print_error(
                f"the runs of other machines could not be read: {message_of(error)}\n"
                "To list only the runs of this machine, as after tests with --cw-local: locust-cw runs --local"
            )
            shared, code = [], 1
        for entry in shared:
            found[entry.run_id] = _newer(entry, found.get(entry.run_id))
    entries = sorted((each for each in found.values() if each.has_tags(tags)), key=lambda each: -each.started)
    if options.json:
        now = time.time()
        print_json([entry.as_json(now) for entry in entries])
    else:
        _print(entries)
    return code


def _local(spool_dir: str | None) -> Iterable[Entry]:
    for run_id in known_runs(spool_dir):
        try:
            yield Entry.of(Record.read(run_id, spool_dir, with_summary=False))
        except NoRecordError:
            continue


def _newer(one: Entry, other: Entry | None) -> Entry:
    if other is None:
        return one
    return max(one, other, key=lambda each: (each.stopped is not None, each.updated or 0.0))


def _print(entries: Sequence[Entry]) -> None:
    if not entries:
        sys.stdout.write("There are no such runs.\n")
        return
    rows: list[tuple[str, ...]] = [
        ("run", "started", "state", "duration", "requests", "failures", "p95", "users", "checks", "tags")
    ]
    now = time.time()
    rows += [_row(entry, now) for entry in entries]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (
            cell.rjust(width) if column in _NUMBERS else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


_NUMBERS = range(3, 8)
"""The columns with numbers."""


def _row(entry: Entry, now: float) -> tuple[str, ...]:
    share = f" ({entry.failures / entry.requests:.1%})" if entry.failures else ""
    tags = " ".join(f"{name}={value}" for name, value in sorted(entry.tags.items()))
    return (
        entry.run_id,
        utc(entry.started),
        entry.state(now),
        _duration((entry.stopped or entry.updated or entry.started) - entry.started),
        f"{entry.requests:,}",
        f"{entry.failures:,}{share}",
        _NONE if entry.p95_ms is None else f"{entry.p95_ms:,.0f} ms",
        _NONE if entry.users is None else f"{entry.users:,}",
        entry.checks or _NONE,
        one_line(tags),
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
