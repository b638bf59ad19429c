"""Scales of charts, and numbers and times as readers see them. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime

_MINUTE, _HOUR = 60, 3600
_PRECISE_BELOW = 10
_TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_MOST_TIMES = 12
_KILO = 1000

# CloudWatch's units as readers know them.
UNITS = {"Milliseconds": "ms", "Percent": "%", "Bytes": "B", "Bytes/s": "B/s", "Count": "", "None": ""}

MILLISECONDS_OF = {"Seconds": 1000.0, "Microseconds": 0.001}
"""Milliseconds of CloudWatch's other units of time. A report shows response times in milliseconds only."""


def number(value: float, unit: str = "") -> str:
    """A number without its unit: as many digits as readers need. Bytes have a prefix."""
    if unit in ("B", "B/s"):
        return _bytes(value)
    if abs(value) >= _PRECISE_BELOW or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if unit in ("ms", "%") else f"{value:.3g}"


def quantity(value: float, unit: str = "") -> str:
    """A number with its unit."""
    if unit in ("B", "B/s"):
        return f"{_bytes(value)}{unit}"
    return f"{number(value, unit)}{'' if unit == '%' else ' '}{unit}".rstrip()


def _bytes(value: float) -> str:
    prefixes = ("", "k", "M", "G", "T", "P")
    index = 0
    while abs(value) >= _KILO and index < len(prefixes) - 1:
        value /= _KILO
        index += 1
    digits = f"{value:.0f}" if value >= _PRECISE_BELOW or value == int(value) else f"{value:.1f}"
    return f"{digits} {prefixes[index]}"


def ticks(highest: float, most: int) -> list[float]:
    """Round values from 0 to at least `highest`, at most about `most` of them."""
    if not (math.isfinite(highest) and highest > 0):
        highest = 1.0
    raw = highest / max(1, most)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    count = math.ceil(highest / step * 0.999)
    return [index * step for index in range(count + 1)]


def time_ticks(length: float) -> list[float]:
    """Seconds since the start at which a time axis has a label."""
    step = next((step for step in _TIME_STEPS if length / step <= _MOST_TIMES), _TIME_STEPS[-1])
    return [float(second) for second in range(0, int(length) + 1, step)]


def elapsed(seconds: float) -> str:
    """Seconds since the start, such as 1:05 or 2:00:00."""
    whole = round(abs(seconds))
    sign = "-" if seconds < 0 and whole else ""
    hours, minutes = whole // _HOUR, whole % _HOUR // _MINUTE
    return f"{sign}{hours}:{minutes:02}:{whole % _MINUTE:02}" if hours else f"{sign}{minutes}:{whole % _MINUTE:02}"


def utc(seconds: float) -> str:
    """A point in time, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
