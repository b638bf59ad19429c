"""The table of checks: their results so far while the test runs, and afterwards the final ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from locust_cw._checks.results import explanation, measured
from locust_cw._checks.wording import one_line, quantity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locust_cw._checks.results import Result

Stage: TypeAlias = Literal["running", "judging", "over"]
"""The state of a run: it has not stopped, its checks wait for data, or the results are final."""

TITLES: dict[Stage, str] = {
    "running": "Checks so far",
    "judging": "Checks: waiting for the last data",
    "over": "Checks",
}


@dataclass(frozen=True)
class CheckTable:
    """The table of checks: text without markup.

    Attributes:
        title: The title.
        rows: The cells of each check, in the order of the columns.
        columns: The titles of the columns.

    """

    title: str
    rows: list[list[str]]
    columns: tuple[str, ...] = ("Check", "Result", "Measured", "Limit", "Note")


def check_table(results: Sequence[Result], stage: Stage) -> CheckTable:
    """The table of these results."""
    return CheckTable(TITLES[stage], [_row(result) for result in results])


def _row(result: Result) -> list[str]:
    limit = quantity(result.limit, result.unit, result.limit)
    return [one_line(result.expression), result.verdict, measured(result), limit, explanation(result)]
