"""The accounts that a report reads from: one for each region."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeAlias

from locust_cw._aws.account import Account

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from locust_cw._aws.metric_data import Call

AccountOf: TypeAlias = "Callable[[str | None], Call]"
"""From a region, or None for the region of the run, to the method `call` of the account there."""


def account_of(
    options: Mapping[str, Any], *, recorded: Mapping[str, Any] | None = None, account: str | None = None
) -> AccountOf:
    """The accounts that options select.

    Args:
        options: Options of an `Account`.
        recorded: The destination in the record of the run.
        account: The account that the credentials must belong to, if not the recorded one.

    """
    known: dict[str | None, Account] = {}

    def call_in(region: str | None) -> Call:
        if region not in known:
            here = dict(options) | ({} if region is None else {"region": region})
            # With `sleep`, Ctrl-C interrupts a call.
            known[region] = Account(here, time.sleep, recorded=recorded, account=account)
        return known[region].call

    return call_in
