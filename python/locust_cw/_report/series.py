"""A series of values over time, and arithmetic with series."""

from __future__ import annotations

import bisect
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Series:
    """The values of a metric, in the order of time.

    Attributes:
        times: The start of each period with data, in seconds since the epoch.
        values: A value for each of these periods.
        period: Seconds of a period.

    """

    times: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
    period: int = 1

    def __bool__(self) -> bool:
        """Whether there is any value."""
        return bool(self.times)

    def value_at(self, start: float) -> float | None:
        """The value of the period with this start, or of up to two periods before, as a sample may be late."""
        index = bisect.bisect_right(self.times, start) - 1
        if index < 0 or start - self.times[index] > 2 * self.period:
            return None
        return self.values[index]

    def by_time(self) -> dict[float, float]:
        """The values by the start of their periods."""
        return dict(zip(self.times, self.values, strict=True))


def sum_of(parts: Sequence[Series]) -> Series:
    """The sum of series with the same period, of which there is at least one."""
    totals: defaultdict[float, float] = defaultdict(float)
    for part in parts:
        for start, value in part.by_time().items():
            totals[start] += value
    times = tuple(sorted(totals))
    return Series(times, tuple(totals[start] for start in times), parts[0].period)


def quotient_of(dividend: Series, divisor: Series) -> Series:
    """The quotient in each period in which both have a value and the divisor is not 0."""
    divisors = divisor.by_time()
    pairs = [(start, value / divisors[start]) for start, value in dividend.by_time().items() if divisors.get(start)]
    return Series(tuple(start for start, _ in pairs), tuple(value for _, value in pairs), dividend.period)
