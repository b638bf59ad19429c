"""The run that a sub-command is about: its record on this machine, or else the one in CloudWatch Logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._aws.account import OPTIONS, message_of
from locust_cw._cli.account import interruptible_account
from locust_cw._cli.output import print_error
from locust_cw._cli.settings import from_test
from locust_cw._cli.shared_options import account_options, add_recorded_account_options, add_spool_option
from locust_cw._runs.baselines import is_generated_run_id
from locust_cw._runs.folder import known_runs
from locust_cw._runs.record import NoRecordError, Record
from locust_cw._runs.shared_baselines import SharedBaselines, find_baseline
from locust_cw._runs.shared_records import SharedRecords
from locust_cw._settings.sources import Sources
from locust_cw._settings.table import option_of

if TYPE_CHECKING:
    import argparse

    from locust_cw._aws.account import Account
    from locust_cw._runs.baselines import Baseline


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


def record_of(run_id: str, options: argparse.Namespace, *, on_this_machine: bool = False) -> Record:
    """The record of a run, from this machine or else from CloudWatch Logs.

    Args:
        run_id: The run ID.
        options: The options of the command.
        on_this_machine: Do not look in CloudWatch Logs.

    Raises:
        NoRecordError: If there is none, or it cannot be read.

    """
    try:
        return Record.read(run_id, options.spool_dir)
    except NoRecordError as error:
        if on_this_machine:
            raise
        missing = error
    given = _options_of_test(options) | account_options(options)
    try:
        record = SharedRecords(shared_account(options), options.log_group).read(run_id)
    except NoRecordError as error:
        raise NoRecordError(f"{missing}. Other machines have not recorded it either: {error}") from error
    except _core.InvalidOptionError as error:
        raise missing from error
    except (_core.AwsError, TimeoutError) as error:
        raise NoRecordError(f"{missing}. CloudWatch Logs could not be read either: {message_of(error)}") from error
    # What this machine needs to reach the destination is not in a record of another one.
    record.options |= {name: value for name, value in given.items() if name in ("external_id", "endpoint_url")}
    record.options["spool_dir"] = options.spool_dir
    return record


def named_record(name: str, options: argparse.Namespace) -> Record:
    """The record of a baseline, or of a run.

    Args:
        name: The name of the baseline, or a run ID.
        options: The options of the command.

    Raises:
        NoRecordError: If there is none, or it cannot be read.

    """
    baseline = None if is_generated_run_id(name) else _baseline_of(name, options)
    if baseline is None or baseline.run_id is None:
        return record_of(name, options)
    try:
        return record_of(baseline.run_id, options)
    except NoRecordError as error:
        raise NoRecordError(f"the run of the baseline {name} has no record any more: {error}") from error


def _baseline_of(name: str, options: argparse.Namespace) -> Baseline | None:
    try:
        return find_baseline(name, options.spool_dir, SharedBaselines(shared_account(options), options.log_group))
    except (_core.AwsError, TimeoutError) as error:
        local = find_baseline(name, options.spool_dir, None)
        # A run of this machine needs no AWS account.
        if local is not None or name not in known_runs(options.spool_dir):
            print_error(f"the baselines in CloudWatch Logs could not be read: {message_of(error)}")
        return local


def shared_account(options: argparse.Namespace) -> Account:
    """The account with the records of other machines: that of a test on this machine, unless options say otherwise."""
    given = _options_of_test(options) | account_options(options)
    return interruptible_account(given, account=None if options.account == "any" else options.account)


def _options_of_test(options: argparse.Namespace) -> dict[str, Any]:
    """The options of the account that a test on this machine would have."""
    sources = Sources(options.config)
    return {name: value for name in OPTIONS if (value := sources.value(option_of(name))) is not None}
