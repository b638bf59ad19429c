"""Parts of charts as SVG.

Colors are classes of the page's style sheet, so that a chart suits light and dark pages.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Frame:
    """The size of a chart and of its margins."""

    width: int
    height: int
    left: int = 58
    right: int = 14
    top: int = 8
    bottom: int = 8

    @property
    def plot(self) -> tuple[int, int, int, int]:
        """Left, top, width and height of the area of the lines."""
        return self.left, self.top, self.width - self.left - self.right, self.height - self.top - self.bottom


@dataclass(frozen=True)
class LegendEntry:
    """A line in the legend: the class of its color, and its name."""

    color: str
    label: str


@dataclass(frozen=True)
class Drawing:
    """A chart on the page.

    Attributes:
        title: Its heading.
        unit: The unit of its values; empty if they have none.
        legend: Its lines.
        svg: The chart as an `svg` element.

    """

    title: str
    unit: str
    legend: tuple[LegendEntry, ...]
    svg: str


def element(frame: Frame, parts: Iterable[str], label: str, data: dict[str, Any] | None = None) -> str:
    """A chart. The page's script reads `data`."""
    attributes = "" if data is None else f' tabindex="0" data-chart="{escape(json.dumps(data, separators=(",", ":")))}"'
    return (
        f'<svg viewBox="0 0 {frame.width} {frame.height}" role="img" aria-label="{escape(label)}"{attributes}>'
        f"{''.join(parts)}</svg>"
    )


def text(x: float, y: float, content: str, kind: str = "", anchor: str = "start") -> str:
    """A text."""
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(content)}</text>'


def line(kind: str, start: tuple[float, float], end: tuple[float, float]) -> str:
    """A straight line."""
    return f'<line class="{kind}" x1="{start[0]}" x2="{end[0]}" y1="{start[1]}" y2="{end[1]}"/>'


def dot(color: str, center: tuple[float, float], radius: float, title: str = "") -> str:
    """A dot, with a text that browsers show at the pointer."""
    shown = f"<title>{escape(title)}</title>" if title else ""
    return f'<circle class="{color}" cx="{center[0]}" cy="{center[1]}" r="{radius:g}">{shown}</circle>'


def path(color: str, points: Iterable[tuple[float, float]], title: str = "") -> str:
    """A line through points."""
    places = " ".join(f"{x},{y}" for x, y in points)
    shown = f"<title>{escape(title)}</title>" if title else ""
    return f'<polyline class="line {color}" points="{places}">{shown}</polyline>'


def axis_number(value: float) -> str:
    """A number at an axis."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,g}"
