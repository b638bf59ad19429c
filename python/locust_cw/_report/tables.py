"""The cards and tables of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust_cw._checks.results import counts_of, explanation, measured, recorded_results
from locust_cw._checks.wording import one_line
from locust_cw._report.findings import PERCENTILES
from locust_cw._report.scales import number
from locust_cw._report.view import Card, Cell, Head, Part, Table, TableRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from locust_cw._checks.results import RecordedResult
    from locust_cw._report.findings import Findings, Row

_NO_VALUE = "-"


def cards(findings: Findings) -> Iterator[Card]:
    """The numbers at the top of the page."""
    total = findings.total
    yield Card("Requests", f"{total.requests:,}")
    yield Card("Failures", f"{total.failures:,}", _share(total))
    yield Card("Requests/s, mean", f"{total.requests_per_s:,.1f}", f"highest {findings.highest_rate:,.0f}")
    for name, value in zip(PERCENTILES, total.percentiles, strict=True):
        if value is not None:
            yield Card(f"Response time, {name}", _ms(value), "ms")
    if total.percentiles[0] is None and total.mean is not None:
        yield Card("Response time, mean", _ms(total.mean), "ms")
    if findings.highest_users:
        yield Card("Users, highest", f"{findings.highest_users:,.0f}")
    if findings.workers:
        yield Card("Workers", f"{findings.workers:,}")
    minutes, seconds = divmod(round(findings.seconds), 60)
    yield Card("Duration", f"{minutes}:{seconds:02}", "min")
    if findings.record.receipt:
        yield _delivery(findings)
    if (cost := findings.record.receipt.get("estimated_cost_usd")) is not None:
        yield Card("Cost in CloudWatch", f"${cost:,.4f}", "estimate")


def _delivery(findings: Findings) -> Card:
    """How much of what was observed CloudWatch has, and whether the receipt agrees with Locust's totals."""
    receipt = findings.record.receipt
    requests = receipt.get("requests", {})
    observed, delivered = requests.get("observed", 0), requests.get("delivered", 0)
    details = [f"{requests[fate]:,} {fate}" for fate in ("spooled", "rejected", "dropped") if requests.get(fate)]
    if (reconciled := receipt.get("reconciled")) is not None:
        details.append("agrees with Locust" if reconciled else "differs from Locust's totals")
    share = f"{delivered / observed:.1%}" if observed and delivered != observed else "all"
    return Card("Delivered", "none: dry run" if findings.record.option("dry_run") else share, ", ".join(details))


def check_part(findings: Findings) -> Part | None:
    """The results of the checks; None without checks."""
    results = recorded_results(findings.record.receipt.get("checks", []))
    if not results:
        return None
    rows = (
        TableRow(
            (
                Cell(result.verdict, f"text {result.verdict}"),
                Cell(one_line(result.expression), "text"),
                Cell(_measured(result)),
                Cell(explanation(result), "text"),
            )
        )
        for result in results
    )
    heads = (Head("Verdict", is_text=True), Head("Check", is_text=True), Head("Measured"), Head("Note", is_text=True))
    return Part(f"Checks: {counts_of(results)}", table=Table(heads, tuple(rows)))


def _measured(result: RecordedResult) -> str:
    """The value of a check. All response times of the page are in milliseconds."""
    if result.unit == "ms" and result.measured is not None:
        return f"{number(result.measured, 'ms')} ms"
    return measured(result)


def request_part(findings: Findings) -> Part:
    """The table of requests by name."""
    rows = [findings.total, *(each for row in findings.rows for each in (row, *row.methods))]
    with_hosts = len({row.host for row in findings.rows if row.host}) > 1
    with_methods = any(row.method for row in rows)
    heads = (
        *(Head(title, is_text=True) for title in _texts("Name", "Method", "Host", with_methods, with_hosts)),
        *(Head(title) for title in ("Requests", "Failures", "Failed", "Requests/s", "Mean ms")),
        *(Head(f"{name} ms") for name in PERCENTILES),
    )
    shown = [
        _request_row(row, with_methods=with_methods, with_hosts=with_hosts, is_total=index == 0)
        for index, row in enumerate(rows)
    ]
    return Part("Requests by name", table=Table(heads, tuple(shown)))


def _texts(name: str, method: str, host: str, with_methods: bool, with_hosts: bool) -> Sequence[str]:  # noqa: FBT001 - of the columns
    return [name, *([method] if with_methods else []), *([host] if with_hosts else [])]


def _request_row(row: Row, *, with_methods: bool, with_hosts: bool, is_total: bool) -> TableRow:
    name = "All requests" if is_total else row.name or "All requests of this host"
    method = row.method or ("all" if row.methods else "")
    kind = "bad" if row.failures else ""
    cells = (
        *(Cell(text, "text") for text in _texts(name, method, "" if is_total else row.host, with_methods, with_hosts)),
        Cell(f"{row.requests:,}"),
        Cell(f"{row.failures:,}", kind),
        Cell(_share(row), kind),
        Cell(f"{row.requests_per_s:,.1f}"),
        *(Cell(_ms(value)) for value in (row.mean, *row.percentiles)),
    )
    return TableRow(cells, is_total)


def _share(row: Row) -> str:
    return f"{row.failures / row.requests if row.requests else 0.0:.2%}"


def _ms(value: float | None) -> str:
    return _NO_VALUE if value is None else number(value, "ms")
