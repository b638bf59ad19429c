"""The charts as PNGs, for documents other than the page. The only module that imports matplotlib."""

from __future__ import annotations

import importlib.util
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from locust_cw._report.baseline import lines_of
from locust_cw._report.scales import elapsed
from locust_cw._report.time_axis import free_row, marks_of_users

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from locust_cw._report.findings import Findings, Group, Latency, Line, Panel
    from locust_cw._report.saturation import Saturation, State
    from locust_cw._report.series import Series

WIDTH_IN = 12.0
DPI = 150
# The chart over time, in inches: heights of panels, gaps between panels and groups, and margins above and below.
_PANEL_IN, _TALL_PANEL_IN = 1.1, 2.0
_PANEL_GAP_IN, _GROUP_GAP_IN, _HEAD_IN, _FOOT_IN = 0.36, 0.3, 1.12, 0.4
# Its margins and the edges of the axes, as shares of the width.
_EDGE, _LEFT, _RIGHT = 0.012, 0.075, 0.835
# Width of a character in the name of a moment, as a share of the axis.
_NAME_CHARACTER = 0.0085

# The palette of Okabe and Ito, which color-blind readers can distinguish. In print, line styles distinguish lines.
_BLUE, _RED, _GREEN, _ORANGE, _SKY, _PURPLE = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7"
_COLORS = (_BLUE, _ORANGE, _GREEN, _PURPLE, _SKY, "#000000")
_STYLES = ("-", "--", "-.", ":")
_INK, _GREY, _FAINT = "#222222", "#666666", "#DDDDDD"
_SATURATED = "#B22222"

_FEW_POINTS = 60
_HOUR = 3600
# CloudWatch's units as readers know them, and the unit for which an axis uses prefixes such as k and M.
_UNITS = {
    "Milliseconds": ("ms", None),
    "Microseconds": ("µs", None),
    "Seconds": ("s", None),
    "Percent": ("%", None),
    "Bytes": ("bytes", "B"),
    "Bytes/s": ("bytes/s", "B/s"),
    "Count": ("", None),
}
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "font.family": "DejaVu Sans",  # comes with matplotlib, so charts look the same everywhere
    "text.color": _INK,
    "text.parse_math": False,  # a name with $ is not a formula
    "axes.edgecolor": "#AAAAAA",
    "axes.labelcolor": _GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": _GREY,
    "ytick.color": _GREY,
    "grid.color": _FAINT,
    "grid.linewidth": 0.6,
}


@dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes:
        name: The name of its file, without extension.
        png: The chart as a PNG.

    """

    name: str
    png: bytes


def is_possible() -> bool:
    """Whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def draw(findings: Findings, baseline: Findings | None = None) -> list[Chart]:
    """All charts of a report, with the lines of another run in gray."""
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        charts = []
        if any(group.panels for group in findings.groups):
            charts.append(_chart("load-and-target", _over_time(findings, baseline)))
        if findings.saturation.levels:
            charts.append(_chart("saturation", _by_load(findings.saturation, findings.latency_is)))
    return charts


def _chart(name: str, figure: Figure) -> Chart:
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=DPI)
    return Chart(name, png.getvalue())


# On one time axis.


def _over_time(findings: Findings, baseline: Findings | None) -> Figure:
    from matplotlib.figure import Figure

    panels = [(group, panel) for group in findings.groups for panel in group.panels]
    heights = [_height(panel) for _, panel in panels]
    total = sum(heights) + _PANEL_GAP_IN * len(panels) + _GROUP_GAP_IN * len(findings.groups) + _HEAD_IN + _FOOT_IN
    figure = Figure(figsize=(WIDTH_IN, total), facecolor="white")
    figure.text(_EDGE, 1 - 0.26 / total, f"Run {findings.record.run_id}", fontsize=13, fontweight="bold", va="center")
    figure.text(
        _EDGE, 1 - 0.53 / total, _short(findings.verdict, 150), fontsize=10, color=_accent(findings), va="center"
    )
    top = total - _HEAD_IN
    axes: list[Axes] = []
    previous: Group | None = None
    for (group, panel), height in zip(panels, heights, strict=True):
        if group is not previous:
            top -= _GROUP_GAP_IN
            # The first heading is next to the names of the moments.
            y = (top + (0.32 if previous is None else 0.26)) / total
            figure.text(_EDGE, y, _short(group.title, 110), fontsize=10.5, fontweight="bold", va="bottom")
            previous = group
        box = (_LEFT, (top - height) / total, _RIGHT - _LEFT, height / total)
        axis = figure.add_axes(box, sharex=axes[0] if axes else None)
        _draw_panel(axis, panel, findings, lines_of(baseline, group, panel))
        axes.append(axis)
        top -= height + _PANEL_GAP_IN
    for axis in axes[:-1]:
        axis.tick_params(labelbottom=False)
    _time_axis(axes[-1], findings)
    _mark(axes, findings)
    return figure


def _height(panel: Panel) -> float:
    return _TALL_PANEL_IN if panel.title in {"Requests", "Response time"} else _PANEL_IN


def _draw_panel(axis: Axes, panel: Panel, findings: Findings, baseline: Mapping[str, Series]) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator, StrMethodFormatter

    for index, line in enumerate(panel.lines):
        color = _RED if line.label == "failures" else _COLORS[index % len(_COLORS)]
        _draw_line(axis, line, color, _STYLES[index % len(_STYLES)], findings.started)
    for series in baseline.values():
        times = [begin + series.period / 2 for begin in series.times]
        axis.plot(times, series.values, color=_GREY, linestyle=(0, (4, 3)), linewidth=1, zorder=2.5, label="")
    unit, scaled = _UNITS.get(panel.unit, (panel.unit, None))
    if panel.limit is not None:
        value, meaning = panel.limit
        axis.axhline(value, color=_GREY, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
        axis.annotate(
            f"{value:g}: {meaning}", (0, value), xycoords=("axes fraction", "data"), xytext=(4, -2),
            textcoords="offset points", ha="left", va="top", fontsize=7, color=_GREY,
        )  # fmt: skip
    drawn = [*(line.series for line in panel.lines), *baseline.values()]
    highest = max((max(series.values) for series in drawn if series), default=0)
    if panel.limit is not None:
        highest = max(highest, panel.limit[0])
    axis.set_ylim(0, highest * 1.12 or 1)
    whole = all(value == int(value) for line in panel.lines for value in line.series.values)
    ticks = 5 if _height(panel) == _TALL_PANEL_IN else 3
    axis.yaxis.set_major_locator(MaxNLocator(ticks, integer=whole, min_n_ticks=2))
    axis.yaxis.set_major_formatter(EngFormatter(unit=scaled) if scaled else StrMethodFormatter("{x:,g}"))
    axis.set_title(panel.title + (f"  ({unit})" if unit else ""), loc="left", fontsize=8.5, color=_GREY, pad=4)
    axis.grid(visible=True)
    if len(drawn) == 1 and panel.lines[0].label.lower() in panel.title.lower():
        return
    labels = [*(line.label for line in panel.lines), *(f"{label}, base" for label in baseline)]
    axis.legend(
        axis.get_lines()[: len(drawn)],
        [_short(label, 24) for label in labels],
        loc="upper left", bbox_to_anchor=(1.008, 1.04), frameon=False, fontsize=8, handlelength=2.2, borderaxespad=0,
    )  # fmt: skip


def _draw_line(axis: Axes, line: Line, color: str, style: str, started: float) -> None:
    # A value describes its whole period, so it is drawn in the middle.
    times = [begin + line.series.period / 2 - started for begin in line.series.times]
    few = len(times) <= _FEW_POINTS
    axis.plot(
        times, line.series.values, color=color, linestyle=style, linewidth=1.5 if few else 1.2,
        marker="o" if few else None, markersize=2.6, zorder=3, solid_joinstyle="round", label="",
    )  # fmt: skip


def _time_axis(axis: Axes, findings: Findings) -> None:
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    length = findings.ended - findings.started
    margin = max(0.02 * length, 0.2)
    axis.set_xlim(-margin, length + margin)
    axis.xaxis.set_major_locator(MultipleLocator(_tick(length)))
    layout = "%H:%M:%S" if length < _HOUR else "%H:%M"

    def both(seconds: float, _position: int | None) -> str:
        return f"{elapsed(seconds)}\n{datetime.fromtimestamp(findings.started + seconds, UTC):{layout}}"

    axis.xaxis.set_major_formatter(FuncFormatter(both))
    axis.set_xlabel(f"time since the start, and UTC on {datetime.fromtimestamp(findings.started, UTC):%Y-%m-%d}")


def _tick(seconds: float) -> float:
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
    return next((step for step in steps if seconds / step <= 12), steps[-1])  # noqa: PLR2004 - labels that have room


def _mark(axes: Sequence[Axes], findings: Findings) -> None:
    """Mark the moments of the run in all panels, with their names above the first panel."""
    moments = [(0.0, "start", _GREY), (findings.seconds, "stop", _GREY)]
    if findings.ramped_up is not None:
        moments.append((findings.ramped_up - findings.started, "ramp-up ends", _GREY))
    saturated = findings.saturation.time
    if saturated is not None:
        moments.append((saturated - findings.started, "target saturates", _SATURATED))
        for axis in axes:
            axis.axvspan(saturated - findings.started, findings.seconds, color=_SATURATED, alpha=0.05, linewidth=0)
    span = (findings.ended - findings.started) * 1.04 or 1.0
    rows: list[list[tuple[float, float]]] = []
    # Those of locust-cw have their names in any case. A dollar sign would begin a formula.
    marks = marks_of_users(findings, findings.ended - findings.started)
    users = [(mark.at, mark.name.replace("$", r"\$"), _GREY) for mark in marks]
    for at, name, color in sorted(moments) + users:
        strong = color == _SATURATED
        for axis in axes:
            axis.axvline(
                at, color=color, linewidth=1.6 if strong else 0.9, linestyle="-" if strong else (0, (4, 3)), zorder=2
            )
        left = at / span
        width = len(name) * _NAME_CHARACTER + 0.01
        before = left + width > 1
        row = free_row(rows, (left - width, left) if before else (left, left + width))
        if row is None:
            continue
        axes[0].annotate(
            name, (at, 1), xycoords=("data", "axes fraction"), xytext=(-3 if before else 3, 17 + 11 * row),
            textcoords="offset points", ha="right" if before else "left", va="bottom", fontsize=8, color=color,
            fontweight="bold" if strong else "normal", annotation_clip=False,
        )  # fmt: skip


def _accent(findings: Findings) -> str:
    return _INK if findings.saturation.time is None else _SATURATED


# By load.


def _by_load(saturation: Saturation, latency_is: Latency) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.ticker import StrMethodFormatter

    figure = Figure(figsize=(WIDTH_IN, 3.9), facecolor="white")
    throughput, latency = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.075, right=0.97, top=0.88, bottom=0.14, wspace=0.2)
    users = [level.users for level in saturation.levels]
    throughput.plot(
        users, [level.throughput for level in saturation.levels], "o-", color=_BLUE, linewidth=1.3, markersize=4.5
    )
    answered = [level for level in saturation.levels if level.latency is not None]
    latency.plot(
        [level.users for level in answered], [level.latency or 0.0 for level in answered], "o-", color=_ORANGE,
        linewidth=1.3, markersize=4.5,
    )  # fmt: skip
    for axis, title in (
        (throughput, "Throughput  (successful requests/s)"),
        (latency, f"{latency_is.capitalize()} response time  (ms)"),
    ):
        axis.set_title(title, loc="left", fontsize=9.5, color=_GREY)
        axis.set_xlim(0, users[-1] * 1.05)
        axis.set_ylim(0, axis.get_ylim()[1] * 1.12)
        axis.set_xlabel("users")
        axis.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
        axis.grid(visible=True)
    if saturation.users is not None and saturation.requests_per_s is not None:
        _mark_saturation(throughput, saturation.state, saturation.users, saturation.requests_per_s)
        for axis in (throughput, latency):
            axis.axvline(saturation.users, color=_SATURATED, linewidth=1.4, zorder=1)
            axis.axvspan(saturation.users, users[-1] * 1.05, color=_SATURATED, alpha=0.05, linewidth=0)
    return figure


def _mark_saturation(axis: Axes, state: State, users: float, requests_per_s: float) -> None:
    """Mark the capacity, and the line of linear growth up to it."""
    slope = requests_per_s / users
    top = axis.get_ylim()[1]
    axis.plot([0, top / slope], [0, top], linestyle=":", color=_GREY, linewidth=1, scalex=False, scaley=False)
    axis.plot(users, requests_per_s, "D", color=_SATURATED, markersize=7, zorder=5)
    at_most = "at most " if state == "from_start" else ""
    axis.annotate(
        f"saturates at {requests_per_s:,.0f} requests/s,\n{at_most}{users:,.0f} users",
        (0.97, 0.05), xycoords="axes fraction", ha="right", va="bottom", color=_SATURATED, fontweight="bold",
        fontsize=9,
    )  # fmt: skip
    axis.annotate(
        "linear growth", (0.97 * top / slope, 0.97 * top), xytext=(6, 0), textcoords="offset points", fontsize=7.5,
        color=_GREY, va="top", annotation_clip=True,
    )  # fmt: skip


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
