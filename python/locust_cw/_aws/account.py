"""The AWS account, for what is asked of it beside publishing: the operations of `src/aws/account.rs`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from locust_cw import _core

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OPTIONS = ("region", "profile", "role_arn", "external_id", "endpoint_url")
"""Those that say where and as whom."""

_POLL_S = 0.05


class Account:
    """The account that options name.

    Args:
        options: Those of the core; where and as whom is taken from them.
        sleep: Lets others run while a call is under way; without it, calls block the thread.
        recorded: The destination of an earlier run, which goes before the environment and the AWS configuration.
        account: The account that the credentials must belong to, if not the recorded one; `any` for none in particular.

    """

    def __init__(
        self,
        options: Mapping[str, Any],
        sleep: Callable[[float], object] | None = None,
        *,
        recorded: Mapping[str, Any] | None = None,
        account: str | None = None,
    ) -> None:
        """Nothing is looked up before the first call."""
        self._account = _core.Account(
            dict(options), recorded=None if recorded is None else dict(recorded), account=account
        )
        self._sleep = sleep

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 - each has its own
        """Call an operation of AWS's, such as `GetDashboard`, with its parameters in AWS's names.

        Returns:
            Its output in AWS's names; pages are put together, times are numbers since the epoch.

        Raises:
            AwsError: If AWS refused the call, or it did not reach it.

        """
        output: dict[str, Any] = self._wait_for(self._account.call(operation, parameters))
        return output

    def destination(self) -> dict[str, Any]:
        """Region, profile and endpoints, as the SDK resolves them.

        Raises:
            AwsError: If no region is configured.

        """
        destination: dict[str, Any] = self._wait_for(self._account.destination())
        return destination

    def region(self) -> str | None:
        """The region: that of the options, the environment, the AWS configuration or the instance; else None."""
        try:
            return str(self.destination()["region"])
        except _core.AwsError:
            return None

    def _wait_for(self, call: _core.Call) -> Any:  # noqa: ANN401 - each has its own
        while self._sleep is not None and not call.done:
            self._sleep(_POLL_S)
        return call.result()


def message_of(error: Exception) -> str:
    """What was amiss, with the names that the test's options have in the command."""
    text = str(error).replace("--cw-", "--")
    # AWS's own words may be spread over lines.
    return " ".join(text.split()) if isinstance(error, _core.AwsError) else text
