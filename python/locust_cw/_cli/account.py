"""The AWS account that a sub-command calls, and whether a local CloudWatch still runs."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from locust_cw._aws.account import Account

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONNECT_TIMEOUT_S = 1.0


def interruptible_account(
    options: Mapping[str, Any], *, recorded: Mapping[str, Any] | None = None, account: str | None = None
) -> Account:
    """An account whose calls Ctrl-C interrupts: Python handles no signal while the core waits for a response."""
    return Account(options, time.sleep, recorded=recorded, account=account)


def is_unreachable(local_url: str | None) -> bool:
    """Whether a local CloudWatch does not run any more, as it ends with its test; False without one."""
    if local_url is None:
        return False
    where = urlsplit(local_url)
    try:
        with socket.create_connection((where.hostname or "", where.port or 80), timeout=_CONNECT_TIMEOUT_S):
            return False
    except OSError:
        return True
