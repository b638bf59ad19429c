"""Failures by type, and the slowest requests: tables of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust_cw._report.scales import elapsed, number, utc
from locust_cw._report.view import Cell, Head, Part, Table, TableRow

if TYPE_CHECKING:
    from locust_cw import _core
    from locust_cw._report.findings import Findings

MAX_TYPES = 20
"""Most types of errors with rows of their own."""
_MOST_REQUESTS = 3


def error_part(findings: Findings) -> Part | None:
    """Failures by type; None without failures."""
    errors = findings.errors
    if not errors:
        return None
    total = sum(error.failures for error in errors)
    rows = [_error_row(error, total, findings.started) for error in errors[:MAX_TYPES]]
    heads = (
        Head("Type", is_text=True),
        Head("Failures"),
        Head("Share"),
        Head("Requests", is_text=True),
        Head("First", is_text=True),
        Head("First error", is_text=True),
    )
    rest = errors[MAX_TYPES:]
    failures = sum(error.failures for error in rest)
    remark = f"And {failures:,} failures of {len(rest):,} other types." if rest else ""
    return Part("Errors", table=Table(heads, tuple(rows)), remark=remark)


def _error_row(error: _core.ErrorTotals, total: int, started: float) -> TableRow:
    shown = [f"{_name(method, name)}: {number:,}" for method, name, number in error.requests[:_MOST_REQUESTS]]
    if more := len(error.requests) - len(shown):
        shown.append(f"{more:,} more")
    first = error.first
    return TableRow(
        (
            Cell(error.error_type or ("unknown" if error.error_type is None else "without a name"), "type bad"),
            Cell(f"{error.failures:,}"),
            Cell(f"{error.failures / total:.1%}"),
            Cell(", ".join(shown), "text"),
            _time(first, started) if first is not None else Cell("", "text"),
            Cell(first.error or "", "text", _where(first)) if first is not None else Cell("", "text"),
        )
    )


def _where(request: _core.SingleRequest) -> str:
    status = f" with status {request.status}" if request.status is not None else ""
    return f"{_name(request.method, request.name)}{status}"


def slowest_part(findings: Findings) -> Part | None:
    """The slowest requests; None without one."""
    if not findings.slowest:
        return None
    heads = (
        Head("Time", is_text=True),
        Head("Request", is_text=True),
        Head("Response time ms"),
        Head("Status"),
        Head("Users"),
        Head("Context", is_text=True),
    )
    rows = tuple(_slow_row(request, findings.started) for request in findings.slowest)
    return Part("Slowest successful requests", table=Table(heads, rows), remark=_USERS)


_USERS = "Users are those of the process that made the request, when it completed."


def _slow_row(request: _core.SingleRequest, started: float) -> TableRow:
    return TableRow(
        (
            _time(request, started),
            Cell(_name(request.method, request.name), "text"),
            Cell("-" if request.response_ms is None else number(request.response_ms, "ms")),
            Cell("-" if request.status is None else str(request.status)),
            Cell(f"{request.users:,}"),
            Cell(", ".join(f"{name}={value}" for name, value in request.context), "text"),
        )
    )


def _time(request: _core.SingleRequest, started: float) -> Cell:
    return Cell(elapsed(max(0.0, request.time - started)), "time", f"{utc(request.time)[11:]} UTC")


def _name(method: str, name: str) -> str:
    return f"{method} {name}".strip()
