"""A comparison as text, JUnit XML and Markdown, for any request name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from markdown_it import MarkdownIt

from locust_cw._checks.files import ResultFiles
from locust_cw._checks.junit_document import document_of
from locust_cw._checks.markdown import MAX_BYTES
from locust_cw._checks.output import CheckResults
from locust_cw._comparison.markdown import markdown_of
from locust_cw._comparison.output import ComparisonResults, NoComparison
from locust_cw._comparison.results import ComparedRuns
from locust_cw._comparison.text import COLUMNS, MAX_REQUESTS, text_of
from locust_cw._comparison.tolerance import parse_tolerance
from locust_cw._core import InvalidOptionError
from locust_cw._report.comparison import changes
from support.check_results import checked_run
from support.comparisons import BASE, RUN, PlainRow, compared_runs, rows_of
from support.paths import TESTS

SCHEMA = etree.XMLSchema(etree.parse(TESTS / "support" / "junit.xsd"))
HOSTILE = ["a|b", "`code`", "<script>alert(1)</script>", "two\nlines", "\x1b[31mred\x00\ufffe", "한글 🚀", "x" * 300]
LOAD = "The runs have different loads: 505/s and 350/s."
FEW = "fewer than 10 requests are slower"


def undecided() -> ComparedRuns:
    return compared_runs(rows_of(None, "undecided", 0.01, LOAD), verdict="undecided", reasons_of_run=[LOAD])


# Text


def test_the_text_has_the_verdict_both_runs_and_the_slower_requests_first() -> None:
    text = text_of(compared_runs(), colors=False)
    lines = text.splitlines()
    assert lines[0] == "Comparison with main: slower (requests: 1 slower, 1 same)"
    assert lines[1].startswith("base  20261121T170544Z-01bc  2026-11-21 17:05:44 UTC, 10:00 min, 303,121 ")
    assert lines[2].startswith("run   20261122T110301Z-7f3a  2026-11-22 11:03:01 UTC, 10:00 min, 304,007 requests, 50 ")
    names = [line for line in lines if line in ("All requests", "GET /", "POST /checkout")]
    assert names == ["All requests", "POST /checkout", "GET /"]
    slower, _ = (line.split() for line in lines if line.startswith("  p95") and line.endswith("slower"))
    assert slower == ["p95", "212", "ms", "244", "ms", "+15%", "+11", "to", "+19%", "slower"]
    assert f"undecided (3): {FEW}" in lines
    assert lines[-1] == "Changes of up to 5% (0.5 pp of failures) count as the same."


def test_a_p99_with_too_few_requests_does_not_make_a_request_undecided() -> None:
    (group,) = compared_runs(rows_of("GET /")).groups
    assert group.verdict == "same"
    (group,) = compared_runs(rows_of("GET /", "undecided")).groups
    assert group.verdict == "undecided"


def test_the_text_says_why_there_is_no_verdict_and_what_differs() -> None:
    base = BASE.__class__(**vars(BASE) | {"host": "https://old.example", "warmup_s": 30.0, "is_approximate": True})
    lines = text_of(
        compared_runs(rows_of(None), base=base, reasons_of_run=[LOAD], verdict="undecided"), colors=False
    ).splitlines()
    assert lines[0] == "Comparison with main: undecided"
    assert LOAD in lines
    assert "The hosts differ: https://old.example and https://shop.example." in lines
    assert "The warm-up differs: 30 s and 0 s." in lines
    assert any("--cw-source master" in line for line in lines)
    # The reason of the run is not repeated for its rows, which may have others, too.
    assert text_of(undecided(), colors=False).count(LOAD) == 1
    runs = compared_runs(rows_of(None, "undecided", 0.01, LOAD, "Another one."), reasons_of_run=[LOAD])
    assert runs.reasons[0] == "undecided (1): Another one."
    assert runs.groups[0].reasons == [LOAD, "Another one.", FEW]


def test_many_requests_are_counted_and_not_listed() -> None:
    many = [rows_of(f"GET /{number}", "slower" if number == 77 else "same") for number in range(100)]
    text = text_of(compared_runs(rows_of(None), *many), colors=False)
    assert text.count("\n") < 6 * (MAX_REQUESTS + 3)
    assert text.index("GET /77\n") < text.index("GET /0\n")
    assert f"\n{100 - MAX_REQUESTS} more requests: {100 - MAX_REQUESTS} same (--json has all rows)\n" in text


def test_colors_add_nothing_but_colors() -> None:
    colored = text_of(compared_runs(), colors=True)
    assert "\x1b[31mslower\x1b[0m" in colored
    assert re.sub(r"\x1b\[\d+m", "", colored) == text_of(compared_runs(), colors=False)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_request_name_changes_neither_lines_nor_width(name: str) -> None:
    plain = text_of(compared_runs(rows_of("GET /")), colors=False)
    text = text_of(compared_runs(rows_of(name), baseline=name), colors=False)
    assert text.count("\n") == plain.count("\n")
    assert all(line.isprintable() for line in text.splitlines())
    assert all(len(line) <= COLUMNS for line in text.splitlines())


@pytest.mark.parametrize(
    ("row", "texts"),
    [
        (PlainRow(None, "p50", 1999.0, 2413.0, "ms", 0.207, (0.1, 0.3), "slower"), ("2 s", "2.41 s", "+21%")),
        (PlainRow(None, "p50", None, 12.0, "ms", None, None, "undecided"), (" - ", "12 ms", " - ")),
        (PlainRow(None, "failure_rate", 0.0, 1.25, "%", 0.0125, None, "slower"), ("0%", "1.25%", "+1.2 pp")),
        (PlainRow(None, "requests_per_second", 1234.5, 0.5, "1/s", -0.9996, None, None), ("1,234", "0.5", "-100%")),
    ],
)
def test_values_have_three_digits_and_changes_a_sign(row: PlainRow, texts: tuple[str, ...]) -> None:
    text = text_of(compared_runs([row]), colors=False)
    (line,) = [line for line in text.splitlines() if line.startswith("  ") and "interval" not in line]
    assert all(text in line for text in texts), line


# JSON


def test_the_json_has_the_keys_of_the_contract() -> None:
    shown = json.loads(json.dumps(compared_runs().as_json()))
    assert list(shown) == ["base", "run", "verdict", "rows"]
    assert (shown["base"], shown["run"], shown["verdict"]) == (BASE.run_id, RUN.run_id, "slower")
    assert list(shown["rows"][0]) == ["request", "measure", "base", "run", "change", "interval", "verdict", "why"]
    assert len(shown["rows"]) == 15


# JUnit XML


def parsed(*results: Any) -> etree._Element:
    document = etree.fromstring(document_of([each.suite() for each in results]).encode())
    SCHEMA.assertValid(document)
    return document


def test_the_junit_file_has_a_case_for_each_request() -> None:
    """Only what is slower is a failure."""
    (suite,) = parsed(ComparisonResults(compared_runs()))
    counts = {name: suite.get(name) for name in ("name", "tests", "failures", "errors", "skipped")}
    assert counts == {"name": "comparison", "tests": "3", "failures": "2", "errors": "0", "skipped": "0"}
    failures = {case.get("name"): case.find("failure") for case in suite.findall("testcase")}
    assert failures["GET /"] is None
    assert failures["POST /checkout"].get("message") == "slower: p95"
    assert "p95 212 ms to 278 ms (+31%, 95% interval +27 to +35%)" in failures["POST /checkout"].text


def test_an_undecided_request_is_skipped() -> None:
    (suite,) = parsed(ComparisonResults(undecided()))
    assert (suite.get("skipped"), suite.get("failures")) == ("1", "0")
    assert LOAD in suite.find(".//skipped").text


def test_one_file_has_checks_and_comparison(tmp_path: Path) -> None:
    files = ResultFiles(tmp_path / "results.xml", tmp_path / "summary.md")
    assert files.write(CheckResults(checked_run()), ComparisonResults(compared_runs()))
    document = etree.parse(tmp_path / "results.xml")
    SCHEMA.assertValid(document)
    assert [(suite.get("name"), suite.get("id")) for suite in document.getroot()] == [
        ("checks", "0"),
        ("comparison", "1"),
    ]
    text = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert text.startswith("## Load test ")
    assert "\n\n## ❌ Comparison with main " in text


@given(st.text(), st.text())
def test_the_junit_file_is_valid_with_any_text(name: str, reason: str) -> None:
    runs = compared_runs(
        rows_of(name, "undecided", 0.01, reason), reasons_of_run=[reason], baseline=name, verdict="undecided"
    )
    parsed(ComparisonResults(runs), NoComparison(RUN, name, reason))


# Markdown


def cells(text: str) -> list[list[str]]:
    html = MarkdownIt("gfm-like", {"linkify": False}).render(text)
    root = etree.fromstring(f"<div>{html}</div>", etree.HTMLParser())
    return [["".join(cell.itertext()) for cell in row.findall("td")] for row in root.iterfind(".//tbody/tr")]


def test_the_markdown_has_a_heading_and_a_table() -> None:
    text = markdown_of(compared_runs())
    assert text.startswith("## ❌ Comparison with main (20261121T170544Z-01bc): slower\n")
    assert cells(text)[3] == ["", "p95", "212 ms", "244 ms", "+15%", "+11 to +19%", "❌ slower"]
    assert [row[0] for row in cells(text) if row[0]] == ["All requests", "POST /checkout", "GET /"]


@given(st.text())
def test_any_name_is_one_cell(name: str) -> None:
    assert {len(row) for row in cells(markdown_of(compared_runs(rows_of(name), baseline=name)))} == {7}


def test_the_markdown_keeps_to_the_limit_of_github() -> None:
    many = [rows_of(f"{number}{'|' * 1000}") for number in range(300)]
    text = markdown_of(compared_runs(*many))
    assert len(text.encode()) <= MAX_BYTES
    shown = text.count("\n|  | p95 |")
    assert text.count("\n|  | ") == 4 * shown
    assert 0 < shown < 300
    assert f"\n{300 - shown} further requests are in the output of `locust-cw compare --json`.\n" in text
    assert markdown_of(compared_runs(), max_bytes=10) == ""


# Report


def test_the_table_of_a_report_has_the_slower_requests_first() -> None:
    section = changes(compared_runs(reasons_of_run=[LOAD]))
    assert section.title == "Comparison with main (20261121T170544Z-01bc): slower"
    document = etree.fromstring(f"<div>{section.html}</div>")
    rows = [["".join(cell.itertext()) for cell in row] for row in document.iterfind(".//tbody/tr")]
    assert [row[0] for row in rows if row[0]] == ["All requests", "POST /checkout", "GET /"]
    assert rows[3] == ["", "p95", "212 ms", "244 ms", "+15%", "+11 to +19%", "slower"]
    assert document.findtext("p") == LOAD


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_in_a_report_is_text(name: str) -> None:
    section = changes(compared_runs(rows_of(name, "undecided", 0.01, name), baseline=name))
    document = etree.fromstring(f"<div>{section.html}</div>")
    assert {each.tag for each in document.iter()} <= {"div", "p", "table", "thead", "tbody", "tr", "th", "td"}
    assert not [each for each in document.iter() if set(each.keys()) - {"class", "scope"}]


# No comparison


def test_a_run_that_was_not_compared_has_a_skipped_case_and_a_reason() -> None:
    none = NoComparison(RUN, "main", "There is no baseline main yet.")
    assert none.text(colors=False) == "Comparison with main: none\nThere is no baseline main yet.\n"
    (suite,) = parsed(none)
    assert (suite.get("tests"), suite.get("skipped")) == ("1", "1")
    assert none.markdown(MAX_BYTES) == "## ⚠️ No comparison with main\n\nThere is no baseline main yet.\n"
    assert none.markdown(10) == ""


# Tolerance


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), ("2.5 %", 0.025), (" 100% ", 1.0), ("0.1%", 0.001)])
def test_a_tolerance_is_a_percentage(text: str, share: float) -> None:
    assert parse_tolerance("tolerance", text) == pytest.approx(share)


@pytest.mark.parametrize(
    "text", ["", "5", "0%", "-1%", "1001%", "nan%", "5 percent", "5%%", "\N{ARABIC-INDIC DIGIT FIVE}%"]
)
def test_other_tolerances_are_refused(text: str) -> None:
    with pytest.raises(InvalidOptionError, match="must be a percentage such as 10%"):
        parse_tolerance("tolerance", text)
