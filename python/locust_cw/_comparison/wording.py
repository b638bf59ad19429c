"""Values, changes and intervals of a comparison, as all outputs show them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from locust_cw._checks.wording import quantity
from locust_cw._comparison.results import LABELS

if TYPE_CHECKING:
    from locust_cw._comparison.results import Row

NONE = "-"
_PERCENT = "%"
_RATE = "1/s"
_WHOLE_FROM = 10.0
"""Percentages from here on are shown without decimals."""


def label(row: Row) -> str:
    """The measure of a row."""
    return LABELS.get(row.measure, row.measure)


def value_text(value: float | None, unit: str) -> str:
    """A value with its unit; a dash if there is none."""
    # A rate is shown in a row of its own name.
    return NONE if value is None else quantity(value, "" if unit == _RATE else unit, -math.inf)


def change_text(row: Row) -> str:
    """The change, such as `+12%`, or `+0.4 pp` for percentage points; a dash if it is unknown."""
    return NONE if row.change is None else f"{_signed(row.change, row.unit)}{_suffix(row.unit)}"


def interval_text(row: Row) -> str:
    """The 95 % interval of the change, such as `+8 to +16%`; a dash if it is unknown."""
    if row.interval is None:
        return NONE
    low, high = row.interval
    return f"{_signed(low, row.unit)} to {_signed(high, row.unit)}{_suffix(row.unit)}"


def in_words(row: Row) -> str:
    """The change of a row in one line: the measure, both values, the change and its interval."""
    values = f"{value_text(row.base, row.unit)} to {value_text(row.run, row.unit)}"
    interval = "" if row.interval is None else f", 95% interval {interval_text(row)}"
    return f"{label(row)} {values} ({change_text(row)}{interval})"


def percent_text(share: float) -> str:
    """A share in percent, such as `5%`."""
    return f"{share * 100:g}%"


def tolerance_text(tolerance: float) -> str:
    """What counts as the same, in a sentence."""
    # The tolerance of the core for shares is a tenth of that for times.
    return f"Changes of up to {percent_text(tolerance)} ({tolerance * 10:g} pp of failures) count as the same."


def _suffix(unit: str) -> str:
    return " pp" if unit == _PERCENT else "%"


def _signed(share: float, unit: str) -> str:
    percent = share * 100
    decimals = (2 if abs(percent) < 1 else 1) if unit == _PERCENT else (1 if abs(percent) < _WHOLE_FROM else 0)
    text = f"{percent:+,.{decimals}f}"
    # Neither `+0.0` nor `-0.0` has a direction.
    return text.lstrip("+-") if not float(text.replace(",", "")) else text
