"""Groups of options that several sub-commands have: the AWS account, and what a test publishes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._aws.account import OPTIONS
from locust_cw._dashboard.name import check_name
from locust_cw._settings import table as _settings

if TYPE_CHECKING:
    import argparse


def add_account_options(
    parser: argparse.ArgumentParser, default: str = "the same configuration as the AWS CLI"
) -> argparse._ArgumentGroup:
    """Declare the options that select the account.

    Args:
        parser: The parser of the sub-command.
        default: What applies without them.

    """
    group = parser.add_argument_group("AWS account and credentials", f"By default, {default}.")
    group.add_argument("--region", metavar="REGION", help="AWS region")
    group.add_argument("--profile", metavar="NAME", help="profile of the AWS configuration files")
    group.add_argument("--role-arn", metavar="ARN", help="role to assume")
    group.add_argument("--external-id", metavar="ID", help="external ID to assume the role with")
    group.add_argument("--endpoint-url", metavar="URL", help="endpoint of CloudWatch, if it is not the AWS endpoint")
    return group


def add_recorded_account_options(parser: argparse.ArgumentParser) -> None:
    """Declare the same options for a sub-command on a run, whose record contains its destination."""
    group = add_account_options(parser, default="the destination of the run")
    group.add_argument(
        "--account",
        metavar="ID",
        help="account that the credentials must belong to, or 'any' (default: the account of the run)",
    )


def account_options(options: argparse.Namespace) -> dict[str, Any]:
    """The account options that were given, by their names in the core."""
    return given_options(options, *OPTIONS)


def given_options(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Those of the named options that have a value."""
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def check_options(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Check options that the core has under the same names.

    Returns:
        The options that were given.

    Raises:
        InvalidOptionError: If one of them is invalid.

    """
    given = given_options(options, *names)
    _core.check_options(given)
    return given


def add_publish_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of a test that decide which permissions it needs, with the names that they have there."""
    default = _core.default_options()
    group = parser.add_argument_group("options of the test", "They are the same as for Locust, without --cw-.")
    group.add_argument("--namespace", metavar="NAME", default=default["namespace"], help="default: %(default)s")
    group.add_argument(
        "--logs", choices=_core.option_choices("logs"), default=default["logs"], help="default: %(default)s"
    )
    group.add_argument("--log-group", metavar="NAME", default=default["log_group"], help="default: %(default)s")
    group.add_argument("--log-stream", metavar="PREFIX", default=default["log_stream"], help="default: %(default)s")
    group.add_argument(
        "--dashboard",
        metavar="NAME",
        nargs="?",
        const=_settings.DEFAULT,
        help="dashboard of the test; without NAME, it is named after the namespace",
    )
    group.add_argument(
        "--stop-on-alarm", metavar="NAME", action="append", default=[], help="alarm that stops the test; repeatable"
    )


def dashboard_of(options: argparse.Namespace) -> str | None:
    """The name of the test's dashboard; None if it has none.

    Raises:
        InvalidOptionError: If CloudWatch does not accept the name.

    """
    name = _settings.dashboard_name(options.dashboard, options.namespace)
    return None if name is None else check_name(name)
