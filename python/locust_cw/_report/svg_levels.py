"""The charts of throughput and response time by the number of users, as SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust_cw._report import svg
from locust_cw._report.scales import quantity, ticks
from locust_cw._report.svg import Drawing, Frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locust_cw._report.findings import Latency
    from locust_cw._report.saturation import Saturation

_FRAME = Frame(width=560, height=270, top=12, bottom=40)


def draw_levels(found: Saturation, latency_is: Latency) -> list[Drawing]:
    """Draw them; none without levels."""
    if not found.levels:
        return []
    throughput = [(level.users, level.throughput) for level in found.levels]
    latency = [(level.users, level.latency) for level in found.levels if level.latency is not None]
    drawings = [_draw("Throughput", "requests/s", throughput, found, with_capacity=True)]
    if latency:
        drawings.append(_draw(f"{latency_is.capitalize()} response time", "ms", latency, found, with_capacity=False))
    return drawings


class _Scale:
    def __init__(self, across: float, up: float) -> None:
        self.across, self.up = across, up
        self.left, self.top, self.width, self.height = _FRAME.plot
        self.right, self.bottom = self.left + self.width, self.top + self.height

    def place(self, users: float, value: float) -> tuple[float, float]:
        x = self.left + self.width * users / self.across
        return round(x, 1), round(self.bottom - self.height * value / self.up, 1)


def _draw(
    title: str, unit: str, points: Sequence[tuple[float, float]], found: Saturation, *, with_capacity: bool
) -> Drawing:
    across, up = ticks(points[-1][0], 6), ticks(max(value for _, value in points) * 1.03, 5)
    scale = _Scale(across[-1], up[-1])
    parts = []
    for level in up:
        _, y = scale.place(0, level)
        parts.append(svg.line("grid", (scale.left, y), (scale.right, y)))
        parts.append(svg.text(scale.left - 7, y + 3.5, svg.axis_number(level), anchor="end"))
    for users in across:
        x, y = scale.place(users, 0)
        parts.append(svg.line("tick", (x, y), (x, y + 4)))
        parts.append(svg.text(x, y + 17, svg.axis_number(users), anchor="middle"))
    parts.append(svg.text(scale.left + scale.width / 2, _FRAME.height - 6, "users", anchor="middle"))
    if found.users is not None and found.requests_per_s is not None:
        parts += _saturation(scale, found.users, found.requests_per_s, with_capacity=with_capacity)
    parts.append(svg.path("c0", [scale.place(*point) for point in points]))
    for users, value in points:
        parts.append(svg.dot("c0", scale.place(users, value), 4, f"{quantity(users)} users: {quantity(value, unit)}"))
    if with_capacity and found.users is not None and found.requests_per_s is not None:
        text = f"saturates at {found.requests_per_s:,.0f} requests/s with {found.users:,.0f} users"
        parts.append(svg.dot("capacity", scale.place(found.users, found.requests_per_s), 6, text))
        parts.append(svg.text(scale.right - 6, scale.bottom - 10, text, "name saturation", "end"))
    return Drawing(title, unit, (), svg.element(_FRAME, parts, f"{title} by number of users"))


def _saturation(scale: _Scale, users: float, requests_per_s: float, *, with_capacity: bool) -> list[str]:
    x, top = scale.place(users, scale.up)
    width = round(scale.right - x, 1)
    parts = [
        f'<rect class="saturated" x="{x}" y="{top}" width="{width}" height="{scale.height}"/>',
        svg.line("moment saturation", (x, top), (x, scale.bottom)),
    ]
    if with_capacity:
        # Linear growth up to the capacity.
        slope = requests_per_s / users
        end = min(scale.across, scale.up / slope)
        parts.append(svg.line("limit", scale.place(0, 0), scale.place(end, end * slope)))
    return parts
