"""The page: findings and charts become one HTML file that needs nothing else to be read."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._report.findings import PERCENTILES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from locust_cw._report.chart import Chart
    from locust_cw._report.findings import Findings, Row

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; margin: 2rem auto; max-width: 1180px;
  padding: 0 1.5rem; }
h1 { font-size: 1.5rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
.when { color: #666; margin: .2rem 0 1.2rem; overflow-wrap: anywhere; }
.verdict { border-left: 5px solid #0072b2; background: #eef5fa; padding: .7rem 1rem; font-size: 1.1rem; }
.verdict.saturated { border-color: #b22222; background: #fbf0f0; }
.verdict small { display: block; font-size: .85rem; color: #555; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: .6rem; margin: 1.2rem 0; }
dl div { border: 1px solid #ddd; border-radius: 6px; padding: .5rem .75rem; }
dt { color: #666; font-size: .8rem; }
dd { margin: 0; font-size: 1.15rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
dd small { font-size: .8rem; color: #666; }
svg { width: 100%; height: auto; display: block; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid #eee; white-space: nowrap; }
th { color: #666; font-weight: 600; border-bottom: 2px solid #ccc; position: sticky; top: 0; background: #fff; }
th.text, td.text { text-align: left; white-space: normal; overflow-wrap: anywhere; }
tr.all td { font-weight: 600; border-bottom: 2px solid #ccc; }
td.bad { color: #b22222; }
.notes li { margin: .3rem 0; overflow-wrap: anywhere; }
footer { color: #777; font-size: .8rem; margin: 2.5rem 0 1rem; }
@media print { body { margin: 0; max-width: none; } th { position: static; } table, svg { page-break-inside: avoid; } }
"""
# Nothing may be loaded, not even if a name got through unescaped.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_NONE = "-"


def page(findings: Findings, charts: Sequence[Chart], now: float) -> str:
    """The report as HTML.

    Args:
        findings: What it tells.
        charts: Its drawings.
        now: When it was made, in seconds since the epoch.

    """
    run_id = escape(findings.record.run_id)
    host = findings.record.host or ", ".join(dict.fromkeys(row.host for row in findings.rows if row.host))
    drawings = "\n".join(
        f'<h2>{escape(chart.title)}</h2>\n<div role="img" aria-label="{escape(chart.title)}">{chart.svg}</div>'
        for chart in charts
    )
    notes = "".join(f"<li>{escape(note)}</li>" for note in findings.notes)
    saturated = " saturated" if findings.saturation.time is not None else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Load test {run_id}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Load test {run_id}</h1>
<p class="when">{escape(host)} · {_when(findings)}</p>
<p class="verdict{saturated}">{escape(findings.verdict)}<small>{escape(_moment(findings))}</small></p>
<dl>{_summary(findings)}</dl>
{f'<ul class="notes">{notes}</ul>' if notes else ""}
{drawings}
<h2>By name</h2>
{_table(findings)}
<footer>Response times are those of successful requests. A point stands in the middle of its period. Times are UTC. The
cost is an estimate, by prices of {escape(_core.PRICES_AS_OF)}. Made by locust-cw at {_utc(now)}.</footer>
</body>
</html>
"""


def _utc(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def _when(findings: Findings) -> str:
    return f"{_utc(findings.started)} to {_utc(findings.stopped)} UTC"


def _moment(findings: Findings) -> str:
    found = findings.saturation
    if found.time is None:
        return ""
    after = found.time - findings.started
    minutes, seconds = divmod(round(after), 60)
    when = f"{minutes}:{seconds:02} after the start, at {_utc(found.time)} UTC"
    return f"First under this load {when}: {found.reason}."


def _summary(findings: Findings) -> str:
    total, receipt = findings.total, findings.record.receipt
    rate = total.failures / total.requests if total.requests else 0.0
    minutes, seconds = divmod(round(findings.seconds), 60)
    cards = [
        ("Requests", f"{total.requests:,}", ""),
        ("Failures", f"{total.failures:,}", f"{rate:.2%}"),
        ("Requests/s, mean", f"{total.requests_per_s:,.1f}", f"highest {findings.highest_rate:,.0f}"),
    ]
    cards += [
        (f"Response time, {name}", _ms(value), "ms")
        for name, value in zip(PERCENTILES, total.percentiles, strict=True)
        if value is not None
    ]
    if total.percentiles[0] is None and total.mean is not None:
        cards.append(("Response time, mean", _ms(total.mean), "ms"))
    cards.append(("Users, highest", f"{findings.highest_users:,.0f}", ""))
    if findings.workers:
        cards.append(("Workers", f"{findings.workers:,}", ""))
    cards += [("Duration", f"{minutes}:{seconds:02}", "min"), ("Delivered", *_delivered(findings))]
    if (cost := receipt.get("estimated_cost_usd")) is not None:
        cards.append(("Cost of publishing", f"${cost:,.4f}", "estimate"))
    return "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)} <small>{escape(more)}</small></dd></div>"
        for name, value, more in cards
    )


def _delivered(findings: Findings) -> tuple[str, str]:
    """The receipt's state: how much of what was observed CloudWatch has, and whether it agrees with Locust."""
    requests = findings.record.receipt.get("requests", {})
    observed, delivered = requests.get("observed", 0), requests.get("delivered", 0)
    rest = [f"{requests[fate]:,} {fate}" for fate in ("spooled", "rejected", "dropped") if requests.get(fate)]
    reconciled = findings.record.receipt.get("reconciled")
    if reconciled is not None:
        rest.append("agrees with Locust" if reconciled else "differs from Locust's own totals")
    return (f"{delivered / observed:.1%}" if observed and delivered != observed else "all"), ", ".join(rest)


def _table(findings: Findings) -> str:
    rows = [findings.total, *findings.rows]
    hosts = len({row.host for row in findings.rows if row.host}) > 1
    methods = any(row.method for row in rows)
    head = ["Name", *(["Method"] if methods else []), *(["Host"] if hosts else [])]
    figures = ["Requests", "Failures", "Failed", "Requests/s", "Mean ms", *(f"{name} ms" for name in PERCENTILES)]
    text = "".join(f'<th class="text" scope="col">{name}</th>' for name in head)
    text += "".join(f'<th scope="col">{name}</th>' for name in figures)
    body = "\n".join(_row(row, methods=methods, hosts=hosts, of_all=index == 0) for index, row in enumerate(rows))
    return f"<table>\n<thead><tr>{text}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _row(row: Row, *, methods: bool, hosts: bool, of_all: bool) -> str:
    words: Iterable[str] = [
        "All requests" if of_all else row.name or "All of this host",
        *([row.method] if methods else []),
        *(["" if of_all else row.host] if hosts else []),
    ]
    share = row.failures / row.requests if row.requests else 0.0
    bad = ' class="bad"' if row.failures else ""
    cells = "".join(f'<td class="text">{escape(word)}</td>' for word in words)
    cells += f"<td>{row.requests:,}</td><td{bad}>{row.failures:,}</td><td{bad}>{share:.2%}</td>"
    cells += f"<td>{row.requests_per_s:,.1f}</td>"
    cells += "".join(f"<td>{_ms(value)}</td>" for value in (row.mean, *row.percentiles))
    kind = ' class="all"' if of_all else ""
    return f"<tr{kind}>{cells}</tr>"


def _ms(value: float | None) -> str:
    if value is None:
        return _NONE
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"  # noqa: PLR2004 - below, a tenth matters
