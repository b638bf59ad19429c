"""The results of a comparison as Markdown, for the summary of a job in GitHub Actions."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from locust_cw._checks.markdown import MAX_BYTES, code, escaped
from locust_cw._checks.wording import utc
from locust_cw._comparison.wording import change_text, interval_text, label, tolerance_text, value_text

if TYPE_CHECKING:
    from locust_cw._comparison.results import ComparedRuns, ComparisonVerdict, Group, Row

_SIGNS: dict[ComparisonVerdict, str] = {"slower": "❌", "faster": "✅", "same": "✅", "undecided": "⚠️"}
_TABLE_HEAD = "| request | measure | base | run | change | 95% interval | verdict |\n|---|---|--:|--:|--:|--:|---|\n"


def markdown_of(compared: ComparedRuns, max_bytes: int = MAX_BYTES) -> str:
    """A section with a heading, a table and notes. It ends with a line break.

    Args:
        compared: The comparison.
        max_bytes: The size limit of the section. Requests that do not fit are omitted and counted.

    Returns:
        The section; an empty text if not even the heading fits.

    """
    sign = _SIGNS[compared.verdict]
    head = f"## {sign} Comparison with {escaped(compared.base_name)}: {compared.verdict}\n\n"
    base, run = compared.base, compared.run
    notes = "".join(f"- {escaped(note)}\n" for note in (*compared.notes, *compared.reasons))
    end = (
        f"\n{notes}\nRun {code(run.run_id)} of {utc(run.started)}, {run.seconds:,.0f} s; base of {utc(base.started)},"
        f" {base.seconds:,.0f} s. {tolerance_text(compared.tolerance)}\n"
    )
    parts = [_rows(group) for group in compared.groups]
    whole = "".join([head, _TABLE_HEAD, *parts, end])
    if len(whole.encode()) <= max_bytes:
        return whole
    more = "\n{} further requests are in the output of `locust-cw compare --json`.\n"
    room = max_bytes - len("".join([head, _TABLE_HEAD, more.format(len(parts)), end]).encode())
    if room < 0:
        return ""
    sizes = accumulate(len(part.encode()) for part in parts)
    shown = sum(size <= room for size in sizes)
    return "".join([head, _TABLE_HEAD, *parts[:shown], more.format(len(parts) - shown), end])


def _rows(group: Group) -> str:
    name = escaped(group.name) if group.request is None else code(group.name)
    return "".join(_row(name if index == 0 else "", row) for index, row in enumerate(group.rows))


def _row(name: str, row: Row) -> str:
    verdict = "" if row.verdict is None else f"{_SIGNS[row.verdict]} {row.verdict}"
    numbers = (value_text(row.base, row.unit), value_text(row.run, row.unit), change_text(row), interval_text(row))
    return f"| {' | '.join((name, label(row), *map(escaped, numbers), verdict))} |\n"
