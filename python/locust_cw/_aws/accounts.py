"""The accounts that metrics are read from: one for each region."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from locust_cw._aws.account import Account

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from locust_cw._aws.metric_data import AccountOf, Call


def account_of(
    options: Mapping[str, Any],
    sleep: Callable[[float], object] = time.sleep,
    *,
    recorded: Mapping[str, Any] | None = None,
    account: str | None = None,
) -> AccountOf:
    """The accounts that options select.

    Args:
        options: Options of an `Account`.
        sleep: Waits while a call is in progress. With `time.sleep`, Ctrl-C interrupts a call.
        recorded: The destination in the record of the run.
        account: The account that the credentials must belong to, if not the recorded one.

    """
    known: dict[str | None, Account] = {}

    def call_in(region: str | None) -> Call:
        if region not in known:
            here = dict(options) | ({} if region is None else {"region": region})
            known[region] = Account(here, sleep, recorded=recorded, account=account)
        return known[region].call

    return call_in
