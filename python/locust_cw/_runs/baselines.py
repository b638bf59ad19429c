"""Baselines: names of runs that later runs are compared with, each with the time at which it was set or removed."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from locust_cw import _core

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_NAME = "default"
MAX_NAME_CHARS = 256
FORMAT = 1
_GENERATED_RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}")


@dataclass(frozen=True)
class Baseline:
    """What was last done with a name.

    Attributes:
        name: The name, such as that of a branch.
        run_id: The run; None if the baseline was removed for all machines.
        time: When it was set or removed, in seconds since the epoch.
        is_local: Whether only this machine knows it. It then takes precedence on this machine.

    """

    name: str
    run_id: str | None
    time: float
    is_local: bool = False

    def as_fields(self) -> dict[str, Any]:
        """The baseline as JSON."""
        return asdict(self)

    @classmethod
    def from_fields(cls, values: object) -> Baseline | None:
        """Read what `as_fields` has written; None if it is not a baseline."""
        if not isinstance(values, dict):
            return None
        try:
            found = cls(**{name: values[name] for name in _NAMES if name in values})
        except TypeError:
            return None
        return found if found._is_valid else None

    @property
    def _is_valid(self) -> bool:
        return (
            isinstance(self.name, str)
            and problem_with(self.name) is None
            and (self.run_id is None or _is_run_id(self.run_id))
            and isinstance(self.time, int | float)
            and 0 <= self.time < _core.DATES_END
            and isinstance(self.is_local, bool)
        )


_NAMES = tuple(each.name for each in fields(Baseline))


def problem_with(name: str) -> str | None:
    """Why a text cannot be the name of a baseline; None if it can."""
    if not name.strip():
        return "must not be empty"
    if len(name) > MAX_NAME_CHARS:
        return f"has {len(name)} characters, and a name has at most {MAX_NAME_CHARS}"
    if name != name.strip() or not name.isprintable():
        return f"{name!r} begins or ends with a space, or has a character that cannot be shown"
    if is_generated_run_id(name):
        return f"{name} is a run ID, and not a name"
    return None


def check_base(name: str) -> None:
    """Check a value of `--cw-baseline`: the name of a baseline, or a run ID.

    Raises:
        InvalidOptionError: If it can be neither.

    """
    if not is_generated_run_id(name) and (problem := problem_with(name)):
        raise _core.InvalidOptionError("baseline", problem)


def is_generated_run_id(text: str) -> bool:
    """Whether a text has the form of the run IDs that locust-cw generates. No baseline has such a name."""
    return _GENERATED_RUN_ID.fullmatch(text) is not None


def newest_of(found: Iterable[Baseline]) -> dict[str, Baseline]:
    """The newest entry of each name. Of two entries of the same time, the later one in the order counts."""
    newest: dict[str, Baseline] = {}
    for each in found:
        known = newest.get(each.name)
        if known is None or each.time >= known.time:
            newest[each.name] = each
    return newest


def chosen(local: Baseline | None, shared: Baseline | None) -> Baseline | None:
    """The baseline that counts on this machine; None if there is none, or it was removed."""
    if local is not None and local.is_local:
        return local
    newest = max((each for each in (local, shared) if each is not None), key=lambda each: each.time, default=None)
    return None if newest is None or newest.run_id is None else newest


def _is_run_id(text: object) -> bool:
    if not isinstance(text, str):
        return False
    try:
        _core.check_options({"run_id": text})
    except _core.InvalidOptionError:
        return False
    return True
