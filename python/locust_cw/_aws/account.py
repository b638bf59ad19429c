"""The AWS account, for everything but publishing. `src/aws/account/` has the operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from locust_cw import _core

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OPTIONS = ("region", "profile", "role_arn", "external_id", "endpoint_url")
"""The options that select the account, the credentials and the endpoint."""

_POLL_S = 0.05


@dataclass(frozen=True)
class Destination:
    """Where calls go, as the SDK resolves it from the options, the environment and the AWS configuration files.

    Attributes:
        region: The region.
        cloudwatch_url: The endpoint of CloudWatch.
        logs_url: The endpoint of CloudWatch Logs.
        is_custom_cloudwatch_url: Whether the endpoint of CloudWatch is not AWS's own.
        is_custom_logs_url: Whether the endpoint of CloudWatch Logs is not AWS's own.
        ca_bundle: The certificate authorities that the environment or the profile names: `path`, `named_by`, and
            whether the bundle `replaces` the authorities of the machine. None if neither names any.

    """

    region: str
    cloudwatch_url: str
    logs_url: str
    is_custom_cloudwatch_url: bool
    is_custom_logs_url: bool
    ca_bundle: dict[str, Any] | None


class Account:
    """The account that options select.

    Args:
        options: Options of the core; those of the account apply.
        sleep: Lets other greenlets run while a call is in progress. Without it, calls block the thread.
        recorded: The destination of an earlier run, which takes precedence over the environment and the AWS
            configuration.
        account: The account that the credentials must belong to, if not the recorded one; `any` for any account.

    """

    def __init__(
        self,
        options: Mapping[str, Any],
        sleep: Callable[[float], object] | None = None,
        *,
        recorded: Mapping[str, Any] | None = None,
        account: str | None = None,
    ) -> None:
        """Nothing is resolved before the first call."""
        self._account = _core.Account(
            dict(options), recorded=None if recorded is None else dict(recorded), account=account
        )
        self._sleep = sleep

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 - each operation has its own
        """Call an operation of AWS, such as `GetDashboard`, with its parameters in AWS's names.

        Returns:
            The output in AWS's names. Pages are combined, and times are numbers since the epoch.

        Raises:
            AwsError: If AWS refused the call, or the call did not reach AWS.

        """
        output: dict[str, Any] = self._wait_for(self._account.call(operation, parameters))
        return output

    def destination(self) -> Destination:
        """Where calls go. Only the region of an EC2 instance needs the network.

        Raises:
            AwsError: If no region is configured.

        """
        resolved: dict[str, Any] = self._wait_for(self._account.destination())
        return Destination(**{name: resolved[name] for name in Destination.__dataclass_fields__})

    def region(self) -> str | None:
        """The region; None if none is configured."""
        try:
            return self.destination().region
        except _core.AwsError:
            return None

    def _wait_for(self, call: _core.Call) -> Any:  # noqa: ANN401 - each operation has its own
        while self._sleep is not None and not call.done:
            self._sleep(_POLL_S)
        return call.result()


def with_command_options(text: str) -> str:
    """A message of a test for users of the command, whose options have the names of Locust's without `cw-`."""
    return text.replace("--cw-", "--")


def message_of(error: Exception) -> str:
    """The message of an error for users of the command."""
    text = with_command_options(str(error))
    # Messages of AWS can have several lines.
    return " ".join(text.split()) if isinstance(error, _core.AwsError) else text
