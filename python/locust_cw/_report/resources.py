"""Which resource reached its limit first. Pure: from the use of resources over time to sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from locust_cw._report.scales import elapsed, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locust_cw._report.series import Series

LIMIT_PERCENT = 90.0
"""The use of a resource, in percent, from which it counts as at its limit. A mean over a minute hides peaks."""
_ALL_PERCENT = 100.0
_MOST_NAMED = 6


@dataclass(frozen=True)
class Usage:
    """The use of a resource over time.

    Attributes:
        name: The resource, such as `RDS instance shop-db CPU`.
        series: Percent of its capacity.
        is_left: Whether the values are what is left of it.
        is_target: Whether it belongs to the target, and not to the load generator.

    """

    name: str
    series: Series
    is_left: bool = False
    is_target: bool = True

    def used(self, value: float) -> float:
        """How much of it is in use, in percent."""
        return _ALL_PERCENT - value if self.is_left else value

    def highest(self, begin: float, end: float) -> float | None:
        """The value with the highest use in the periods of a time; None without data."""
        period = self.series.period
        times = zip(self.series.times, self.series.values, strict=True)
        found = [value for start, value in times if start + period > begin and start < end]
        return max(found, key=self.used, default=None)

    def reached(self, begin: float, end: float) -> float | None:
        """The start of the first period of a time with the resource at its limit; None if it did not reach it."""
        times = zip(self.series.times, self.series.values, strict=True)
        period = self.series.period
        at_limit = (
            start
            for start, value in times
            if start + period > begin and start < end and self.used(value) >= LIMIT_PERCENT
        )
        return next(at_limit, None)


def explain(usages: Sequence[Usage], begin: float, saturated: float | None, end: float) -> str:
    """Sentences on the use of resources from the point of saturation on, or in the whole test without one.

    Args:
        usages: The resources of targets, and the load generator.
        begin: The start of the test, in seconds since the epoch.
        saturated: When the target saturates, if it does.
        end: The stop of the test.

    """
    since = begin if saturated is None else saturated
    values = [(usage, value) for usage in usages if (value := usage.highest(since, end)) is not None]
    if not values:
        return ""
    values.sort(key=lambda each: -each[0].used(each[1]))
    shown = ", ".join(_with_value(usage, value) for usage, value in values[:_MOST_NAMED])
    moment = "Highest in the test" if saturated is None else "At saturation"
    return f"{moment}: {shown}. {_first(usages, begin, end, is_saturated=saturated is not None)}".rstrip()


def _with_value(usage: Usage, value: float) -> str:
    return f"{usage.name} {number(value, '%')}%{' left' if usage.is_left else ''}"


def _first(usages: Sequence[Usage], begin: float, end: float, *, is_saturated: bool) -> str:
    """Which resource was the first at its limit."""
    reached = [(start, usage) for usage in usages if (start := usage.reached(begin, end)) is not None]
    if not reached:
        if not is_saturated:
            return ""
        if not any(usage.is_target for usage in usages):
            return "The use of the target's resources is unknown: name them with --cw-target or --target."
        return "None of them was at its limit: it may be a lock, a pool of connections, or a service behind the target."
    # A resource with long periods may have reached its limit anywhere in the first of them.
    earliest = min(start + usage.series.period for start, usage in reached)
    first = [usage.name for start, usage in reached if start < earliest]
    start = min(start for start, usage in reached if usage.name in first)
    when = f"{elapsed(max(0.0, start - begin))} after the start"
    if len(first) == 1:
        return f"{first[0]} reached its limit first, {when}."
    return f"{', '.join(first[:-1])} and {first[-1]} reached their limits first, about {when}."
