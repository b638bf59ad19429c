"""The marks of users in a report."""

from __future__ import annotations

from typing import Any

import pytest
from lxml import etree

from locust_cw._report import chart
from locust_cw._report.findings import Findings
from locust_cw._report.gather import gather
from locust_cw._report.page import render
from locust_cw._report.time_axis import MAX_USER_MARKS, TimeAxis
from locust_cw._runs.record import Record

STARTED = 1.8e9
COUNTS = dict.fromkeys(("observed", "delivered"), 10) | dict.fromkeys(("spooled", "rejected", "dropped"), 0)


def findings(*marks: tuple[float, str]) -> Findings:
    """Those of a run of a minute with marks at these seconds."""
    series = [{"dimensions": {"Host": "http://h.test"}, "requests": 10, "failures": 0}]
    receipt = {"requests": COUNTS, "failures": COUNTS, "log_events": COUNTS, "uncertain": 0}
    record = Record("r", {}, STARTED, stopped=STARTED + 60, receipt=receipt, series=series)
    record.marks = [[STARTED + second, text] for second, text in marks]

    def answer(_: str, **asked: Any) -> dict[str, Any]:
        point = {"Timestamps": [asked["StartTime"]], "Values": [1.0]}
        return {"MetricDataResults": [{"Id": query["Id"], **point} for query in asked["MetricDataQueries"]]}

    return gather(record, [], lambda _: answer, STARTED + 100)


def names_on(page: str) -> list[str]:
    document = etree.fromstring(page.encode(), etree.HTMLParser(encoding="utf-8"))
    return ["".join(each.itertext()) for each in document.iterfind(".//svg//text[@class='name']")]


def test_marks_are_named_lines_and_no_markup() -> None:
    names = names_on(
        render(findings((20, "<b>deploy</b> began"), (40, "x" * 256), (500, "after the end")), STARTED + 100)
    )
    assert {"start", "stop", "<b>deploy</b> began", "x" * 39 + "…"} <= set(names)
    assert "after the end" not in names


def test_many_marks_leave_room_for_the_chart() -> None:
    """The newest are lines; names that have no room are left out, but those of the run stay."""
    many = findings(*((number / 2, f"a mark with a long name {number}") for number in range(100)))
    axis = TimeAxis.of(many)
    marks = [moment.name for moment in axis.moments if moment.kind == "mark"]
    assert marks == [f"a mark with a long name {number}" for number in range(80, 100)]
    assert len(marks) == MAX_USER_MARKS
    names = set(names_on(render(many, STARTED + 100)))
    assert {"start", "stop"} <= names
    assert 0 < len(names & set(marks)) < MAX_USER_MARKS


def test_the_image_has_marks_that_are_no_formulas() -> None:
    pytest.importorskip("matplotlib")
    assert chart.draw(findings((20, r"cost: $\invalid{ x$")))
