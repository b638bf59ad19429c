"""The order of the tests: long ones first, so that none runs alone at the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pytest


def long_tests_first(items: Sequence[pytest.Item], processes: int) -> list[pytest.Item]:
    """Order the tests so that each process starts with its share of those marked `long`.

    With `--dist worksteal`, pytest-xdist gives each process a section of the list. A process that has finished its own
    takes tests from the end of another section. Long tests of a file are in one section, because they may share a
    browser.
    """
    files: defaultdict[Path, list[pytest.Item]] = defaultdict(list)
    others: list[pytest.Item] = []
    for item in items:
        (files[item.path] if item.get_closest_marker("long") else others).append(item)
    sections: list[list[pytest.Item]] = [[] for _ in range(processes)]
    for file in sorted(files.values(), key=len, reverse=True):
        min(sections, key=len).extend(file)
    rest = iter(others)
    ordered: list[pytest.Item] = []
    for number, section in enumerate(sections):
        size = (len(items) - len(ordered)) // (processes - number)
        ordered += [*section, *islice(rest, max(0, size - len(section)))]
    assert len(ordered) == len(items)
    return ordered
