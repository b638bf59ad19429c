"""The options that a policy depends on, for the sub-commands that print one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._cli.iam_policy import USES, PolicyRequest
from locust_cw._cli.settings import from_test
from locust_cw._cli.shared_options import add_publish_options, check_options, dashboard_of

if TYPE_CHECKING:
    import argparse


def add_policy_options(parser: argparse.ArgumentParser, uses_help: str) -> None:
    """Declare what `policy_request` reads, except `--log-retention-days`, whose help differs."""
    add_publish_options(parser)
    parser.add_argument("--for", dest="uses", action="append", choices=(*USES, "all"), help=uses_help)
    parser.add_argument(
        "--log-group-exists", action="store_true", help="the log group exists, so tests do not create it"
    )


def add_retention_option(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Declare `--log-retention-days`."""
    default = from_test("log_retention_days")
    parser.add_argument("--log-retention-days", metavar="DAYS", type=int, default=default, help=help_text)


def policy_request(options: argparse.Namespace) -> PolicyRequest:
    """What the policy must allow.

    Raises:
        InvalidOptionError: If a test would not accept an option.

    """
    check_options(options, "namespace", "logs", "log_group", "log_stream", "log_retention_days")
    uses = options.uses or ["publish"]
    return PolicyRequest(
        uses=USES if "all" in uses else tuple(use for use in USES if use in uses),
        namespace=options.namespace,
        logs=options.logs,
        log_group=options.log_group,
        log_stream=options.log_stream,
        record=options.record == "cloudwatch",
        group_exists=options.log_group_exists,
        retention=options.log_retention_days is not None,
        dashboard=dashboard_of(options),
        alarms=bool(options.stop_on_alarm),
        target_checks=any(check.scope == "target" for check in _core.parse_checks(options.check)),
        baseline=options.baseline is not None,
    )
