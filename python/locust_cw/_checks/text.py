"""The results of checks as text for the terminal, with or without colors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust_cw._checks.results import explanation, measured
from locust_cw._checks.wording import one_line
from locust_cw._terminal.styles import BOLD, FAINT, GREEN, RED, YELLOW, paint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from locust_cw._checks.results import CheckedRun, CheckVerdict, Result

COLORS: dict[CheckVerdict, str] = {"passed": GREEN, "failed": RED, "undecided": YELLOW}
_VERDICT_WIDTH = 9
_MEASURED_WIDTH = 12


def text_of(run: CheckedRun, *, colors: bool) -> str:
    """The headline, one line per check, and notes. It ends with a line break.

    The expression is the last column, because a terminal shows some characters of a request name two columns wide.
    """
    return "".join(f"{line}\n" for line in _lines(run, colors=colors))


def _lines(run: CheckedRun, *, colors: bool) -> Iterator[str]:
    yield f"{_styled(BOLD, 'Checks:', colors=colors)} {_styled(_color(run.verdict), run.counts, colors=colors)}"
    for result in run.results:
        yield _row(result, colors=colors)
    yield from run.notes


def _row(result: Result, *, colors: bool) -> str:
    verdict = _styled(_color(result.verdict), f"{result.verdict:{_VERDICT_WIDTH}}", colors=colors)
    why = explanation(result)
    note = _styled(FAINT, f"  ({why})", colors=colors) if why else ""
    return f"{verdict} {measured(result):>{_MEASURED_WIDTH}}  {one_line(result.expression)}{note}"


def _color(verdict: CheckVerdict | None) -> str:
    return YELLOW if verdict is None else COLORS[verdict]


def _styled(color: str, text: str, *, colors: bool) -> str:
    return paint(color, text) if colors else text
