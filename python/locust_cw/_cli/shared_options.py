"""Groups of options that several sub-commands have: the AWS account, and what a test publishes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._aws.account import OPTIONS
from locust_cw._cli.settings import FromTest, Repeatable, from_test
from locust_cw._dashboard.name import check_name, dashboard_name
from locust_cw._settings import table as _settings

if TYPE_CHECKING:
    import argparse


def add_account_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that select the account, with the sources that they have for a test."""
    group = _declare_account(parser, "the same configuration as the AWS CLI")
    group.set_defaults(**{name: from_test(name) for name in OPTIONS})


def _declare_account(parser: argparse.ArgumentParser, default: str) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("AWS account and credentials", f"By default, {default}.")
    group.add_argument("--region", metavar="REGION", help="AWS region")
    group.add_argument("--profile", metavar="NAME", help="profile of the AWS configuration files")
    group.add_argument("--role-arn", metavar="ARN", help="role to assume")
    group.add_argument("--external-id", metavar="ID", help="external ID to assume the role with")
    group.add_argument("--endpoint-url", metavar="URL", help="endpoint of CloudWatch, if it is not the AWS endpoint")
    return group


def add_recorded_account_options(parser: argparse.ArgumentParser) -> None:
    """Declare the same options for a sub-command on a run, whose record has all of them."""
    group = _declare_account(parser, "the destination of the run")
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
    group = parser.add_argument_group("options of the test", "They are the same as for Locust, without --cw-.")
    add, shown = group.add_argument, "default: %(default)s"
    add("--namespace", metavar="NAME", default=from_test("namespace"), help=shown)
    add("--logs", choices=_core.option_choices("logs"), default=from_test("logs"), help=shown)
    add("--log-group", metavar="NAME", default=from_test("log_group"), help=shown)
    add("--log-stream", metavar="PREFIX", default=from_test("log_stream"), help=shown)
    add("--record", choices=_settings.option_of("record").choices, default=FromTest("record", "cloudwatch"), help=shown)
    add(
        "--dashboard",
        metavar="NAME",
        nargs="?",
        const=_settings.DEFAULT,
        default=from_test("dashboard"),
        help="dashboard of the test; without NAME, it is named after the namespace",
    )
    add(
        "--stop-on-alarm",
        metavar="NAME",
        action=Repeatable,
        default=FromTest("stop_on_alarm", []),
        help="alarm that stops the test; repeatable",
    )
    add_check_option(group)
    add(
        "--baseline",
        metavar="RUN",
        default=FromTest("baseline"),
        help="run or baseline that the test is compared with at its end",
    )


def add_check_option(group: argparse._ActionsContainer) -> None:
    """Declare the option for the checks of a test."""
    group.add_argument(
        "--check",
        metavar="EXPRESSION",
        action=Repeatable,
        default=FromTest("check", []),
        help="condition that the test must meet; repeatable",
    )


def add_target_option(group: argparse._ActionsContainer) -> None:
    """Declare the option for the AWS resources under test."""
    group.add_argument(
        "--target",
        metavar="KIND:ID",
        action=Repeatable,
        default=FromTest("target", []),
        help="AWS resource under test; repeatable",
    )


def add_spool_option(parser: argparse.ArgumentParser) -> None:
    """Declare the option that selects the spool folder of a test."""
    parser.add_argument(
        "--spool-dir",
        metavar="FOLDER",
        default=from_test("spool_dir"),
        help="spool folder of the test (default: the user's state folder)",
    )


def dashboard_of(options: argparse.Namespace) -> str | None:
    """The name of the test's dashboard; None if it has none.

    Raises:
        InvalidOptionError: If CloudWatch does not accept the name.

    """
    name = dashboard_name(options.dashboard, options.namespace)
    return None if name is None else check_name(name)
