"""A property has the same value until its object changes: it does not itself read the clock."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from support.paths import PACKAGE

CLOCKS = {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "now", "utcnow"}
CLOCK_MODULES = {"time", "datetime"}


def clock_readings(source: str) -> Iterator[str]:
    """The names of properties that read a clock."""
    tree = ast.parse(source)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module in CLOCK_MODULES]
    imported = {name.asname or name.name for node in imports for name in node.names if name.name in CLOCKS}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any("property" in ast.unparse(each) for each in node.decorator_list):
            calls = [each.func for each in ast.walk(node) if isinstance(each, ast.Call)]
            if any(reads_clock(call, imported) for call in calls):
                yield node.name


def reads_clock(function: ast.expr, imported: set[str]) -> bool:
    if isinstance(function, ast.Attribute):
        return function.attr in CLOCKS and ast.unparse(function.value).split(".")[-1] in CLOCK_MODULES
    return isinstance(function, ast.Name) and function.id in imported


def test_no_property_reads_the_clock() -> None:
    sources = {path: path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    assert len(sources) > 100
    assert [f"{path.name}: {name}" for path, source in sources.items() for name in clock_readings(source)] == []


@pytest.mark.parametrize(
    "clock", ["time.time()", "1 + time.monotonic()", "datetime.now(UTC)", "datetime.datetime.now()", "seconds()"]
)
def test_a_property_that_reads_the_clock_is_found(clock: str) -> None:
    source = (
        "from time import monotonic as seconds\n"
        f"class Run:\n    @property\n    def age(self):\n        return {clock}\n    def other(self): {clock}\n"
    )
    assert list(clock_readings(source)) == ["age"]
    assert list(clock_readings(source.replace("@property", "@final"))) == []
