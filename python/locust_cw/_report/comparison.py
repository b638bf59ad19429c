"""The table of changes between two runs, for the page of a report."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from locust_cw._comparison.wording import change_text, interval_text, label, tolerance_text, value_text
from locust_cw._report.scales import elapsed, utc
from locust_cw._report.view import Section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from locust_cw._comparison.results import ComparedRuns, Group, Row, Side

_HEADS = (
    ("Request", "text"), ("Measure", "text"), ("Base", ""), ("Run", ""), ("Change", ""), ("95% interval", ""),
    ("Verdict", "text"),
)  # fmt: skip


def changes(compared: ComparedRuns) -> Section:
    """The part of the page with the verdict, both runs and the table: the most relevant changes first."""
    return Section(f"Comparison with {compared.base_name}: {compared.verdict}", "".join(_html(compared)))


def _html(compared: ComparedRuns) -> Iterator[str]:
    for note in compared.notes:
        yield _paragraph(note)
    yield _paragraph(f"Base: {_side(compared.base)}. Run: {_side(compared.run)}.")
    yield '<div class="wide"><table>\n<thead><tr>'
    yield from (f'<th{_class(kind)} scope="col">{head}</th>' for head, kind in _HEADS)
    yield "</tr></thead>\n<tbody>\n"
    for group in compared.groups:
        yield from _rows(group)
    yield "</tbody>\n</table></div>\n"
    for reason in compared.reasons:
        yield _paragraph(reason)
    yield _paragraph(f"{tolerance_text(compared.tolerance)} Lines of the base are dashed in the charts.")


def _paragraph(text: str) -> str:
    return f'<p class="when">{escape(text)}</p>\n'


def _side(side: Side) -> str:
    users = "" if side.users is None else f", {side.users:,} users"
    return f"{side.run_id}, {utc(side.started)} UTC, {elapsed(side.seconds)} min, {side.requests:,} requests{users}"


def _rows(group: Group) -> Iterator[str]:
    for index, row in enumerate(group.rows):
        cells = (
            (group.name if index == 0 else "", "text"),
            (label(row), "text"),
            (value_text(row.base, row.unit), ""),
            (value_text(row.run, row.unit), ""),
            (change_text(row), _kind(row)),
            (interval_text(row), ""),
            (row.verdict or "", f"text {_kind(row)}".rstrip()),
        )
        yield "<tr>"
        yield from (f"<td{_class(kind)}>{escape(text)}</td>" for text, kind in cells)
        yield "</tr>\n"


def _kind(row: Row) -> str:
    return row.verdict if row.verdict in ("slower", "faster", "undecided") else ""


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
