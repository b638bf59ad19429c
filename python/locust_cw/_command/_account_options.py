"""What the commands have in common: options that say where, as whom and what, and how AWS's errors read."""

from __future__ import annotations

import json
import socket
import sys
import textwrap
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from locust_cw import _core, _dashboard, _options
from locust_cw._account import OPTIONS

if TYPE_CHECKING:
    import argparse

_WIDTH = 100
_CONNECT_TIMEOUT_S = 1.0


def add_account_options(parser: argparse.ArgumentParser, otherwise: str = "as the AWS CLI finds it") -> None:
    """Declare the options that say where and as whom; without one of them it is `otherwise`."""
    group = parser.add_argument_group("where and as whom", f"What is not given is {otherwise}.")
    group.add_argument("--region", metavar="REGION", help="AWS region")
    group.add_argument("--profile", metavar="NAME", help="profile of the AWS configuration files")
    group.add_argument("--role-arn", metavar="ARN", help="role to assume")
    group.add_argument("--external-id", metavar="ID", help="external id to assume the role with")
    group.add_argument("--endpoint-url", metavar="URL", help="where CloudWatch is, if not at AWS")


def account_options(options: argparse.Namespace) -> dict[str, Any]:
    """Those that were given, by the names that the core has for them."""
    return {name: getattr(options, name) for name in OPTIONS if getattr(options, name) is not None}


def is_gone(local_url: str | None) -> bool:
    """Whether a local CloudWatch, if there was one, is not there any more: it ends with its test."""
    if local_url is None:
        return False
    where = urlsplit(local_url)
    try:
        with socket.create_connection((where.hostname or "", where.port or 80), timeout=_CONNECT_TIMEOUT_S):
            return False
    except OSError:
        return True


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


def wrapped(text: str) -> str:
    """A description beside an epilog whose lines are to stay as they are: argparse wraps both or none."""
    return textwrap.fill(text, _WIDTH)


def check(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Check options that the core knows.

    Returns:
        Those that were given.

    Raises:
        InvalidOptionError: The first one that cannot be used.

    """
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    _core.check_options(given)
    return given


def complain(message: str) -> None:
    """Tell on the standard error output that something could not be done."""
    sys.stderr.write(f"locust-cw: error: {message}\n")


def print_json(value: object) -> None:
    """Print a value for a machine."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def partition_of(region: str | None) -> str:
    """The partition of AWS that a region belongs to, as it stands in ARNs."""
    region = region or ""
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"
