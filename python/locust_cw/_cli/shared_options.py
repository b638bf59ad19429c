"""Groups of options that several commands have: where and as whom, and what a test publishes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._aws.account import OPTIONS
from locust_cw._dashboard import body as _dashboard
from locust_cw._settings import table as _options

if TYPE_CHECKING:
    import argparse


def add_account_options(
    parser: argparse.ArgumentParser, otherwise: str = "as the AWS CLI finds it"
) -> argparse._ArgumentGroup:
    """Declare the options that say where and as whom; without one of them it is `otherwise`."""
    group = parser.add_argument_group("where and as whom", f"What is not given is {otherwise}.")
    group.add_argument("--region", metavar="REGION", help="AWS region")
    group.add_argument("--profile", metavar="NAME", help="profile of the AWS configuration files")
    group.add_argument("--role-arn", metavar="ARN", help="role to assume")
    group.add_argument("--external-id", metavar="ID", help="external id to assume the role with")
    group.add_argument("--endpoint-url", metavar="URL", help="where CloudWatch is, if not at AWS")
    return group


def add_recorded_account_options(parser: argparse.ArgumentParser) -> None:
    """The same for a command on a run, whose record tells where it published."""
    group = add_account_options(parser, otherwise="where the run published")
    group.add_argument(
        "--account",
        metavar="ID",
        help="account that the credentials must belong to, or 'any'; else the one that the run published to",
    )


def account_options(options: argparse.Namespace) -> dict[str, Any]:
    """Those that were given, by the names that the core has for them."""
    return {name: getattr(options, name) for name in OPTIONS if getattr(options, name) is not None}


def add_publish_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of a test that decide what it may have to do in the account, by the test's own names."""
    default = _core.default_options()
    group = parser.add_argument_group("what the test publishes", "The test's options, without --cw- before them.")
    group.add_argument("--namespace", metavar="NAME", default=default["namespace"], help="default: %(default)s")
    group.add_argument(
        "--logs", choices=_options.choices_of("logs"), default=default["logs"], help="default: %(default)s"
    )
    group.add_argument("--log-group", metavar="NAME", default=default["log_group"], help="default: %(default)s")
    group.add_argument("--log-stream", metavar="PREFIX", default=default["log_stream"], help="default: %(default)s")
    group.add_argument(
        "--dashboard",
        metavar="NAME",
        nargs="?",
        const=_options.DEFAULT,
        help="the dashboard that the test puts; without NAME: named by namespace",
    )
    group.add_argument(
        "--stop-on-alarm", metavar="NAME", action="append", default=[], help="an alarm that stops the test; repeatable"
    )


def dashboard_of(options: argparse.Namespace) -> str | None:
    """The dashboard that the test puts, named as the test names it.

    Raises:
        InvalidOptionError: If no dashboard can have the name.

    """
    name = _options.dashboard_name(options.dashboard, options.namespace)
    return None if name is None else _dashboard.check_name(name)
