"""The sentence on the resource that reached its limit first."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_cw._report.resources import Usage, explain
from locust_cw._report.series import Series

BEGIN, END = 1_800_000_000.0, 1_800_000_300.0


def usage(name: str, *values: float, period: int = 60, **how: Any) -> Usage:
    times = tuple(BEGIN + index * period for index in range(len(values)))
    return Usage(name, Series(times, values, period), **how)


ECS, RDS = usage("ECS CPU", 40, 70, 95, 100, 100), usage("RDS CPU", 30, 50, 80, 96, 91)
GENERATOR = usage("load generator", *[10.0] * 150, *[22.0] * 150, period=1, is_target=False)


@pytest.mark.parametrize(
    ("usages", "saturated", "sentence"),
    [
        (
            [RDS, ECS, GENERATOR],
            BEGIN + 150,
            (
                "At saturation: ECS CPU 100%, RDS CPU 96%, load generator 22%."
                " ECS CPU reached its limit first, 2:00 after the start."
            ),
        ),
        (
            [ECS, usage("disk burst balance", 60, 20, 4, 1, 0, is_left=True)],
            BEGIN + 150,
            (
                "At saturation: ECS CPU 100%, disk burst balance 0% left."
                " ECS CPU and disk burst balance reached their limits first, about 2:00 after the start."
            ),
        ),
        (
            [usage("RDS CPU", 20, 40, 60, 62, 60), GENERATOR],
            BEGIN + 150,
            (
                "At saturation: RDS CPU 62%, load generator 22%. None of them was at its limit: it may be a lock, a"
                " pool of connections, or a service behind the target."
            ),
        ),
        (
            [GENERATOR],
            BEGIN + 150,
            (
                "At saturation: load generator 22%. The use of the target's resources is unknown: name them with"
                " --cw-target or --target."
            ),
        ),
        ([usage("RDS CPU", 20, 40, 60), GENERATOR], None, "Highest in the test: RDS CPU 60%, load generator 22%."),
        # Before the test and after it, nothing counts.
        ([Usage("RDS CPU", Series((BEGIN - 120, END), (99.0, 99.0), 60))], None, ""),
        ([], BEGIN, ""),
    ],
)
def test_the_sentence_names_the_resource_that_reached_its_limit_first(
    usages: list[Usage], saturated: float | None, sentence: str
) -> None:
    assert explain(usages, BEGIN, saturated, END) == sentence


def test_the_load_generator_may_be_the_first() -> None:
    busy = usage("load generator", *[95.0] * 300, period=1, is_target=False)
    text = explain([usage("RDS CPU", 20, 30, 40, 92, 95), busy], BEGIN, BEGIN + 200, END)
    assert text.endswith("load generator reached its limit first, 0:00 after the start.")


@given(st.lists(st.lists(st.floats(0, 100), max_size=8), max_size=9), st.none() | st.floats(0, 300))
def test_any_use_of_resources_has_a_sentence(values: list[list[float]], saturated: float | None) -> None:
    usages = [usage(f"r{number}", *each) for number, each in enumerate(values)]
    text = explain(usages, BEGIN, None if saturated is None else BEGIN + saturated, END)
    assert not text or text.endswith(".")
    for each in usages[:1]:
        if each.reached(BEGIN, END) is not None and saturated is None:
            assert "first" in text
