"""The result of a check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

State: TypeAlias = Literal["ok", "failed", "skipped"]

_MARKS: dict[State, str] = {"ok": "ok     ", "failed": "FAILED ", "skipped": "skipped"}


@dataclass(frozen=True)
class Check:
    """The result of a check.

    Attributes:
        name: What was checked.
        state: The result; `skipped` if it could not be checked.
        text: What was found.
        remedy: What to do if it failed.

    """

    name: str
    state: State
    text: str
    remedy: str | None = None

    @property
    def lines(self) -> str:
        """The result for the terminal."""
        remedy = f"\n{'':25}-> {self.remedy}" if self.remedy else ""
        return f"{_MARKS[self.state]} {self.name:16} {self.text}{remedy}\n"
