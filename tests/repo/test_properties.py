"""A property has the same value until its object changes: it does not read the clock."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "python" / "locust_cw"
CLOCKS = {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "now", "utcnow"}
CLOCK_MODULES = {"time", "datetime"}


def clock_readings(source: str) -> Iterator[str]:
    """The names of properties that read a clock."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and any("property" in ast.unparse(each) for each in node.decorator_list):
            calls = [each.func for each in ast.walk(node) if isinstance(each, ast.Call)]
            if any(
                isinstance(call, ast.Attribute)
                and call.attr in CLOCKS
                and ast.unparse(call.value).split(".")[-1] in CLOCK_MODULES
                for call in calls
            ):
                yield node.name


def test_no_property_reads_the_clock() -> None:
    sources = {path: path.read_text() for path in PACKAGE.rglob("*.py")}
    assert len(sources) > 100
    assert [f"{path.name}: {name}" for path, source in sources.items() for name in clock_readings(source)] == []


@pytest.mark.parametrize(
    "clock", ["time.time()", "1 + time.monotonic()", "datetime.now(UTC)", "datetime.datetime.now()"]
)
def test_a_property_that_reads_the_clock_is_found(clock: str) -> None:
    source = f"class Run:\n    @property\n    def age(self):\n        return {clock}\n    def other(self): {clock}\n"
    assert list(clock_readings(source)) == ["age"]
    assert list(clock_readings(source.replace("@property", "@final"))) == []
