"""The results of checks as text, JUnit XML and Markdown, for any request name."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from markdown_it import MarkdownIt

from locust_cw._checks.files import ResultFiles
from locust_cw._checks.junit import junit_of
from locust_cw._checks.markdown import MAX_BYTES, code, markdown_of
from locust_cw._checks.output import CheckResults
from locust_cw._checks.results import RecordedResult, overall, recorded_results
from locust_cw._checks.text import text_of
from locust_cw._checks.wording import quantity
from support.check_results import FAILED, PASSED, STARTED, UNDECIDED, checked_run, of_request
from support.paths import TESTS

SCHEMA = etree.XMLSchema(etree.parse(TESTS / "support" / "junit.xsd"))
HOSTILE = [
    "a|b",
    "a\\|b",
    "`code` ``more``",
    "<script>alert(1)</script> &amp;",
    "*bold* _it_ ~~x~~ [link](http://a.test) ![](b) $x$ @user #1 :+1:",
    "two\nlines\r\nand\ttabs",
    "\x1b[31mred\x00\x07\x9b\ufffe\ud800",
    "]]> <!-- -->",
    "한글 이름 🚀",
    '"quoted: name"',
]


# Quantities


@pytest.mark.parametrize(
    ("value", "unit", "limit", "text"),
    [
        (212.4, "ms", 300, "212 ms"),
        (4.2, "ms", 300, "4.2 ms"),
        (0.0, "ms", 300, "0 ms"),
        (2413.0, "ms", 2000, "2.41 s"),
        (300.4, "ms", 300, "300.4 ms"),  # three digits would show the limit
        (299.96, "ms", 300, "299.96 ms"),
        (300.0, "ms", 300, "300 ms"),
        (2000.01, "ms", 2000, "2.00001 s"),
        (0.3456, "%", 1, "0.346%"),
        (100.0, "%", 1, "100%"),
        (512.34, "1/s", 500, "512/s"),
        (1_234_567, "count", 10_000, "1,234,567"),
        (10241.0, "", 10000, "10,241"),
        (1204.4, "MB", 2000, "1,204 MB"),
        (-3.25, "", 0, "-3.25"),
        (1e300, "", 0, f"{1e300:,.0f}"),
        (float("inf"), "ms", 1, "inf s"),
    ],
)
def test_a_value_has_three_digits_and_more_if_they_decide(value: float, unit: str, limit: float, text: str) -> None:
    assert quantity(value, unit, limit) == text


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_a_value_is_shown_on_its_side_of_the_limit(value: float, limit: float) -> None:
    shown = float(quantity(value, "", limit).replace(",", ""))
    assert (shown < limit, shown == limit) == (value < limit, value == limit)


# Text


def test_the_text_has_a_headline_and_a_line_for_each_check() -> None:
    assert text_of(checked_run(), colors=False) == (
        "Checks: 1 passed, 1 failed, 1 undecided\n"
        "passed          212 ms  p95 < 300ms\n"
        "failed           2.35%  failures < 1%  (first breach at 2026-11-22 11:04:31 UTC)\n"
        "undecided            -  POST /checkout: p99 <= 0.8s  (fewer than 10 requests are slower than p99)\n"
    )


def test_the_text_says_what_limits_the_results() -> None:
    text = text_of(checked_run(PASSED, warmup_s=30.0, is_approximate=True), colors=False)
    headline, _, *notes = text.splitlines()
    assert headline == "Checks: 1 passed"
    assert len(notes) == 2
    assert notes[0] == "The first 30 s of the test do not count (--cw-warmup)."
    assert notes[1].startswith("With --cw-source master, response times are rounded")


def test_colors_add_nothing_but_colors() -> None:
    colored = text_of(checked_run(), colors=True)
    assert "\x1b[31mfailed   \x1b[0m" in colored
    assert "\x1b[31m1 passed, 1 failed, 1 undecided\x1b[0m" in colored
    assert re.sub(r"\x1b\[\d+m", "", colored) == text_of(checked_run(), colors=False)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_request_name_changes_neither_lines_nor_terminal(name: str) -> None:
    text = text_of(checked_run(of_request(name)), colors=False)
    assert text.count("\n") == 2
    assert all(line.isprintable() for line in text.splitlines())


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        (["passed", "undecided", "failed"], "failed"),
        (["passed", "undecided"], "undecided"),
        (["passed", "passed"], "passed"),
        ([], None),
    ],
)
def test_one_check_that_has_not_passed_decides(verdicts: list[object], verdict: str | None) -> None:
    assert overall(verdicts) == verdict  # type: ignore[arg-type]


# JUnit XML


def parsed(text: str) -> etree._Element:
    """The root of a valid document."""
    document = etree.fromstring(text.encode())
    SCHEMA.assertValid(document)
    return document


def test_the_junit_file_has_a_case_for_each_check() -> None:
    (suite,) = parsed(junit_of(checked_run()))
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped", "time", "timestamp")}
    assert counts == {
        "tests": "3",
        "failures": "2",
        "errors": "0",
        "skipped": "0",
        "time": "600.000",
        "timestamp": "2026-11-22T11:03:01",
    }
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == [each.expression for each in (PASSED, FAILED, UNDECIDED)]
    assert {case.get("classname") for case in cases} == {"locust-cw.checks"}
    assert len(cases[0]) == 0


def test_an_undecided_check_is_a_failure_with_its_reason() -> None:
    """Some readers do not count the element `error`."""
    failed, undecided = parsed(junit_of(checked_run())).findall(".//failure")
    assert (failed.get("type"), failed.get("message")) == ("failed", "measured 2.35%")
    assert undecided.get("type") == "undecided"
    assert undecided.get("message") == "undecided: fewer than 10 requests are slower than p99"
    for failure in (failed, undecided):
        assert failure.get("message") in failure.text
        assert "20261122T110301Z-7f3a" in failure.text


@pytest.mark.parametrize("name", HOSTILE)
def test_the_junit_file_is_valid_with_any_request_name(name: str) -> None:
    document = parsed(junit_of(checked_run(of_request(name), host=name)))
    if name.isprintable():
        assert document.find(".//testcase").get("name") == f"{name}: p95 < 300ms"


@given(st.text(), st.text())
def test_the_junit_file_is_valid_with_any_text(name: str, reason: str) -> None:
    result = replace(of_request(name), reason=reason, verdict="undecided")
    parsed(junit_of(checked_run(result, run_id=reason, host=name)))


# Markdown


def rendered(text: str) -> etree._Element:
    """The HTML, as GitHub's flavor of Markdown makes it."""
    html = MarkdownIt("gfm-like", {"linkify": False}).render(text)
    return etree.fromstring(f"<div>{html}</div>", etree.HTMLParser())


def cells(text: str) -> list[list[str]]:
    """The text of each row of the table."""
    return [["".join(cell.itertext()) for cell in row.findall("td")] for row in rendered(text).iterfind(".//tbody/tr")]


def test_the_markdown_has_a_heading_and_a_table() -> None:
    text = markdown_of(checked_run(warmup_s=30.0))
    assert text.startswith("## Load test 20261122T110301Z-7f3a: 1 passed, 1 failed, 1 undecided\n")
    assert text.endswith("2026-11-22 11:03:01 UTC, 600 s. The first 30 s of the test do not count (--cw-warmup).\n")
    assert cells(text) == [
        ["✅ passed", "p95 < 300ms", "212 ms", ""],
        ["❌ failed", "failures < 1%", "2.35%", "first breach at 2026-11-22 11:04:31 UTC"],
        ["⚠️ undecided", "POST /checkout: p99 <= 0.8s", "-", "fewer than 10 requests are slower than p99"],
    ]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_request_name_is_shown_as_it_is(name: str) -> None:
    text = markdown_of(checked_run(of_request(name), PASSED, host=name))
    first, second = cells(text)
    shown = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in " ".join(name.split()))
    assert first[1] == f"{shown}: p95 < 300ms"
    assert first[3] == shown
    assert second[1] == PASSED.expression
    tags = {element.tag for element in rendered(text).iter() if isinstance(element.tag, str)}
    assert tags <= {"html", "body", "div", "h2", "p", "table", "thead", "tbody", "tr", "th", "td", "code"}


@given(st.text())
def test_any_text_is_one_cell(name: str) -> None:
    assert [len(row) for row in cells(markdown_of(checked_run(of_request(name), PASSED)))] == [4, 4]


def test_usual_checks_are_readable_in_the_file_itself() -> None:
    assert code("GET /item/[id]: p95 < 300ms") == "`GET /item/[id]: p95 < 300ms`"


def test_the_markdown_keeps_to_the_limit_of_github() -> None:
    many = [of_request(f"{index}{'|' * 1000}") for index in range(400)]
    text = markdown_of(checked_run(*many))
    assert len(text.encode()) <= MAX_BYTES
    shown = len(re.findall(r"^\| \S+ failed \|", text, re.MULTILINE))
    assert 0 < shown < 400
    assert f"\n{400 - shown} further checks are in the receipt.\n" in text
    assert markdown_of(checked_run(), max_bytes=10) == ""


# Files


def test_the_markdown_is_appended_and_the_xml_replaced(tmp_path: Path) -> None:
    junit, summary = tmp_path / "checks.xml", tmp_path / "summary.md"
    junit.write_text("an earlier file")
    summary.write_text("# Build\n", encoding="utf-8")
    files = ResultFiles(junit, str(summary))
    assert files.write(CheckResults(checked_run()))
    assert files.write(CheckResults(checked_run(PASSED)))
    parsed(junit.read_text(encoding="utf-8"))
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("# Build\n\n## Load test ")
    assert text.count("\n\n## Load test ") == 2


def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    files = ResultFiles("checks.xml")
    monkeypatch.chdir("elsewhere")
    assert files.write(CheckResults(checked_run()))
    assert (tmp_path / "checks.xml").is_file()


def test_a_file_that_cannot_be_written_is_named_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gone, summary = tmp_path / "gone" / "checks.xml", tmp_path / "summary.md"
    assert not ResultFiles(gone, summary).write(CheckResults(checked_run()))
    (record,) = caplog.records
    assert record.getMessage() == (f"locust-cw could not write the results to {gone}: No such file or directory")
    assert summary.is_file()


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_a_path_that_cannot_be_is_no_exception(path: str, caplog: pytest.LogCaptureFixture) -> None:
    assert not ResultFiles(path, path).write(CheckResults(checked_run()))
    assert len(caplog.records) == 2


def test_a_summary_without_room_is_left_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """GitHub would show nothing of it any more."""
    summary = tmp_path / "summary.md"
    summary.write_text("x" * (MAX_BYTES - 20))
    assert not ResultFiles(summary=summary).write(CheckResults(checked_run()))
    assert "GitHub shows at most 1,048,576" in caplog.text
    assert summary.stat().st_size == MAX_BYTES - 20


# Recorded results

ENTRY = {
    "expression": "failures < 1%",
    "verdict": "failed",
    "measured": 2.345,
    "limit": 1,
    "first_breach": "2026-11-22T11:04:31Z",
    "unit": "%",
    "reason": None,
}


def test_a_receipt_keeps_the_results() -> None:
    assert recorded_results([ENTRY]) == [FAILED]
    bare = {key: ENTRY[key] for key in ("expression", "verdict", "measured", "limit", "first_breach")}
    assert recorded_results([bare]) == [replace(FAILED, unit="")]


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "maybe"},
        {"measured": "2"},
        {"limit": None},
        {"limit": True},
        {"first_breach": "soon"},
        {"first_breach": 1},
        {"unit": None},
        {"reason": 1},
        {"expression": None},
    ],
    ids=str,
)
def test_what_is_no_result_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"not the result|Invalid isoformat"):
        recorded_results([ENTRY | changes])


def test_the_time_of_a_breach_is_in_utc() -> None:
    assert recorded_results([ENTRY])[0].first_breach == STARTED + 90
    assert isinstance(FAILED, RecordedResult)
