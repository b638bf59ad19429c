"""Annotations on graphs: the marks of runs, the limits of checks, and what users added to a graph."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from locust_cw import _core
from locust_cw._dashboard.check_lines import is_check_line
from locust_cw._dashboard.ownership import shown_title
from locust_cw._dashboard.widget_json import Json, list_of

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_RUNS = 20
"""Most runs with marks. The marks of older runs are removed."""
MAX_REASON_CHARS = 256
"""Longest reason of a mark, and longest text of a user's mark."""

MAX_USER_MARKS = 20
"""Most marks of users for each run, the newest."""

Event: TypeAlias = Literal["start", "ramped up", "mark", "stop"]
_EVENTS: tuple[Event, ...] = ("start", "ramped up", "mark", "stop")
_MARK = re.compile(
    rf"run (?P<run_id>[A-Za-z0-9._-]{{1,{_core.MAX_RUN_ID_CHARS}}})"
    rf" (?P<event>{'|'.join(_EVENTS)})(?:: (?P<reason>.*))?",
    re.DOTALL,
)


@dataclass(frozen=True)
class Mark:
    """A moment of a run, drawn as a vertical line.

    Attributes:
        run_id: The run.
        event: What happened.
        time: Seconds since the epoch.
        reason: Why it happened, such as the alarm that stopped the test; None if no reason is known. Of a user's mark,
            its text.

    """

    run_id: str
    event: Event
    time: float
    reason: str | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """Of two marks with one key, the newer one counts: a run has each event once, apart from users' marks."""
        return self.run_id, self.event, *(self.annotation().values() if self.event == "mark" else ())

    def annotation(self) -> Json:
        """The mark as a vertical annotation of a widget."""
        reason = f": {' '.join(self.reason.split())[:MAX_REASON_CHARS]}" if self.reason else ""
        when = datetime.fromtimestamp(self.time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"label": f"run {self.run_id} {self.event}{reason}", "value": when}

    @classmethod
    def read(cls, annotation: object) -> Mark | None:
        """The mark that an annotation is; None if a user added the annotation."""
        if not isinstance(annotation, dict):
            return None
        match = _MARK.fullmatch(str(annotation.get("label")))
        try:
            when = datetime.fromisoformat(str(annotation.get("value"))).timestamp()
            datetime.fromtimestamp(when, UTC)  # fails at the very ends of the calendar
        except (OverflowError, ValueError):
            return None
        if match is None:
            return None
        event = next(event for event in _EVENTS if event == match["event"])
        return cls(match["run_id"], event, when, match["reason"])


class Annotations:
    """The annotations of all graphs over time: the marks of runs, and per title what users added.

    Attributes:
        runs: The marks of the newest runs, by run, the newest run last.

    """

    def __init__(self, marks: Iterable[Mark], ours: Iterable[Json]) -> None:
        """Combine new marks with those on our existing widgets. Of two marks of the same event the new one counts.

        Users' marks replace all those of the same run.
        """
        ours, marks = list(ours), list(marks)
        marked = {mark.run_id for mark in marks if mark.event == "mark"}
        earlier = [mark for mark in _marks_on(ours) if mark.event != "mark" or mark.run_id not in marked]
        self.runs = _newest_runs([*earlier, *marks])
        self._by_title: dict[str, Json] = {}
        for widget in ours:
            annotations = widget["properties"].get("annotations")
            if isinstance(annotations, dict):
                self._by_title.setdefault(shown_title(widget), annotations)

    def add_to(self, widget: Json) -> None:
        """Annotate a widget, if it is a graph over time."""
        properties = widget["properties"]
        if properties.get("view") != "timeSeries":
            return
        added = self._by_title.get(shown_title(widget), {})
        vertical = [mark.annotation() for run in self.runs for mark in run]
        vertical += [each for each in list_of(added.get("vertical")) if Mark.read(each) is None]
        horizontal = list(properties.pop("annotations", {}).get("horizontal", ()))
        kept = (each for each in list_of(added.get("horizontal")) if not is_check_line(each))
        horizontal += [each for each in kept if each not in horizontal]
        annotations = {"horizontal": horizontal, "vertical": vertical}
        if any(annotations.values()):
            properties["annotations"] = {name: each for name, each in annotations.items() if each}


def _newest_runs(marks: Iterable[Mark]) -> list[list[Mark]]:
    runs: dict[str, dict[tuple[str, ...], Mark]] = {}
    for mark in marks:
        runs.setdefault(mark.run_id, {})[mark.key] = mark
    by_age = sorted(runs.values(), key=lambda run: min(mark.time for mark in run.values()))
    return [sorted(run.values(), key=_order) for run in by_age[-MAX_RUNS:]]


def _order(mark: Mark) -> tuple[int, float]:
    return _EVENTS.index(mark.event), mark.time


def _marks_on(widgets: Iterable[Json]) -> list[Mark]:
    found: dict[tuple[str, ...], Mark] = {}
    for widget in widgets:
        annotations = widget["properties"].get("annotations")
        for annotation in list_of(annotations.get("vertical")) if isinstance(annotations, dict) else ():
            if mark := Mark.read(annotation):
                found[mark.key] = mark
    return list(found.values())
