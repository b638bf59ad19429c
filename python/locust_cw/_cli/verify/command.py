"""The sub-command `verify`: its options, what it refuses, and its exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._aws.account import message_of
from locust_cw._cli.account import interruptible_account, is_unreachable
from locust_cw._cli.output import print_error
from locust_cw._cli.parser import AddParser, add_command
from locust_cw._cli.recorded_run import add_recorded_run_options, record_of
from locust_cw._cli.shared_options import account_options
from locust_cw._cli.verify.comparison import Agreement, Comparison
from locust_cw._cli.verify.log_events import compare_logs
from locust_cw._cli.verify.metrics import compare_metrics
from locust_cw._cli.verify.output import print_comparison, print_comparison_json
from locust_cw._runs.neighbours import newest
from locust_cw._runs.record import LOCAL_IS_GONE, NoRecordError, Record

if TYPE_CHECKING:
    import argparse

_DESCRIPTION = "Compare the data of a run in CloudWatch with the run's receipt, name by name."
_EPILOG = """\
examples:
  locust-cw verify                                   the newest run on this machine
  locust-cw verify 20261122T110301Z-7f3a --json
  locust-cw verify || echo 'CloudWatch does not have everything'

The command compares RequestCount and FailureCount of each series over the time of the run, and the log events of the
run, with the record of the run. If calls got no response and were repeated (`uncertain` in
the receipt), CloudWatch may have that many more, and the numbers count as equal. CloudWatch adds up what several runs
publish for the same host in the same seconds (after three hours: in the same minutes). With --cw-dimensions
Host,Request,RunId, a test has series of its own, except for the roll-up of the host.

Logs Insights counts more than 100,000 log events, and those of the class INFREQUENT_ACCESS. AWS charges for the data
that it scans.

With --json, `equal` says whether CloudWatch and the receipt agree, and `complete` whether CloudWatch has every request
and log event that was observed. The receipt also counts what was dropped or rejected, which CloudWatch does not have.

exit code: 0 CloudWatch has everything, 1 something was dropped, rejected or is missing, or CloudWatch could not be
read, 2 invalid argument
"""


def declare(add_parser: AddParser) -> None:
    """Declare the sub-command."""
    parser = add_command(
        add_parser,
        "verify",
        summary="compare the data in CloudWatch with the receipt of a run",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument("run", nargs="?", metavar="RUN", help="run ID (default: the newest run)")
    parser.add_argument("--json", action="store_true", help="print one JSON object, with all numbers")
    add_recorded_run_options(parser)
    parser.set_defaults(run_command=_run)


def _run(options: argparse.Namespace) -> int:
    try:
        record = record_of(options.run or newest(options.spool_dir), options)
    except NoRecordError as error:
        print_error(str(error))
        return 1
    if refusal := _why_not(record, options):
        print_error(refusal)
        return 1
    try:
        account = interruptible_account(
            record.account | account_options(options), recorded=record.destination or None, account=options.account
        )
        comparison = Comparison(record, compare_metrics(account, record), compare_logs(account, record))
    except (_core.AwsError, TimeoutError) as error:
        print_error(message_of(error))
        return 1
    if options.json:
        print_comparison_json(comparison)
    else:
        print_comparison(comparison)
    return 0 if comparison.agreement is Agreement.COMPLETE else 1


def _why_not(record: Record, options: argparse.Namespace) -> str | None:
    """Why the run cannot be verified; None if it can."""
    if not record.receipt:
        return f"the record of run {record.run_id} has no receipt, so there is nothing to compare"
    if record.option("dry_run"):
        return f"run {record.run_id} was a dry run, so CloudWatch has no data of it: run the test without --cw-dry-run"
    if is_unreachable(record.local_url) and options.endpoint_url is None:
        return LOCAL_IS_GONE
    return None
