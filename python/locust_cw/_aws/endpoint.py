"""The check that a test publishes to one CloudWatch: a local one has an endpoint of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from locust_cw._core import InvalidOptionError

if TYPE_CHECKING:
    from collections.abc import Mapping


def check_local(options: Mapping[str, Any]) -> None:
    """Check that no other endpoint is given with `local`.

    Args:
        options: Options of the core.

    Raises:
        InvalidOptionError: If another endpoint is given.

    """
    if options.get("local") and options.get("endpoint_url"):
        raise InvalidOptionError("local", "not together with --cw-endpoint-url")
