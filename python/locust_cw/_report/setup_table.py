"""The set-up of the test: a table of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._report.scales import elapsed, number, utc
from locust_cw._report.view import Cell, Head, Part, Table, TableRow
from locust_cw._runs.entry import Entry
from locust_cw._runs.public_url import public_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from locust_cw._report.findings import Findings

# Options that are secret, that mean something on the machine of the test only, or that have rows of their own.
_HIDDEN = frozenset(("external_id", "spool_dir", "profile", "role_arn", "run_id", "tag", "check"))


def setup_part(findings: Findings) -> Part:
    """The set-up of the test."""
    heads = (Head("Setting", is_text=True), Head("Value", is_text=True))
    rows = tuple(TableRow((Cell(name, "text"), Cell(value, "text"))) for name, value in _rows(findings) if value)
    return Part("Test set-up", table=Table(heads, rows))


def _rows(findings: Findings) -> Iterator[tuple[str, str]]:
    record, setup = findings.record, findings.record.setup
    yield "Run", record.run_id
    yield "State", Entry.of(record).state(findings.read_at)
    yield "Host", record.host or ", ".join(dict.fromkeys(row.host for row in findings.rows if row.host))
    yield "Time", f"{utc(findings.started)} to {utc(findings.stopped)} UTC ({elapsed(findings.seconds)})"
    yield "Users", _users(findings)
    yield "User classes", str(setup.get("user_classes", ""))
    yield "Shape", str(setup.get("shape", ""))
    yield "Workers", f"{findings.workers:,}" if findings.workers else ""
    yield "Run time", _run_time(setup.get("run_time_s"))
    yield "Tags", ", ".join(f"{name}={value}" for name, value in record.tags.items())
    yield "Targets", ", ".join(record.targets)
    yield "Options", ", ".join(_options(record.options))
    versions = {"locust_cw": "locust-cw", "locust": "Locust", "python": "Python"}
    yield "Versions", ", ".join(f"{title} {setup[name]}" for name, title in versions.items() if name in setup)


def _users(findings: Findings) -> str:
    setup = findings.record.setup
    wanted, rate = setup.get("target_users"), setup.get("spawn_rate")
    parts = [f"{findings.highest_users:,.0f} at most"] if findings.highest_users else []
    parts += [f"{wanted:,} wanted"] if isinstance(wanted, int) and wanted != findings.highest_users else []
    parts += [f"{number(float(rate))}/s spawned"] if isinstance(rate, int | float) else []
    return ", ".join(parts)


def _run_time(seconds: object) -> str:
    return elapsed(float(seconds)) if isinstance(seconds, int | float) else ""


def _options(options: dict[str, Any]) -> Iterator[str]:
    """The options that differ from their defaults, as a command line has them."""
    defaults = _core.default_options()
    if options.get("local"):
        # Its address is not the user's choice.
        options = {name: value for name, value in options.items() if name != "endpoint_url"}
    for name, value in sorted(options.items()):
        if name in _HIDDEN or value is None or value == defaults.get(name):
            continue
        option = f"--cw-{name.replace('_', '-')}"
        if isinstance(value, bool):
            yield option if value else f"no {option}"
        elif isinstance(value, list):
            yield from (f"{option} {each}" for each in value)
        elif isinstance(value, dict):
            yield from (f"{option} {key}={each}" for key, each in value.items())
        else:
            yield f"{option} {public_url(value) if name == 'endpoint_url' else value}"
