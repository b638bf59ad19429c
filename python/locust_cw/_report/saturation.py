"""The load at which a target saturates: its throughput stops growing with the load, and its latency or failures grow.

Pure: from a list of samples to a verdict. `docs/report.md` describes the method.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_LEVEL_S = 3.0
"""A shorter level of load is merged with the next one, as a few seconds say little."""
MAX_LEVELS = 40
MIN_LEVELS = 3
MIN_LOAD_RATIO = 1.5
"""Ratio of the highest to the lowest level. Below, the load hardly varied, and saturation is unknown."""
MAX_GROWTH = 0.3
"""Throughput per additional user, as a share of that per user before, up to which throughput counts as not growing."""
MIN_SHORTFALL = 0.15
"""How far the throughput at the highest level must be below linear growth, as a share."""
MIN_SLOWDOWN = 1.25
"""Ratio of the latency above saturation to the latency below."""
MIN_MORE_FAILURES = 0.05
"""Increase of the share of failed requests above saturation, if latency does not grow: a target may reject requests
instead of letting them wait."""
_LOWEST_LEVEL_TOLERANCE = 1.1
_CANDIDATES = 240

State: TypeAlias = Literal["reached", "from_start", "not_reached", "unknown"]


@dataclass(frozen=True)
class Sample:
    """The load and the response of the target in one period.

    Attributes:
        time: The start of the period, in seconds since the epoch.
        users: The number of users.
        throughput: Successful requests per second.
        latency: Mean response time of successful requests in milliseconds; None if none succeeded.
        failed: Share of failed requests, 0 to 1.

    """

    time: float
    users: float
    throughput: float
    latency: float | None
    failed: float = 0.0


@dataclass(frozen=True)
class Level:
    """The medians of samples under about the same load."""

    users: float
    throughput: float
    latency: float | None
    failed: float


@dataclass(frozen=True)
class Saturation:
    """The verdict.

    Attributes:
        state: `reached`; `from_start`, if even the lowest level exceeded the capacity; `not_reached`; or `unknown`, if
            the load did not vary enough.
        reason: The reason, for readers.
        users: The load at which the target saturates; for `from_start`, the lowest load.
        requests_per_s: Successful requests per second at that load: the capacity of the target.
        time: When that load was first reached, in seconds since the epoch.
        latency_before: Median latency of the levels below, in milliseconds.
        latency_after: Median latency of the levels above, in milliseconds.
        levels: The levels of load, in ascending order.

    """

    state: State
    reason: str
    users: float | None = None
    requests_per_s: float | None = None
    time: float | None = None
    latency_before: float | None = None
    latency_after: float | None = None
    levels: tuple[Level, ...] = ()


@dataclass(frozen=True)
class _Bend:
    """Two connected lines: from the origin to `users`, and from there on."""

    users: float
    slope: float
    slope_after: float
    error: float

    @property
    def throughput(self) -> float:
        return self.slope * self.users


def find(samples: Sequence[Sample], period: float = 1) -> Saturation:
    """Find the load at which the target saturates.

    Args:
        samples: The samples, in the order of time.
        period: Seconds of a sample.

    """
    ascent = _ascent([sample for sample in samples if sample.users > 0])
    levels = _levels(ascent, period)
    if reason := _why_unknown(ascent, levels, period):
        return Saturation("unknown", reason, levels=levels)
    bend = _bend(levels)
    # With the bend at the lowest level, no level is below it.
    below = [level for level in levels if level.users <= bend.users] or [levels[0]]
    above = [level for level in levels if level.users > bend.users]
    if reason := _why_not_reached(bend, below, above):
        return Saturation("not_reached", reason, levels=levels)
    how = f"throughput stops growing while {'response times' if _is_slower(below, above) else 'failures'} grow"
    from_start = bend.users <= _LOWEST_LEVEL_TOLERANCE * levels[0].users
    if from_start:
        how = f"even at the lowest load, {levels[0].users:,.0f} users, {how}"
    users = levels[0].users if from_start else bend.users
    # Between two steps of the load, no sample has the load of the bend.
    reached = (sample.time for sample in ascent if sample.users >= min(users, levels[-1].users))
    return Saturation(
        "from_start" if from_start else "reached",
        how,
        users=users,
        requests_per_s=bend.throughput,
        time=next(reached, None),
        latency_before=_latency(below),
        latency_after=_latency(above),
        levels=levels,
    )


def _why_unknown(ascent: Sequence[Sample], levels: Sequence[Level], period: float) -> str | None:
    if len(ascent) < MIN_LEVELS * _least(period):
        return f"there are too few points ({period:g} s each)"
    if len(levels) < MIN_LEVELS or levels[-1].users < MIN_LOAD_RATIO * levels[0].users:
        return "the load did not vary enough: increase the number of users in steps or in a ramp"
    if not any(level.throughput > 0 for level in levels):
        return "no request succeeded"
    return None


def _why_not_reached(bend: _Bend, below: Sequence[Level], above: Sequence[Level]) -> str | None:
    top = above[-1] if above else below[-1]
    grows = bend.slope_after > MAX_GROWTH * bend.slope
    falls_short = top.throughput < (1 - MIN_SHORTFALL) * bend.slope * top.users
    if not above or grows or not falls_short:
        return f"throughput grew with the load up to the highest load, {top.users:,.0f} users"
    if not _is_slower(below, above) and _failed(above) < _failed(below) + MIN_MORE_FAILURES:
        return (
            "throughput stopped growing, but neither response times nor failures grew: the users waited for something"
            " other than the target"
        )
    return None


def _is_slower(below: Sequence[Level], above: Sequence[Level]) -> bool:
    before, after = _latency(below), _latency(above)
    return before is not None and after is not None and after >= MIN_SLOWDOWN * before


def _ascent(samples: Sequence[Sample]) -> list[Sample]:
    """The samples up to the last one under the highest load. After it, the target still works on earlier requests."""
    if not samples:
        return []
    highest = max(sample.users for sample in samples)
    last = max(index for index, sample in enumerate(samples) if sample.users >= highest)
    return list(samples[: last + 1])


def _levels(samples: Sequence[Sample], period: float) -> tuple[Level, ...]:
    ordered = sorted(samples, key=lambda sample: sample.users)
    if not ordered:
        return ()
    enough = _least(period)
    # Narrower levels would only divide the same noise.
    width = (ordered[-1].users - ordered[0].users) / MAX_LEVELS
    groups: list[list[Sample]] = []
    for sample in ordered:
        group = groups[-1] if groups else None
        if group and (sample.users == group[-1].users or len(group) < enough or sample.users - group[0].users < width):
            group.append(sample)
        else:
            groups.append([sample])
    if len(groups) > 1 and len(groups[-1]) < enough:
        groups[-2:] = [groups[-2] + groups[-1]]
    return tuple(_level(group) for group in groups)


def _least(period: float) -> int:
    """The least number of samples of a level."""
    return max(1, math.ceil(MIN_LEVEL_S / period))


def _level(samples: Sequence[Sample]) -> Level:
    latencies = [sample.latency for sample in samples if sample.latency is not None]
    return Level(
        users=statistics.median(sample.users for sample in samples),
        throughput=statistics.median(sample.throughput for sample in samples),
        latency=statistics.median(latencies) if latencies else None,
        failed=statistics.median(sample.failed for sample in samples),
    )


def _latency(levels: Sequence[Level]) -> float | None:
    latencies = [level.latency for level in levels if level.latency is not None]
    return statistics.median(latencies) if latencies else None


def _failed(levels: Sequence[Level]) -> float:
    return statistics.median(level.failed for level in levels)


def _bend(levels: Sequence[Level]) -> _Bend:
    """The two lines that fit the levels best, by least squares."""
    lowest, highest = levels[0].users, levels[-1].users
    candidates = (lowest + (highest - lowest) * step / _CANDIDATES for step in range(_CANDIDATES + 1))
    # Of equal fits, `min` takes the lowest: on a straight line, the bend can be anywhere.
    return min((_fit(levels, users) for users in candidates), key=lambda bend: bend.error)


def _fit(levels: Sequence[Level], users: float) -> _Bend:
    """The fit with the bend at `users`: throughput = slope x min(load, users) + slope_after x max(load - users, 0)."""
    points = [(min(level.users, users), max(level.users - users, 0.0), level.throughput) for level in levels]
    aa = math.fsum(below * below for below, _, _ in points)
    ab = math.fsum(below * above for below, above, _ in points)
    bb = math.fsum(above * above for _, above, _ in points)
    ay = math.fsum(below * seen for below, _, seen in points)
    by = math.fsum(above * seen for _, above, seen in points)
    determinant = aa * bb - ab * ab
    if bb == 0 or determinant <= 1e-12 * aa * bb:
        # Levels so small that their squares are 0 have no slope.
        slope = slope_after = ay / aa if aa else 0.0
    else:
        slope, slope_after = (ay * bb - by * ab) / determinant, (by * aa - ay * ab) / determinant
    error = math.fsum((slope * below + slope_after * above - seen) ** 2 for below, above, seen in points)
    return _Bend(users, slope, slope_after, error)
