"""The page: findings and charts as one HTML file without external resources. The only module that imports Jinja2."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._checks.results import counts_of, explanation, measured, recorded_results
from locust_cw._checks.wording import one_line
from locust_cw._report.findings import PERCENTILES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from locust_cw._report.chart import Chart
    from locust_cw._report.findings import Findings, Row

_TEMPLATE = "page.html.jinja"
_NO_VALUE = "-"
_PRECISE_BELOW_MS = 10


@dataclass(frozen=True)
class _Card:
    """A number at the top of the page."""

    name: str
    value: str
    detail: str = ""


@dataclass(frozen=True)
class _Checks:
    counts: str
    rows: tuple[_CheckRow, ...]


@dataclass(frozen=True)
class _CheckRow:
    verdict: str
    expression: str
    measured: str
    note: str


@dataclass(frozen=True)
class _TableRow:
    is_total: bool
    has_failures: bool
    texts: tuple[str, ...]
    requests: str
    failures: tuple[str, ...]
    numbers: tuple[str, ...]


@dataclass(frozen=True)
class _Table:
    text_heads: tuple[str, ...]
    number_heads: tuple[str, ...]
    rows: tuple[_TableRow, ...]


def render(findings: Findings, charts: Sequence[Chart], now: float) -> str:
    """The report as HTML.

    Args:
        findings: What the report says.
        charts: Its charts.
        now: The time of its creation, in seconds since the epoch.

    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    template = environment.from_string(files(__package__).joinpath(_TEMPLATE).read_text(encoding="utf-8"))
    hosts = dict.fromkeys(row.host for row in findings.rows if row.host)
    return template.render(
        run_id=findings.record.run_id,
        host=findings.record.host or ", ".join(hosts),
        started=_utc(findings.started),
        stopped=_utc(findings.stopped),
        verdict=findings.verdict,
        is_saturated=findings.saturation.time is not None,
        moment=_moment(findings),
        cards=list(_cards(findings)),
        notes=findings.notes,
        checks=_checks(findings),
        charts=charts,
        table=_table(findings),
        prices_as_of=_core.PRICES_AS_OF,
        created=_utc(now),
    )


def _utc(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def _moment(findings: Findings) -> str:
    found = findings.saturation
    if found.time is None:
        return ""
    minutes, seconds = divmod(round(found.time - findings.started), 60)
    when = f"{minutes}:{seconds:02} after the start, at {_utc(found.time)} UTC"
    return f"This load was first reached {when}: {found.reason}."


def _cards(findings: Findings) -> Iterator[_Card]:
    total = findings.total
    share = total.failures / total.requests if total.requests else 0.0
    yield _Card("Requests", f"{total.requests:,}")
    yield _Card("Failures", f"{total.failures:,}", f"{share:.2%}")
    yield _Card("Requests/s, mean", f"{total.requests_per_s:,.1f}", f"highest {findings.highest_rate:,.0f}")
    for name, value in zip(PERCENTILES, total.percentiles, strict=True):
        if value is not None:
            yield _Card(f"Response time, {name}", _ms(value), "ms")
    if total.percentiles[0] is None and total.mean is not None:
        yield _Card("Response time, mean", _ms(total.mean), "ms")
    if findings.highest_users:
        yield _Card("Users, highest", f"{findings.highest_users:,.0f}")
    if findings.workers:
        yield _Card("Workers", f"{findings.workers:,}")
    minutes, seconds = divmod(round(findings.seconds), 60)
    yield _Card("Duration", f"{minutes}:{seconds:02}", "min")
    yield _delivery(findings)
    if (cost := findings.record.receipt.get("estimated_cost_usd")) is not None:
        yield _Card("Cost in CloudWatch", f"${cost:,.4f}", "estimate")


def _delivery(findings: Findings) -> _Card:
    """How much of what was observed CloudWatch has, and whether the receipt agrees with Locust's totals."""
    receipt = findings.record.receipt
    requests = receipt.get("requests", {})
    observed, delivered = requests.get("observed", 0), requests.get("delivered", 0)
    details = [f"{requests[fate]:,} {fate}" for fate in ("spooled", "rejected", "dropped") if requests.get(fate)]
    if (reconciled := receipt.get("reconciled")) is not None:
        details.append("agrees with Locust" if reconciled else "differs from Locust's totals")
    share = f"{delivered / observed:.1%}" if observed and delivered != observed else "all"
    return _Card("Delivered", share, ", ".join(details))


def _checks(findings: Findings) -> _Checks:
    results = recorded_results(findings.record.receipt.get("checks", []))
    rows = [
        _CheckRow(result.verdict, one_line(result.expression), measured(result), explanation(result))
        for result in results
    ]
    return _Checks(counts_of(results), tuple(rows))


def _table(findings: Findings) -> _Table:
    rows = [findings.total, *(each for row in findings.rows for each in (row, *row.methods))]
    with_hosts = len({row.host for row in findings.rows if row.host}) > 1
    with_methods = any(row.method for row in rows)
    return _Table(
        text_heads=("Name", *(["Method"] if with_methods else []), *(["Host"] if with_hosts else [])),
        number_heads=(
            *("Requests", "Failures", "Failed", "Requests/s", "Mean ms"),
            *(f"{name} ms" for name in PERCENTILES),
        ),
        rows=tuple(
            _table_row(row, with_methods=with_methods, with_hosts=with_hosts, is_total=index == 0)
            for index, row in enumerate(rows)
        ),
    )


def _table_row(row: Row, *, with_methods: bool, with_hosts: bool, is_total: bool) -> _TableRow:
    share = row.failures / row.requests if row.requests else 0.0
    return _TableRow(
        is_total=is_total,
        has_failures=bool(row.failures),
        texts=(
            "All requests" if is_total else row.name or "All requests of this host",
            *([row.method or ("all" if row.methods else "")] if with_methods else []),
            *(["" if is_total else row.host] if with_hosts else []),
        ),
        requests=f"{row.requests:,}",
        failures=(f"{row.failures:,}", f"{share:.2%}"),
        numbers=(f"{row.requests_per_s:,.1f}", *map(_ms, (row.mean, *row.percentiles))),
    )


def _ms(value: float | None) -> str:
    if value is None:
        return _NO_VALUE
    return f"{value:,.0f}" if value >= _PRECISE_BELOW_MS else f"{value:.1f}"
