"""The chart of a panel on the time axis, as SVG. The page's script shows the values at the pointer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from locust_cw._report import svg
from locust_cw._report.scales import UNITS, elapsed, number, quantity, ticks, time_ticks
from locust_cw._report.svg import Drawing, Frame, LegendEntry
from locust_cw._report.time_axis import free_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from locust_cw._report.findings import Line, Panel
    from locust_cw._report.series import Series
    from locust_cw._report.time_axis import TimeAxis

_COLORS = 6
_FEW_POINTS = 60
_TALL_PANELS = frozenset(("Requests", "Response time"))
_TALL, _LOW, _SMALL = 172, 84, 96
_WIDTH, _SMALL_WIDTH = 1160, 560
_NAME_HEIGHT, _TIMES_HEIGHT = 13, 24
# Mean width of a character of a label.
_CHARACTER = 6.2
_SIGNIFICANT = 5


@dataclass(frozen=True)
class Layout:
    """The surroundings of a panel.

    Attributes:
        with_times: Whether the time axis has labels.
        with_names: Whether the moments have their names.
        is_small: Whether two charts are next to each other.

    """

    with_times: bool = False
    with_names: bool = False
    is_small: bool = False


def draw_panel(panel: Panel, axis: TimeAxis, layout: Layout, baseline: Mapping[str, Series] | None = None) -> Drawing:
    """Draw a panel.

    Args:
        panel: The panel.
        axis: The time axis.
        layout: Its surroundings.
        baseline: Lines of another run, by the label of the line; their times are seconds since the start of that run.

    """
    height = _SMALL if layout.is_small else _TALL if panel.title in _TALL_PANELS else _LOW
    width = _SMALL_WIDTH if layout.is_small else _WIDTH
    rows = _rows_of_names(axis, Frame(width, height).plot[2]) if layout.with_names else {}
    top = 8 + _NAME_HEIGHT * (1 + max(rows.values(), default=-1))
    bottom = _TIMES_HEIGHT if layout.with_times else 6
    frame = Frame(width, height + top + bottom, top=top, bottom=bottom)
    unit = UNITS.get(panel.unit, panel.unit)
    others = {label: series for label, series in (baseline or {}).items() if series}
    values = [value for line in panel.lines for value in line.series.values]
    values += [value for series in others.values() for value in series.values]
    values += [panel.limit[0]] if panel.limit is not None else []
    levels = ticks(max(values, default=0.0) * 1.03, 4 if height == _TALL else 2)
    scale = _Scale(frame, axis, levels[-1])
    parts = [*_grid(scale, levels, unit), *_moments(scale, rows)]
    if panel.limit is not None:
        parts += _limit(scale, *panel.limit)
    parts += [_path(scale, _points(series, 0.0), "base", f"{label}, baseline") for label, series in others.items()]
    for index, line in enumerate(panel.lines):
        parts += _line(scale, _points(line.series, axis.started), color_of(line, index), line.label)
    if layout.with_times:
        parts += _times(scale)
    parts.append(svg.line("cursor", (scale.left, scale.top), (scale.left, scale.bottom)))
    lines = [_points(line.series, axis.started) for line in panel.lines]
    lines += [_points(series, 0.0) for series in others.values()]
    data = {
        "started": axis.started,
        "from": axis.first,
        "to": axis.last,
        "left": scale.left,
        "width": scale.width,
        "unit": unit,
        "lines": [_for_script(points) for points in lines],
    }
    legend = [LegendEntry(color_of(line, index), line.label) for index, line in enumerate(panel.lines)]
    legend += [LegendEntry("base", f"{label}, baseline") for label in others]
    drawn = svg.element(frame, parts, f"{panel.title}: {_in_words(panel, unit)}", data)
    return Drawing(panel.title, unit, tuple(legend), drawn)


def color_of(line: Line, index: int) -> str:
    """The class of a line's color."""
    return "bad" if line.label == "failures" else f"c{index % _COLORS}"


class _Scale:
    """From seconds and values to positions."""

    def __init__(self, frame: Frame, axis: TimeAxis, highest: float) -> None:
        self.axis, self.highest = axis, highest
        self.left, self.top, self.width, self.height = frame.plot
        self.right, self.bottom = self.left + self.width, self.top + self.height

    def x(self, seconds: float) -> float:
        share = (seconds - self.axis.first) / (self.axis.last - self.axis.first)
        return round(self.left + self.width * min(max(share, 0.0), 1.0), 1)

    def y(self, value: float) -> float:
        return round(self.bottom - self.height * min(max(value / self.highest, 0.0), 1.0), 1)


def _in_words(panel: Panel, unit: str) -> str:
    """The chart for readers who do not see it."""
    ranges = (
        f"{line.label} {number(min(line.series.values), unit)} to {quantity(max(line.series.values), unit)}"
        for line in panel.lines
    )
    return ", ".join(ranges)


def _grid(scale: _Scale, levels: Sequence[float], unit: str) -> list[str]:
    parts = []
    for level in levels:
        y = scale.y(level)
        parts.append(svg.line("grid", (scale.left, y), (scale.right, y)))
        shown = quantity(level, unit) if unit.startswith("B") else svg.axis_number(level)
        parts.append(svg.text(scale.left - 7, y + 3.5, shown, anchor="end"))
    return parts


def _times(scale: _Scale) -> list[str]:
    parts = []
    for second in time_ticks(scale.axis.last):
        x = scale.x(second)
        parts.append(svg.line("tick", (x, scale.bottom), (x, scale.bottom + 4)))
        parts.append(svg.text(x, scale.bottom + 17, elapsed(second), anchor="middle"))
    return parts


def _rows_of_names(axis: TimeAxis, width: float) -> dict[int, int]:
    """The row of the name of each moment, by its number, so that names do not overlap. Users' marks come last."""
    taken: list[list[tuple[float, float]]] = []
    rows = {}
    for index, moment in sorted(enumerate(axis.moments), key=lambda pair: pair[1].kind == "mark"):
        begin = (moment.at - axis.first) * width / (axis.last - axis.first)
        length = len(moment.name) * _CHARACTER + 10
        if begin + length > width:
            begin -= length
        row = free_row(taken, (begin, begin + length))
        if row is not None:
            rows[index] = row
    return rows


def _moments(scale: _Scale, rows: Mapping[int, int]) -> list[str]:
    axis = scale.axis
    parts = []
    if axis.saturated is not None:
        x = scale.x(axis.saturated)
        width = max(0.0, round(scale.x(axis.stopped) - x, 1))
        parts.append(f'<rect class="saturated" x="{x}" y="{scale.top}" width="{width}" height="{scale.height}"/>')
    for index, moment in enumerate(axis.moments):
        x, kind = scale.x(moment.at), " saturation" if moment.kind == "saturation" else ""
        row = rows.get(index)
        top = scale.top if row is None else scale.top - _NAME_HEIGHT * row - 4
        parts.append(svg.line(f"moment{kind}", (x, top), (x, scale.bottom)))
        if row is not None:
            before = x + len(moment.name) * _CHARACTER + 10 > scale.right
            anchor = "end" if before else "start"
            parts.append(svg.text(x - 4 if before else x + 4, top, moment.name, f"name{kind}", anchor))
    return parts


def _limit(scale: _Scale, value: float, meaning: str) -> list[str]:
    y = scale.y(value)
    return [
        svg.line("limit", (scale.left, y), (scale.right, y)),
        svg.text(scale.left + 6, y + 11, f"{value:g}: {meaning}"),
    ]


def _points(series: Series, started: float) -> list[tuple[float, float]]:
    """Seconds since the start, and values. A value describes its whole period, so it is drawn in the middle."""
    middles = (begin + series.period / 2 - started for begin in series.times)
    return [(at, value) for at, value in zip(middles, series.values, strict=True) if math.isfinite(value)]


def _line(scale: _Scale, points: Sequence[tuple[float, float]], color: str, label: str) -> list[str]:
    parts = [_path(scale, points, color, label)]
    if len(points) <= _FEW_POINTS:
        parts += [svg.dot(color, (scale.x(at), scale.y(value)), 2) for at, value in points]
    return parts


def _path(scale: _Scale, points: Sequence[tuple[float, float]], color: str, label: str) -> str:
    return svg.path(color, [(scale.x(at), scale.y(value)) for at, value in points], label)


def _for_script(points: Sequence[tuple[float, float]]) -> list[list[float]]:
    return [[round(at, 2) for at, _ in points], [float(f"{value:.{_SIGNIFICANT}g}") for _, value in points]]
