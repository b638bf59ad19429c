"""`locust-cw check`: judge a past run by the summary in its record, and by the metrics of its targets."""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._aws.account import with_command_options
from locust_cw._aws.accounts import account_of
from locust_cw._aws.targets import parse
from locust_cw._checks.files import ResultFiles
from locust_cw._checks.output import CheckResults
from locust_cw._checks.results import NOT_PASSED, CheckedRun
from locust_cw._checks.run_values import IN_COMMAND
from locust_cw._checks.target_values import TargetChecks
from locust_cw._checks.text import text_of
from locust_cw._cli.account import is_unreachable
from locust_cw._cli.output import print_error, print_json
from locust_cw._cli.parser import AddParser, add_command
from locust_cw._cli.recorded_run import add_recorded_run_options, record_of
from locust_cw._cli.settings import from_test
from locust_cw._cli.shared_options import account_options
from locust_cw._runs.record import LOCAL_IS_GONE, NoRecordError
from locust_cw._settings.paths import check_file
from locust_cw._terminal.styles import has_colors

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from locust_cw._aws.targets import Target
    from locust_cw._runs.record import Record

_DESCRIPTION = """\
Judge a past run against conditions, as --cw-check does at the end of a test. The command reads the
record of a run on another machine from CloudWatch Logs. Apart from that, only checks of targets call AWS.
"""
_EPILOG = """\
examples:
  locust-cw check 20261122T110301Z-7f3a 'p95 < 300ms' 'failures < 1%'
  locust-cw check 20261122T110301Z-7f3a 'POST /checkout: p99 <= 0.8s' --junit checks.xml
  locust-cw check 20261122T110301Z-7f3a 'rds:shop-db: CPUUtilization Average < 80'

The expressions have the form of --cw-check. The warm-up is that of the run, and 'abort after' has no effect. A check
can name any target, even one that the test did not have.

exit code: 0 all checks passed, 3 a check failed or is undecided, 1 the run could not be judged or a file could not be
written, 2 invalid argument
"""
_INVALID = 2
_OPERATORS = "<>="


def declare(add_parser: AddParser) -> None:
    """Declare the sub-command."""
    parser = add_command(
        add_parser,
        "check",
        summary="judge a past run against conditions such as 'p95 < 300ms'",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument("run", metavar="RUN", help="run ID, as printed in the receipt")
    parser.add_argument("expressions", metavar="EXPRESSION", nargs="+", help="condition that the run must meet")
    parser.add_argument("--json", action="store_true", help="print one JSON object with all results")
    parser.add_argument(
        "--junit", metavar="FILE", default=from_test("junit"), help="write the results as JUnit XML to this file"
    )
    parser.add_argument(
        "--summary", metavar="FILE", default=from_test("summary"), help="append the results as Markdown to this file"
    )
    add_recorded_run_options(parser)
    parser.set_defaults(run_command=_run)


class _MalformedError(ValueError):
    """An argument is not an expression, or not a run ID."""


def _run(options: argparse.Namespace) -> int:
    for name in ("junit", "summary"):
        check_file(name, getattr(options, name))
    files = ResultFiles(options.junit, options.summary)
    try:
        checks, targets = _parse(options)
        record = record_of(options.run, options)
        run, results = _judge(record, checks, targets, options)
    except _MalformedError as error:
        print_error(str(error))
        return _INVALID
    except NoRecordError as error:
        print_error(str(error))
        return 1
    if options.json:
        fields = [result.fields for result in results]
        print_json({"run_id": run.run_id, "verdict": run.verdict, "checks": fields, "notes": run.notes})
    else:
        sys.stdout.write(text_of(run, colors=has_colors(sys.stdout)))
    if not files.write(CheckResults(run)):
        return 1
    return 0 if run.verdict == "passed" else NOT_PASSED


def _parse(options: argparse.Namespace) -> tuple[list[_core.Check], list[Target]]:
    """The checks, and the targets that they name."""
    if any(operator in options.run for operator in _OPERATORS):
        raise _MalformedError(f"argument RUN: {options.run!r} is not a run ID: give the run ID before the expressions")
    try:
        checks = _core.parse_checks(options.expressions)
        names = dict.fromkeys(check.name for check in checks if check.scope == "target" and check.name is not None)
        return checks, [parse(name) for name in names]
    except _core.InvalidOptionError as error:
        raise _MalformedError(f"argument EXPRESSION: {error.problem}") from error


def _judge(
    record: Record, checks: Sequence[_core.Check], targets: Sequence[Target], options: argparse.Namespace
) -> tuple[CheckedRun, list[_core.CheckResult]]:
    summary = record.load_summary()
    measured_from, measured_until = measured_time = record.measured_time(time.time())
    values = _target_values(record, checks, targets, measured_time, options)
    results = summary.check([check.text for check in checks], measured_until - measured_from, values)
    run = CheckedRun(
        run_id=record.run_id,
        host=record.host,
        started=record.started,
        seconds=measured_until - measured_from,
        warmup_s=record.option("warmup"),
        is_approximate=summary.is_approximate,
        results=results,
        lacks_requests=record.lacks_reports,
    )
    return run, results


def _target_values(
    record: Record,
    checks: Sequence[_core.Check],
    targets: Sequence[Target],
    measured_time: tuple[float, float],
    options: argparse.Namespace,
) -> dict[str, float | str]:
    """The values of target checks by their texts, or the reasons why they are unknown."""
    if not targets:
        return {}
    if is_unreachable(record.local_url) and options.endpoint_url is None:
        return dict.fromkeys((check.text for check in checks if check.scope == "target"), LOCAL_IS_GONE)
    accounts = partial(
        account_of,
        record.account | account_options(options),
        recorded=record.destination or None,
        account=options.account,
    )
    try:
        reader = TargetChecks(accounts, checks, targets, time.sleep)
    except _core.InvalidOptionError as error:
        raise _MalformedError(f"argument EXPRESSION: {error.problem}") from error
    values = reader.final(*measured_time, wait_s=0, remedies=IN_COMMAND)
    return {text: with_command_options(value) if isinstance(value, str) else value for text, value in values.items()}
