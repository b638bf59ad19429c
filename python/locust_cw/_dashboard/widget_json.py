"""Reading widgets that CloudWatch returned.

Anyone may have edited a dashboard, so nothing about the JSON is taken for granted.
"""

from __future__ import annotations

from typing import Any, TypeAlias

Json: TypeAlias = "dict[str, Any]"


def list_of(value: object) -> list[Any]:
    """The value, if it is a list; else an empty list."""
    return value if isinstance(value, list) else []


def title_of(widget: Json) -> str:
    """The title, which is the first line of a text widget."""
    properties = widget.get("properties")
    if not isinstance(properties, dict):
        return ""
    if widget.get("type") == "text":
        return str(properties.get("markdown") or "").partition("\n")[0]
    return str(properties.get("title") or "")
