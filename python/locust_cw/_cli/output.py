"""What the commands do alike: check what they are given, ask the account, tell people and machines what came of it."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import textwrap
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from locust_cw import _core
from locust_cw._aws.account import Account

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

_WIDTH = 100
_CONNECT_TIMEOUT_S = 1.0


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


def account_at(
    where: Mapping[str, Any], *, recorded: Mapping[str, Any] | None = None, account: str | None = None
) -> Account:
    """The account, with calls that Ctrl-C breaks off: Python hears of no signal while the core waits for an answer."""
    return Account(where, time.sleep, recorded=recorded, account=account)


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


def complain(message: str) -> None:
    """Tell on the standard error output, if it takes it, that something could not be done."""
    with contextlib.suppress(AttributeError, OSError):
        sys.stderr.write(f"locust-cw: error: {message}\n")


def print_json(value: object) -> None:
    """Print a value for a machine."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
