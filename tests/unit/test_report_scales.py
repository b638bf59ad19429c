"""Scales, numbers and times of the report's charts, and the names of requests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_cw import _core
from locust_cw._report.readable import readable
from locust_cw._report.scales import elapsed, number, quantity, ticks, time_ticks


@given(st.floats(1e-6, 1e15), st.integers(1, 6))
def test_ticks_cover_the_values_with_few_round_numbers(highest: float, most: int) -> None:
    found = ticks(highest, most)
    assert found[0] == 0
    assert found[-1] >= highest * 0.99
    assert 2 <= len(found) <= most + 2
    step = found[1]
    assert float(f"{step:.1e}") == pytest.approx(step)


@pytest.mark.parametrize("highest", [0.0, -1.0, float("nan"), float("inf")])
def test_an_axis_without_values_has_ticks(highest: float) -> None:
    assert ticks(highest, 2)[-1] == 1


@given(st.floats(0.5, 10 * 86_400))
def test_a_time_axis_has_few_labels(length: float) -> None:
    assert 1 <= len(time_ticks(length)) <= 13


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (4.26, "ms", "4.3 ms"),
        (1234.5, "ms", "1,234 ms"),
        (0.0, "ms", "0 ms"),
        (3.14, "%", "3.1%"),
        (97.2, "%", "97%"),
        (0.1234, "requests/s", "0.123 requests/s"),
        (28.0, "", "28"),
        (950.0, "B", "950 B"),
        (71_303_168.0, "B", "71 MB"),
        (1500.0, "B/s", "1.5 kB/s"),
    ],
)
def test_quantities_have_as_many_digits_as_readers_need(value: float, unit: str, text: str) -> None:
    assert quantity(value, unit) == text
    assert text.startswith(number(value, unit).strip())


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (65, "1:05"), (7_200, "2:00:00"), (-2.4, "-0:02"), (-0.2, "0:00")]
)
def test_times_since_the_start(seconds: float, text: str) -> None:
    assert elapsed(seconds) == text


@pytest.mark.parametrize("name", ["/", "/주문 목록", "/a%2Fb", "100%", "/search?q=a+b", "/%EC%A3%BC", "x" * 300])
def test_a_name_is_shown_as_locust_has_it(name: str) -> None:
    """Unless CloudWatch's limits cut it. A name that looks escaped stays as it is."""
    value = _core.dimension_value(name)
    if len(name) < 200 and name != "/%EC%A3%BC":
        assert readable(value) == name


@given(st.text(min_size=1, max_size=60))
def test_a_readable_name_has_the_same_value_in_cloudwatch(name: str) -> None:
    value = _core.dimension_value(name)
    assert _core.dimension_value(readable(value)) == value
