"""The validity of a record that was read: its file may be damaged, or written by another version."""

from __future__ import annotations

from types import NoneType
from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._checks.results import recorded_results

if TYPE_CHECKING:
    from collections.abc import Mapping

_NUMBER = (int, float)
_FORMS: dict[str, type | tuple[type, ...]] = {
    "run_id": str,
    "options": dict,
    "started": _NUMBER,
    "ramped_up": (*_NUMBER, NoneType),
    "stopped": (*_NUMBER, NoneType),
    "updated": (*_NUMBER, NoneType),
    "host": (str, NoneType),
    "targets": list,
    "checks": list,
    "tags": dict,
    "users": (int, NoneType),
    "p95_ms": (*_NUMBER, NoneType),
    "dashboard": (str, NoneType),
    "receipt": dict,
    "series": list,
    "destination": dict,
    "replays": list,
    "measured_from": (*_NUMBER, NoneType),
    "measured_until": (*_NUMBER, NoneType),
    "setup": dict,
    "lacks_reports": bool,
    "marks": list,
    "custom_metrics": list,
}
_TIMES = ("started", "ramped_up", "stopped", "updated", "measured_from", "measured_until")
GROUPS = ("requests", "failures", "log_events")
"""The groups of a receipt."""
_COUNTS = ("observed", "delivered", "spooled", "rejected", "dropped")
# The core counts with 64 bits.
_TOO_LARGE = 2**64
REQUEST_DIMENSIONS = frozenset({"Request", "Method", "RunId"})
"""The dimensions of a series that is no roll-up of a host."""


def problem_of(fields: Mapping[str, Any]) -> str | None:
    """Why the fields of a record are not valid; None if they are."""
    for name, form in _FORMS.items():
        if not isinstance(fields[name], form):
            return f"{name} has an invalid value"
    times = {name: fields[name] for name in _TIMES}
    valid = {name: when is None or 0 <= when < _core.DATES_END for name, when in times.items()} | {
        "targets": all(isinstance(target, str) for target in fields["targets"]),
        "checks": all(isinstance(check, str) for check in fields["checks"]),
        "tags": all(isinstance(value, str) for value in fields["tags"].values()),
        "receipt": not fields["receipt"] or _is_receipt(fields["receipt"]),
        "series": all(map(_is_series, fields["series"])),
        "destination": all(value is None or isinstance(value, str) for value in fields["destination"].values()),
        "setup": all(isinstance(value, str | int | float) for value in fields["setup"].values()),
        "marks": all(map(_is_mark, fields["marks"])),
        "custom_metrics": all(map(_is_custom_metric, fields["custom_metrics"])),
        "replays": all(isinstance(replay, dict) for replay in fields["replays"]),
    }
    if invalid := [name for name, is_valid in valid.items() if not is_valid]:
        return f"{invalid[0]} has an invalid value"
    known = _core.default_options().keys() & fields["options"].keys()
    try:
        _core.check_options({name: fields["options"][name] for name in known} | {"run_id": fields["run_id"]})
    except _core.InvalidOptionError as error:
        return str(error)
    return None


def _is_receipt(receipt: dict[str, Any]) -> bool:
    groups = [receipt.get(name) for name in GROUPS]
    cost = receipt.get("estimated_cost_usd", 0)
    return (
        all(isinstance(each, dict) and all(_is_count(each.get(key)) for key in _COUNTS) for each in groups)
        and _is_count(receipt.get("uncertain"))
        and isinstance(cost, int | float)
        and abs(cost) < _TOO_LARGE
        and _are_check_results(receipt.get("checks", []))
    )


def _are_check_results(entries: object) -> bool:
    if not isinstance(entries, list):
        return False
    try:
        recorded_results(entries)
    except ValueError:
        return False
    return True


def _is_series(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("dimensions"), dict)
        and all(isinstance(text, str) for text in entry["dimensions"].values())
        # Each series has one of these, the roll-up of a host included.
        and bool(entry["dimensions"].keys() & {"Host", *REQUEST_DIMENSIONS})
        and all(_is_count(entry.get(key)) for key in ("requests", "failures"))
    )


def _is_mark(entry: object) -> bool:
    return (
        isinstance(entry, list)
        and list(map(type, entry)) in ([float, str], [int, str])
        and 0 <= entry[0] < _core.DATES_END
    )


def _is_custom_metric(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and all(isinstance(entry.get(key), str) for key in ("name", "kind", "unit"))
        and isinstance(entry.get("dimensions"), list)
        and all(isinstance(name, str) for name in entry["dimensions"])
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < _TOO_LARGE
