"""The page: findings as one HTML file without external resources. The only module that imports Jinja2."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
from importlib.resources import files
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._report.baseline import lines_of
from locust_cw._report.request_details import error_part, slowest_part
from locust_cw._report.scales import elapsed, utc
from locust_cw._report.setup_table import setup_part
from locust_cw._report.svg_levels import draw_levels
from locust_cw._report.svg_panel import Layout, draw_panel
from locust_cw._report.tables import cards, check_part, request_part
from locust_cw._report.time_axis import TimeAxis
from locust_cw._report.view import Charts, Link, Part
from locust_cw._runs.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from locust_cw._report.findings import Findings, Group
    from locust_cw._report.view import Section


class NoPageError(Exception):
    """Jinja2 is not installed. The message says how to install it."""


def require() -> None:
    """Check that Jinja2 is installed, which comes with Locust.

    Raises:
        NoPageError: If it is not.

    """
    if importlib.util.find_spec("jinja2") is None:
        raise NoPageError("a report needs jinja2: run pip install 'locust-cw[report]'")


def render(
    findings: Findings, now: float, *, sections: Sequence[Section] = (), baseline: Findings | None = None
) -> str:
    """The report as HTML.

    Args:
        findings: What the report says.
        now: The time of its creation, in seconds since the epoch.
        sections: Further parts, which are shown near the top.
        baseline: Another run. Its lines are drawn dashed and gray, aligned by the time since the start.

    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    style, script = _source("page.css"), _source("page.js")
    return environment.from_string(_source("page.html.jinja")).render(
        policy=_policy(style, script),
        style=style,
        script=script,
        run_id=findings.record.run_id,
        state=_state(findings),
        when=_when(findings),
        verdict=[line for line in (findings.verdict, findings.resources) if line],
        is_saturated=findings.saturation.time is not None,
        moment=_moment(findings),
        links=[Link(title, url) for title, url in findings.links.items()],
        sections=sections,
        cards=list(cards(findings)),
        notes=findings.notes,
        parts=list(_parts(findings, baseline)),
        footer=_footer(now),
    )


def _source(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """The page's Content Security Policy."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _state(findings: Findings) -> str:
    """The state of a run that has not simply ended."""
    state = Entry.of(findings.record).state(findings.read_at)
    return "" if state == "finished" else state


def _when(findings: Findings) -> str:
    hosts = dict.fromkeys(row.host for row in findings.rows if row.host)
    host = findings.record.host or ", ".join(hosts)
    return f"{host} · {utc(findings.started)} to {utc(findings.stopped)} UTC"


def _moment(findings: Findings) -> str:
    found = findings.saturation
    if found.time is None:
        return ""
    when = f"{elapsed(found.time - findings.started)} after the start, at {utc(found.time)} UTC"
    return f"This load was first reached {when}: {found.reason}."


def _footer(now: float) -> str:
    return (
        "Response times are those of successful requests. Each point is drawn in the middle of its period. Times are in"
        f" UTC. The cost is an estimate with prices of {_core.PRICES_AS_OF}. Created by locust-cw at {utc(now)}."
    )


def _parts(findings: Findings, baseline: Findings | None) -> Iterator[Part]:
    if (checks := check_part(findings)) is not None:
        yield checks
    axis = TimeAxis.of(findings)
    groups = tuple(_charts(group, axis, baseline) for group in findings.groups if group.panels)
    if groups:
        yield Part("Load and target on one time axis", groups)
    if levels := draw_levels(findings.saturation, findings.latency_is):
        yield Part("Throughput and response time by load", (Charts("", tuple(levels), in_pairs=True),))
    yield request_part(findings)
    if findings.names:
        names = tuple(_small_charts(group, axis, baseline) for group in findings.names)
        yield Part("Main requests over time", names, remark=_most(findings))
    yield from (part for part in (error_part(findings), slowest_part(findings)) if part is not None)
    yield setup_part(findings)


def _most(findings: Findings) -> str:
    number = sum(max(1, len(row.methods)) for row in findings.rows if row.name)
    drawn = len(findings.names)
    return f"The {drawn} names with the most requests, of {number}." if number > drawn else ""


def _small_charts(group: Group, axis: TimeAxis, baseline: Findings | None) -> Charts:
    """The charts of a name, next to each other."""
    layout = Layout(with_times=True, is_small=True)
    lines = [lines_of(baseline, group, panel) for panel in group.panels]
    drawings = (draw_panel(panel, axis, layout, other) for panel, other in zip(group.panels, lines, strict=True))
    return Charts(group.title, tuple(drawings), in_pairs=True)


def _charts(group: Group, axis: TimeAxis, baseline: Findings | None) -> Charts:
    last = len(group.panels) - 1
    drawings = [
        draw_panel(
            panel, axis, Layout(with_names=index == 0, with_times=index == last), lines_of(baseline, group, panel)
        )
        for index, panel in enumerate(group.panels)
    ]
    return Charts(group.title, tuple(drawings))
