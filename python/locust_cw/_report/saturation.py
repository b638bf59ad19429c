"""The load at which a target saturates: where its throughput stops growing with the load while its latency does.

Pure: a list of what was seen in each period goes in, a verdict comes out. `docs/report.md` tells the method.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_LEVEL_S = 3.0
"""A level of load shorter than this is put together with the next one: a few seconds say little."""
MAX_LEVELS = 40
MIN_LEVELS = 3
MIN_LOAD_RATIO = 1.5
"""The highest level over the lowest; below, the load was the same all the time, and nothing can be told."""
MAX_GROWTH = 0.3
"""What each further user may still bring, of what each brought before, where throughput counts as no longer growing."""
MIN_SHORTFALL = 0.15
"""How far the throughput at the highest level must be below what growth in proportion would have made it."""
MIN_SLOWDOWN = 1.25
"""Latency above saturation over latency below it."""
MIN_MORE_FAILURES = 0.05
"""The share of requests that must fail above saturation beyond those that fail below, where latency does not grow:
a target may turn requests away rather than let them wait."""
_AT_THE_LOWEST = 1.1
_PLACES = 240

State: TypeAlias = Literal["reached", "from_start", "not_reached", "unknown"]


@dataclass(frozen=True)
class Sample:
    """What was seen in one period.

    Attributes:
        time: Its beginning, in seconds since the epoch.
        users: How many ran.
        throughput: Successful requests per second.
        latency: Mean response time of successful requests in milliseconds; None if there were none.
        failed: Share of the requests that failed, 0 to 1.

    """

    time: float
    users: float
    throughput: float
    latency: float | None
    failed: float = 0.0


@dataclass(frozen=True)
class Level:
    """Samples under about the same load, in medians."""

    users: float
    throughput: float
    latency: float | None
    failed: float


@dataclass(frozen=True)
class Saturation:
    """The verdict.

    Attributes:
        state: `reached`; `from_start`, where even the lowest level was too much; `not_reached`; or `unknown`, where the
            load did not vary enough to tell.
        reason: Why, for people.
        users: The load at which it saturates; from the start, the lowest there was.
        requests_per_s: Successful requests per second there, the target's capacity.
        time: When that load was first there, in seconds since the epoch.
        latency_before: Median of the levels below, in milliseconds.
        latency_after: Median of the levels above, in milliseconds.
        levels: What the verdict stands on, by load.

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
    """Two lines: through the origin up to `users`, and on from there."""

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
        samples: In the order of time.
        period: Seconds that each stands for.

    """
    ascent = _ascent([sample for sample in samples if sample.users > 0])
    levels = _levels(ascent, period)
    if len(ascent) < MIN_LEVELS * _least(period):
        return Saturation("unknown", f"there are too few points, of {period:g} s each", levels=levels)
    if len(levels) < MIN_LEVELS or levels[-1].users < MIN_LOAD_RATIO * levels[0].users:
        reason = "the load did not vary enough; let the number of users grow in steps or a ramp"
        return Saturation("unknown", reason, levels=levels)
    if not any(level.throughput > 0 for level in levels):
        return Saturation("unknown", "no request succeeded", levels=levels)
    bend = _bend(levels)
    from_start = bend.users <= _AT_THE_LOWEST * levels[0].users
    # Where the bend is at the lowest level, that one is all there is to compare with.
    below = [level for level in levels if level.users <= bend.users] or [levels[0]]
    above = [level for level in levels if level.users > bend.users]
    before, after = _latency(below), _latency(above)
    top = levels[-1]
    grows = bend.slope_after > MAX_GROWTH * bend.slope
    falls_short = top.throughput < (1 - MIN_SHORTFALL) * bend.slope * top.users
    if not above or grows or not falls_short:
        reason = f"throughput grew with the load up to the most there was, {top.users:,.0f} users"
        return Saturation("not_reached", reason, levels=levels)
    slower = before is not None and after is not None and after >= MIN_SLOWDOWN * before
    if not (slower or _failed(above) >= _failed(below) + MIN_MORE_FAILURES):
        reason = (
            "throughput stopped growing, but neither response times nor failures grew: the users waited for something"
            " other than the target"
        )
        return Saturation("not_reached", reason, levels=levels)
    users, how = bend.users, "throughput stops growing while response times do"
    if not slower:
        how = "throughput stops growing while failures do"
    if from_start:
        users, how = levels[0].users, f"even at the lowest load, {levels[0].users:,.0f} users, {how}"
    # The nearest that was really there: between two steps, the bend is a load that no second had.
    reached = (sample.time for sample in ascent if sample.users >= min(users, top.users))
    return Saturation(
        "from_start" if from_start else "reached",
        how,
        users=users,
        requests_per_s=bend.throughput,
        time=next(reached, None),
        latency_before=before,
        latency_after=after,
        levels=levels,
    )


def _ascent(samples: Sequence[Sample]) -> list[Sample]:
    """All up to the last one under the highest load: what comes after still works off what came before."""
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
    # Narrower levels than this would only share out the same noise.
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
    """How many samples a level has at the least."""
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
    """The two lines nearest to the levels, by least squares."""
    lowest, highest = levels[0].users, levels[-1].users
    places = (lowest + (highest - lowest) * step / _PLACES for step in range(_PLACES + 1))
    # Of those as near as each other, the lowest: at the end of a straight line any place will do.
    return min((_fit(levels, users) for users in places), key=lambda bend: bend.error)


def _fit(levels: Sequence[Level], users: float) -> _Bend:
    """With the bend at `users`: throughput = slope x min(load, users) + slope_after x max(load - users, 0)."""
    points = [(min(level.users, users), max(level.users - users, 0.0), level.throughput) for level in levels]
    aa = math.fsum(below * below for below, _, _ in points)
    ab = math.fsum(below * above for below, above, _ in points)
    bb = math.fsum(above * above for _, above, _ in points)
    ay = math.fsum(below * seen for below, _, seen in points)
    by = math.fsum(above * seen for _, above, seen in points)
    determinant = aa * bb - ab * ab
    if bb == 0 or determinant <= 1e-12 * aa * bb:
        # Levels so near to none that their squares are 0 have no slope.
        slope = slope_after = ay / aa if aa else 0.0
    else:
        slope, slope_after = (ay * bb - by * ab) / determinant, (by * aa - ay * ab) / determinant
    error = math.fsum((slope * below + slope_after * above - seen) ** 2 for below, above, seen in points)
    return _Bend(users, slope, slope_after, error)
