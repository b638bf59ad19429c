"""The results of a comparison as text for the terminal, with or without colors, at most 100 columns wide."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from locust_cw._checks.wording import one_line, utc
from locust_cw._comparison.results import counts_of
from locust_cw._comparison.wording import change_text, interval_text, label, tolerance_text, value_text
from locust_cw._terminal.styles import BOLD, FAINT, GREEN, RED, YELLOW, paint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from locust_cw._comparison.results import ComparedRuns, ComparisonVerdict, Group, Row, Side

COLUMNS = 100
"""The width of the text."""

_NAME_COLUMNS = 50
"""Most columns of the name of the base in a line."""

MAX_REQUESTS = 20
"""Most requests with rows of their own."""

_COLORS: dict[ComparisonVerdict | None, str | None] = {
    "slower": RED,
    "faster": GREEN,
    "undecided": YELLOW,
    "same": None,
}
_HEADS = ("base", "run", "change", "95% interval", "verdict")
_INDENT = "  "
_LEAST_WIDTHS = (10, 10, 9, 15)


def text_of(compared: ComparedRuns, *, colors: bool) -> str:
    """The headline, both runs, the table and notes. It ends with a line break."""

    def styled(color: str | None, text: str) -> str:
        return paint(color, text) if colors and color is not None else text

    return "".join(f"{line}\n" for line in _lines(compared, styled))


def headline_of(compared: ComparedRuns) -> tuple[str, str]:
    """What is compared, and the verdict with the number of requests with each."""
    name = _short(compared.base.run_id if compared.baseline is None else one_line(compared.baseline), _NAME_COLUMNS)
    counts = f" (requests: {compared.counts})" if compared.counts else ""
    return f"Comparison with {name}:", f"{compared.verdict}{counts}"


def _lines(compared: ComparedRuns, styled: Callable[[str | None, str], str]) -> Iterator[str]:
    head, verdict = headline_of(compared)
    yield f"{styled(BOLD, head)} {styled(_COLORS[compared.verdict], verdict)}"
    yield f"base  {compared.base.run_id}{_side(compared.base)}"
    yield f"run   {compared.run.run_id}{_side(compared.run)}"
    for note in compared.notes:
        yield from _wrapped(note)
    groups = compared.groups
    shown = [group for group in groups[: MAX_REQUESTS + 1] if group.rows]
    yield ""
    yield from _table(shown, styled)
    yield ""
    if others := groups[MAX_REQUESTS + 1 :]:
        yield f"{len(others)} more requests: {counts_of(others)} (--json has all rows)"
    for reason in compared.reasons:
        yield from _wrapped(reason)
    yield styled(FAINT, tolerance_text(compared.tolerance))


def _side(side: Side) -> str:
    minutes, seconds = divmod(round(side.seconds), 60)
    users = "" if side.users is None else f", {side.users:,} users"
    return f"  {utc(side.started)}, {minutes}:{seconds:02} min, {side.requests:,} requests{users}"


def _table(groups: Sequence[Group], styled: Callable[[str | None, str], str]) -> Iterator[str]:
    cells = [_cells(row) for group in groups for row in group.rows]
    first = max((len(label(row)) for group in groups for row in group.rows), default=0)
    widths = [max(least, *map(len, column)) for least, column in zip(_LEAST_WIDTHS, _columns(cells), strict=True)]
    heads = [head.rjust(width) for head, width in zip(_HEADS[:-1], widths, strict=True)]
    yield styled(FAINT, "  ".join([f"{_INDENT}{'':{first}}", *heads, _HEADS[-1]]))
    for group in groups:
        yield styled(BOLD, _short(group.name, COLUMNS))
        for row in group.rows:
            numbers = [cell.rjust(width) for cell, width in zip(_cells(row), widths, strict=True)]
            line = "  ".join([f"{_INDENT}{label(row):{first}}", *numbers])
            yield f"{line}  {styled(_COLORS[row.verdict], row.verdict)}" if row.verdict is not None else line


def _cells(row: Row) -> tuple[str, str, str, str]:
    return value_text(row.base, row.unit), value_text(row.run, row.unit), change_text(row), interval_text(row)


def _columns(rows: Sequence[tuple[str, str, str, str]]) -> list[tuple[str, ...]]:
    return [tuple(head) for head in zip(_HEADS, *rows, strict=False)][: len(_LEAST_WIDTHS)] if rows else [("",)] * 4


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, COLUMNS)
