"""Sizes in readable units."""

from __future__ import annotations

_KB = 1024


def human_bytes(number: int) -> str:
    """A size, such as `1.5 MB`."""
    if number < _KB:
        return f"{number} B"
    size, unit = number / _KB, "KB"
    for larger in ("MB", "GB"):
        if size < _KB:
            break
        size, unit = size / _KB, larger
    return f"{size:.1f} {unit}"
