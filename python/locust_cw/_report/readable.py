"""Names of requests as Locust has them: the values of dimensions in CloudWatch are escaped."""

from __future__ import annotations

from urllib.parse import unquote

from locust_cw import _core


def readable(value: str) -> str:
    """The name that has this value in CloudWatch. A value that is no escaped name is returned as it is."""
    name = unquote(value)
    return name if name != value and _core.dimension_value(name) == value else value
