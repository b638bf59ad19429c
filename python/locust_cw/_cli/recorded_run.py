"""The run that a sub-command is about: its record on this machine, or else the one in CloudWatch Logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._aws.account import OPTIONS, message_of
from locust_cw._cli.account import interruptible_account
from locust_cw._cli.settings import from_test
from locust_cw._cli.shared_options import account_options, add_recorded_account_options, add_spool_option
from locust_cw._runs.record import NoRecordError, Record
from locust_cw._runs.shared_records import SharedRecords
from locust_cw._settings.sources import Sources
from locust_cw._settings.table import option_of

if TYPE_CHECKING:
    import argparse


def add_recorded_run_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that say where the record is, and those of the account."""
    add_spool_option(parser)
    add_log_group_option(parser)
    add_recorded_account_options(parser)


def add_log_group_option(parser: argparse.ArgumentParser) -> None:
    """Declare the option that selects the log group with the records of other machines."""
    parser.add_argument(
        "--log-group",
        metavar="NAME",
        default=from_test("log_group"),
        help="log group with the records of runs of other machines (default: %(default)s)",
    )


def record_of(run_id: str, options: argparse.Namespace) -> Record:
    """The record of a run, from this machine or else from CloudWatch Logs.

    Raises:
        NoRecordError: If there is none, or it cannot be read.

    """
    try:
        return Record.read(run_id, options.spool_dir)
    except NoRecordError as error:
        missing = error
    given = _options_of_test(options) | account_options(options)
    account = interruptible_account(given, account=None if options.account == "any" else options.account)
    try:
        record = SharedRecords(account, options.log_group).read(run_id)
    except NoRecordError as error:
        raise NoRecordError(f"{missing}. Nor is it known to other machines: {error}") from error
    except _core.InvalidOptionError as error:
        raise missing from error
    except (_core.AwsError, TimeoutError) as error:
        raise NoRecordError(f"{missing}. CloudWatch Logs could not be read either: {message_of(error)}") from error
    # What this machine needs to reach the destination is not in a record of another one.
    record.options |= {name: value for name, value in given.items() if name in ("external_id", "endpoint_url")}
    record.options["spool_dir"] = options.spool_dir
    return record


def _options_of_test(options: argparse.Namespace) -> dict[str, Any]:
    """The options of the account that a test on this machine would have."""
    sources = Sources(options.config)
    return {name: value for name in OPTIONS if (value := sources.value(option_of(name))) is not None}
