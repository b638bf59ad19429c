"""The order of the tests: long ones first, so that none runs alone at the end."""

from __future__ import annotations

from collections.abc import Sequence

import pytest


def long_tests_first(items: Sequence[pytest.Item], processes: int) -> list[pytest.Item]:
    """Order the tests so that each process starts with its share of those marked `long`.

    With `--dist worksteal`, pytest-xdist gives each process a section of the list. A process that has finished its own
    takes tests from the end of another section.
    """
    is_long = {item: item.get_closest_marker("long") is not None for item in items}
    long = [item for item in items if is_long[item]]
    others = iter([item for item in items if not is_long[item]])
    ordered: list[pytest.Item] = []
    for process in range(processes):
        size = (len(items) - len(ordered)) // (processes - process)
        section = long[process::processes]
        ordered += [*section, *(next(others) for _ in range(size - len(section)))]
    assert len(ordered) == len(items)
    return ordered
