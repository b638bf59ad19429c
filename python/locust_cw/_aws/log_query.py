"""Reading log events with Logs Insights, and repeating calls of CloudWatch Logs that AWS throttles."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from locust_cw import _core

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust_cw._aws.account import Account

MAX_ROWS = 10_000
"""Most rows of a result."""

_THROTTLING_PAUSES_S = (1.0, 2.0, 4.0, 8.0)
_POLL_S = 1.0
_FIRST_POLL_S = 0.1
_TIMEOUT_S = 15 * 60


def patiently(
    account: Account,
    operation: str,
    *,
    sleep: Callable[[float], object] = time.sleep,
    **parameters: Any,  # noqa: ANN401 - each operation has its own
) -> dict[str, Any]:
    """Call an operation, and repeat the call while AWS throttles it.

    Raises:
        AwsError: If AWS refused the call, or the call did not reach AWS.

    """
    pauses = iter(_THROTTLING_PAUSES_S)
    while True:
        try:
            return account.call(operation, **parameters)
        except _core.AwsError as error:
            pause = next(pauses, None)
            if pause is None or error.kind != "throttled":
                raise
            sleep(pause)


def query(account: Account, log_group: str, text: str, span: tuple[int, int]) -> list[dict[str, str]]:
    """The rows of a query, each with its values by field.

    Args:
        account: The account.
        log_group: The log group.
        text: The query.
        span: The first and the last second, since the epoch.

    Raises:
        AwsError: If AWS refused a call, or the call did not reach AWS.
        TimeoutError: If Logs Insights takes too long.

    """
    start, end = span
    started = patiently(
        account, "StartQuery", logGroupName=log_group, queryString=text, startTime=start, endTime=end, limit=MAX_ROWS
    )
    deadline, pause = time.monotonic() + _TIMEOUT_S, _FIRST_POLL_S
    while True:
        answer = account.call("GetQueryResults", queryId=started["queryId"])
        if answer["status"] == "Complete":
            return [{each["field"]: each["value"] for each in row} for row in answer["results"]]
        if answer["status"] not in ("Scheduled", "Running") or time.monotonic() > deadline:
            raise TimeoutError(
                f"Logs Insights did not read the log events of {log_group}: the query is {answer['status']}. Run this"
                " command again"
            )
        time.sleep(pause)
        pause = _POLL_S
