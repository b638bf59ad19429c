"""Values, times and names of checks, as all outputs show them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

_SIGNIFICANT_DIGITS = 3
_MAX_DECIMALS = 15
_MS_PER_S = 1000
# Units of the core that are written differently after a number.
_WRITTEN = {"count": "", "1/s": "/s"}
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def quantity(value: float, unit: str, limit: float) -> str:
    """A measured value with its unit, such as `212 ms`, `2.41 s` or `0.35%`.

    A value has three significant digits, or as many as are necessary to see on which side of its limit it is.

    Args:
        value: The value.
        unit: The unit of value and limit, as `Check.unit` names it.
        limit: The limit of the check.

    """
    if unit == "ms" and abs(value) >= _MS_PER_S:
        value, limit, unit = value / _MS_PER_S, limit / _MS_PER_S, "s"
    unit = _WRITTEN.get(unit, unit)
    separator = " " if unit.isalpha() else ""
    return f"{_rounded(value, limit)}{separator}{unit}"


def _rounded(value: float, limit: float) -> str:
    if not math.isfinite(value):
        return str(value)
    digits_before_point = math.floor(math.log10(abs(value))) + 1 if value else 1
    decimals = max(0, _SIGNIFICANT_DIGITS - digits_before_point)
    for number in range(decimals, max(decimals, _MAX_DECIMALS) + 1):
        text = f"{value:,.{number}f}"
        if _side(float(text.replace(",", "")), limit) == _side(value, limit):
            return text.rstrip("0").rstrip(".") if "." in text else text
    return repr(value)


def _side(value: float, limit: float) -> int:
    return (value > limit) - (value < limit)


def utc(seconds: float) -> str:
    """A point in time, given in seconds since the epoch, such as `2026-11-22 11:03:01 UTC`."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def one_line(text: str) -> str:
    """The text on one line, without characters that cannot be shown.

    They are replaced, because they can change a terminal, and XML does not permit them.
    """
    return "".join(each if each.isprintable() else _REPLACEMENT for each in " ".join(text.split()))
