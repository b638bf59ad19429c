"""Reading widgets that CloudWatch returned: their titles, and which of them are locust-cw's.

Anyone may have edited a dashboard, so nothing about the JSON is taken for granted.
"""

from __future__ import annotations

from typing import Any, TypeAlias

Json: TypeAlias = "dict[str, Any]"

OURS = " (locust-cw)"
"""How the titles of locust-cw's widgets end. A widget whose title does not is the user's."""


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


def split_by_owner(widgets: object) -> tuple[list[Json], list[Json]]:
    """The widgets of locust-cw, and those of users.

    A second widget with a title of ours is a copy that a user made to change it, so it is the user's.
    """
    ours: dict[str, Json] = {}
    others: list[Json] = []
    for widget in (each for each in list_of(widgets) if isinstance(each, dict)):
        title = title_of(widget)
        if not title.endswith(OURS):
            others.append(widget)
        elif title in ours:
            others.append(_renamed(widget, title.removesuffix(OURS) + " (copy)"))
        else:
            ours[title] = widget
    return list(ours.values()), others


def _renamed(widget: Json, title: str) -> Json:
    properties = dict(widget["properties"])
    if widget.get("type") == "text":
        properties["markdown"] = "\n".join([title, *properties["markdown"].split("\n")[1:]])
    else:
        properties["title"] = title
    return {**widget, "properties": properties}
