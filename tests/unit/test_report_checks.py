"""The section of the report with the results of checks."""

from __future__ import annotations

from typing import Any

from lxml import etree

from locust_cw._report.gather import gather
from locust_cw._report.page import render
from locust_cw._runs.record import Record

STARTED = 1.8e9
HOSTILE = "GET /<b>x</b>\x1b[31m: p95 < 300ms"
COUNTS = dict.fromkeys(("observed", "delivered"), 10) | dict.fromkeys(("spooled", "rejected", "dropped"), 0)
CHECKS: list[dict[str, Any]] = [
    {"expression": "rps >= 500", "verdict": "passed", "measured": 512.3, "limit": 500.0, "unit": "/s"},
    {
        "expression": HOSTILE,
        "verdict": "failed",
        "measured": 2413.0,
        "limit": 300.0,
        "unit": "ms",
        "first_breach": "2027-01-15T08:00:30Z",
    },
    {"expression": "max < 5s", "verdict": "undecided", "measured": None, "limit": 5000.0, "reason": "no requests"},
]


def page(checks: list[dict[str, Any]] | None) -> str:
    """The report of a run whose receipt has these checks; None for one of an older version."""
    series = [{"dimensions": {"Host": "http://h.test"}, "requests": 10, "failures": 0}]
    receipt = {"requests": COUNTS, "failures": COUNTS, "log_events": COUNTS, "uncertain": 0}
    receipt |= {} if checks is None else {"checks": checks}
    record = Record("r", {}, STARTED, stopped=STARTED + 60, receipt=receipt, series=series)

    def answer(_: str, **asked: Any) -> dict[str, Any]:
        point = {"Timestamps": [asked["StartTime"]], "Values": [1.0]}
        return {"MetricDataResults": [{"Id": query["Id"], **point} for query in asked["MetricDataQueries"]]}

    return render(gather(record, [], lambda _: answer, STARTED + 100), STARTED + 100)


def test_the_report_shows_each_check_with_its_value() -> None:
    document = etree.fromstring(page(CHECKS).encode(), etree.HTMLParser(encoding="utf-8"))
    assert "Checks: 1 passed, 1 failed, 1 undecided" in [each.text for each in document.iter("h2")]
    table = document.find(".//table")
    rows = [["".join(cell.itertext()) for cell in row] for row in table.iterfind("tbody/tr")]
    assert rows == [
        ["passed", "rps >= 500", "512/s", ""],
        ["failed", "GET /<b>x</b>�[31m: p95 < 300ms", "2,413 ms", "first breach at 2027-01-15 08:00:30 UTC"],
        ["undecided", "max < 5s", "-", "no requests"],
    ]


def test_a_run_without_checks_has_no_such_section() -> None:
    assert "Checks:" not in page([])
    assert "Checks:" not in page(None)
