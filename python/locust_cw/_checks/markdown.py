"""The results of checks as Markdown, for the summary of a job in GitHub Actions."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING

from locust_cw._checks.results import explanation, measured
from locust_cw._checks.wording import one_line, utc

if TYPE_CHECKING:
    from locust_cw._checks.results import CheckedRun, CheckVerdict, Result

MAX_BYTES = 1024 * 1024
"""The largest step summary that GitHub accepts. It does not show a larger one at all."""

_SIGNS: dict[CheckVerdict, str] = {"passed": "✅", "failed": "❌", "undecided": "⚠️"}
_TABLE_HEAD = "| verdict | check | measured | note |\n|---|---|--:|---|\n"
# Characters with a meaning in Markdown or in HTML, including the extensions of GitHub: links, mentions, formulas. A
# colon between digits belongs to a time.
_SPECIAL = re.compile(r"[\\`*_~\[\]<>|&#!@$]|(?<!\d):|:(?!\d)")
# A code span keeps all other characters as they are, and stays readable in the file itself.
_UNFIT_FOR_CODE_SPAN = re.compile(r"[`|\\]")


def markdown_of(run: CheckedRun, max_bytes: int = MAX_BYTES) -> str:
    """A section with a heading, a table and notes. It ends with a line break.

    Args:
        run: The run.
        max_bytes: The size limit of the section. Rows that do not fit are omitted and counted.

    Returns:
        The section; an empty text if not even the heading fits.

    """
    head = f"## Load test {escaped(run.run_id)}: {run.counts}\n\n"
    where = f"{escaped(run.host)}, " if run.host else ""
    end = f"\n{where}{utc(run.started)}, {run.seconds:,.0f} s. {' '.join(map(escaped, run.notes))}".rstrip() + "\n"
    rows = [_row(result) for result in run.results]
    whole = "".join([head, _TABLE_HEAD, *rows, end])
    if len(whole.encode()) <= max_bytes:
        return whole
    more = "\n{} further checks are in the receipt.\n"
    room = max_bytes - len("".join([head, _TABLE_HEAD, more.format(len(rows)), end]).encode())
    if room < 0:
        return ""
    sizes = accumulate(len(row.encode()) for row in rows)
    shown = sum(size <= room for size in sizes)
    return "".join([head, _TABLE_HEAD, *rows[:shown], more.format(len(rows) - shown), end])


def _row(result: Result) -> str:
    verdict = f"{_SIGNS[result.verdict]} {result.verdict}"
    cells = (verdict, code(result.expression), escaped(measured(result)), escaped(explanation(result)))
    return f"| {' | '.join(cells)} |\n"


def escaped(text: str) -> str:
    """The text on one line, without any character that has a meaning in Markdown or HTML."""
    return _SPECIAL.sub(_entity, one_line(text))


def code(text: str) -> str:
    """The text on one line, as code in a cell of a table."""
    line = one_line(text)
    if line and not _UNFIT_FOR_CODE_SPAN.search(line):
        return f"`{line}`"
    # A code span has no way to contain a pipe that all readers understand.
    return f"<code>{escaped(line)}</code>"


def _entity(match: re.Match[str]) -> str:
    return f"&#{ord(match[0])};"
