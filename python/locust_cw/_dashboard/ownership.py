"""Which widgets are locust-cw's: each has a mark, made from its title, where the console does not show it.

A widget whose title a user has changed has a mark that does not fit any more, and is the user's from then on.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from locust_cw._dashboard.widget_json import Json, list_of, title_of

_PREFIX = "locustcw_"
# A link without a text, which Markdown renders as nothing.
_TEXT_MARK = re.compile(rf" ?\[\]\(#({_PREFIX}[0-9a-f]+)\)")


def claim(widget: Json) -> None:
    """Mark a widget as locust-cw's, unless it has its mark from an earlier run."""
    mark = _mark_of(title_of(widget))
    if mark in _marks_on(widget):
        return
    properties = widget["properties"]
    if widget["type"] == "text":
        first, newline, rest = properties["markdown"].partition("\n")
        properties["markdown"] = f"{first} [](#{mark}){newline}{rest}"
    elif widget["type"] == "log":
        properties["query"] += f"\n# {mark}"
    else:
        # No expression refers to the last line of a graph, so its ID is free.
        *lines, (*metric, options) = properties["metrics"]
        properties["metrics"] = [*lines, [*metric, {**options, "id": mark}]]


def split_by_owner(widgets: object) -> tuple[list[Json], list[Json]]:
    """The widgets of locust-cw, and those of users.

    A second widget with a title of ours is a copy that a user made to change it, so it is the user's.
    """
    ours: dict[str, Json] = {}
    others: list[Json] = []
    for widget in (each for each in list_of(widgets) if isinstance(each, dict)):
        title = shown_title(widget)
        if not _is_ours(widget, title):
            others.append(widget)
        elif title in ours:
            others.append(_renamed(widget, f"{title} (copy)"))
        else:
            ours[title] = widget
    return list(ours.values()), others


def shown_title(widget: Json) -> str:
    """The title as the console shows it."""
    return _TEXT_MARK.sub("", title_of(widget)) if widget.get("type") == "text" else title_of(widget)


def _mark_of(title: str) -> str:
    return _PREFIX + hashlib.sha256(title.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _is_ours(widget: Json, title: str) -> bool:
    return _mark_of(title) in _marks_on(widget)


def _marks_on(widget: Json) -> list[Any]:
    properties = widget.get("properties")
    if not isinstance(properties, dict):
        return []
    if widget.get("type") == "text":
        return _TEXT_MARK.findall(title_of(widget))
    if widget.get("type") == "log":
        return [line.removeprefix("# ") for line in str(properties.get("query")).splitlines()]
    lines = (list_of(line) for line in list_of(properties.get("metrics")))
    return [line[-1].get("id") for line in lines if line and isinstance(line[-1], dict)]


def _renamed(widget: Json, title: str) -> Json:
    properties = dict(widget["properties"])
    if widget.get("type") == "text":
        properties["markdown"] = "\n".join([title, *properties["markdown"].split("\n")[1:]])
    else:
        properties["title"] = title
    return {**widget, "properties": properties}
