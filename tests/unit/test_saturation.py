"""The knee of a load curve is found, and a curve without one has no result."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_cw._report import saturation as _saturation
from locust_cw._report.saturation import Sample

CAPACITY, THREADS, SERVICE_S, THINK_S = 100.0, 4, 0.04, 0.1


def throughput_of(users: int, threads: int, service_s: float, think_s: float) -> float:
    """Requests/s of a closed system with so many users and servers (the machine repair model)."""
    weights = [1.0]
    for inside in range(1, users + 1):
        weights.append(weights[-1] * (users - inside + 1) / think_s * service_s / min(inside, threads))
    busy = math.fsum(min(inside, threads) * weight for inside, weight in enumerate(weights))
    return busy / math.fsum(weights) / service_s


KNEE = CAPACITY * (SERVICE_S + THINK_S)


def seen(users: Sequence[int], noise: float, seed: int = 1) -> list[Sample]:
    """One sample per second of a test with these numbers of users, at a target that saturates at `KNEE` users."""
    chance = random.Random(seed)
    samples = []
    for second, number in enumerate(users):
        rate = throughput_of(number, THREADS, SERVICE_S, THINK_S)
        latency = 1000 * (number / rate - THINK_S)
        disturbed = [value * max(0.1, chance.gauss(1, noise)) for value in (rate, latency)]
        samples.append(Sample(1000.0 + second, number, *disturbed))
    return samples


def steps(*users: int, seconds: int = 6) -> list[int]:
    return [number for number in users for _ in range(seconds)]


NOISES = pytest.mark.parametrize("noise", [0, 0.05, 0.12])
SEEDS = pytest.mark.parametrize("seed", range(5))


@NOISES
@SEEDS
@pytest.mark.parametrize(
    ("users", "one_step"),
    [
        (steps(4, 8, 12, 16, 20, 24, 32), 4),
        (list(range(1, 61)), 5),
        (steps(*range(2, 42, 2), seconds=3), 4),
        (list(range(1, 41)) + list(range(40, 0, -1)), 5),
        (steps(5, 10, 15, 20, 30, 40, seconds=4) + steps(40, seconds=600), 5),
    ],
    ids=["steps", "ramp", "small steps", "up and down", "long at the top"],
)
def test_the_knee_is_found(users: list[int], one_step: float, noise: float, seed: int) -> None:
    samples = seen(users, noise, seed)
    found = _saturation.find(samples)
    assert found.state == "reached", found
    assert found.users == pytest.approx(KNEE, abs=one_step)
    assert found.requests_per_s == pytest.approx(CAPACITY, rel=0.25 if noise else 0.06)
    assert found.time == next(sample.time for sample in samples if sample.users >= (found.users or 0))


@NOISES
@SEEDS
def test_a_target_that_keeps_up_is_not_said_to_saturate(noise: float, seed: int) -> None:
    found = _saturation.find(seen(steps(1, 2, 4, 6, 8), noise, seed))
    assert found.state == "not_reached"
    assert found.users is found.requests_per_s is found.time is None
    # A larger target, to the same load.
    samples = [Sample(t, users, users / 0.14, 40.0) for t, users in enumerate(range(1, 200))]
    assert _saturation.find(samples).state == "not_reached"


@NOISES
@SEEDS
def test_a_target_that_is_saturated_from_the_start(noise: float, seed: int) -> None:
    """The lowest load is an upper bound. The capacity is known."""
    found = _saturation.find(seen(steps(20, 30, 40, 60), noise, seed))
    assert (found.state, found.users, found.time) == ("from_start", 20, 1000.0)
    assert found.requests_per_s == pytest.approx(CAPACITY, rel=0.2)


def test_a_load_with_too_little_data_has_no_result() -> None:
    assert _saturation.find([]).state == "unknown"
    assert _saturation.find(seen(steps(20, seconds=60), 0.1)).state == "unknown"
    assert _saturation.find(seen(steps(10, 11, 12), 0.1)).state == "unknown"
    assert "too few points" in _saturation.find(seen(steps(10, 40, seconds=1), 0), period=60).reason
    nothing_works = [Sample(t, users, 0.0, None, 1.0) for t, users in enumerate(steps(1, 2, 4, 8))]
    assert _saturation.find(nothing_works).state == "unknown"


def test_users_that_wait_for_something_else_do_not_saturate_the_target() -> None:
    samples = [Sample(t, users, min(users * 7.0, 100), 40.0) for t, users in enumerate(steps(4, 8, 12, 16, 24, 32))]
    found = _saturation.find(samples)
    assert found.state == "not_reached"
    assert "neither response times nor failures grew" in found.reason


def test_a_target_that_rejects_requests_saturates_too() -> None:
    """Its successes stay fast, and do not become more."""
    samples = []
    for second, users in enumerate(steps(4, 8, 12, 16, 24, 32)):
        offered = users * 7.0
        samples.append(Sample(second, users, min(offered, 100), 40.0, max(0.0, 1 - 100 / offered)))
    found = _saturation.find(samples)
    assert found.state == "reached"
    assert found.users == pytest.approx(100 / 7, abs=1)
    assert "failures grow" in found.reason


def test_throughput_that_collapses_is_marked_at_its_highest() -> None:
    users = list(range(1, 61))
    samples = [
        Sample(t, n, min(n * 7, 100 - (n - 100 / 7) * 0.8), 40.0 if n < 15 else n * 5.0) for t, n in enumerate(users)
    ]
    found = _saturation.find(samples)
    assert found.state == "reached"
    assert found.users == pytest.approx(100 / 7, abs=1.5)


def test_one_bad_second_moves_nothing() -> None:
    samples = seen(steps(4, 8, 12, 16, 20, 24, 32), 0)
    without = _saturation.find(samples)
    for second in (3, 15, 30):
        samples[second] = Sample(samples[second].time, samples[second].users, 0.0, 9000.0)
    assert _saturation.find(samples).users == pytest.approx(without.users, rel=0.02)


@given(
    st.lists(
        st.tuples(st.integers(0, 300), st.floats(0, 1e6), st.none() | st.floats(0, 1e7), st.floats(0, 1)),
        max_size=60,
    ),
    st.sampled_from([1, 5, 60]),
)
def test_the_result_is_within_the_samples(points: list[tuple[int, float, float | None, float]], period: int) -> None:
    samples = [Sample(float(t), *point) for t, point in enumerate(points)]
    found = _saturation.find(samples, period)
    assert found.reason
    if found.state in {"reached", "from_start"}:
        assert found.users is not None
        assert found.requests_per_s is not None
        assert min(s.users for s in samples if s.users) <= found.users <= max(s.users for s in samples)
        assert found.time in [sample.time for sample in samples]
    else:
        assert found.users is found.time is None
