"""The page of a report from a run's own numbers, and with a baseline and further sections."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from locust_cw._report.findings import Findings
from locust_cw._report.gather import gather
from locust_cw._report.no_data import NoDataError
from locust_cw._report.page import render
from locust_cw._report.view import Section
from locust_cw._runs.record import STALE_S, Record
from support.report_page import ReportPage
from support.report_runs import HOSTILE, SECONDS, growing_run


def never(_: str, **asked: Any) -> dict[str, Any]:
    raise AssertionError(f"a dry run makes no calls: {asked}")


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    return growing_run(tmp_path_factory.mktemp("spool"))


def findings_of(record: Record) -> Findings:
    return gather(record, [], lambda _: never)


def page_of(record: Record, **how: Any) -> ReportPage:
    page = ReportPage(render(findings_of(record), time.time(), **how))
    page.check_self_contained()
    return page


def test_the_page_explains_a_dry_run(record: Record) -> None:
    page = page_of(record)
    assert page.headings == [
        "Load test r", "Load and target on one time axis", "Throughput and response time by load", "Requests by name",
        "Main requests over time", "Errors", "Slowest successful requests", "Test set-up",
    ]  # fmt: skip
    assert page.verdict[0].startswith("The target saturates at ")
    assert "median response times grow from 49 to" in page.verdict[0]
    assert page.verdict[1].startswith("At saturation: load generator 40%. The use of the target's resources is unknown")
    assert "it was a dry run" in page.notes[0]
    assert "from the run's own numbers: each point covers 1 s" in page.notes[0]
    assert page.cards["Users, highest"] == "40"
    assert page.links == {}
    assert "canary" not in page.text
    assert "4111" not in page.text


def test_requests_are_listed_by_name_with_their_readable_names(record: Record) -> None:
    rows = page_of(record).table("Requests by name")
    assert [row["Name"] for row in rows] == ["All requests", "/", "/주문", "/pay", HOSTILE]
    assert [row["Method"] for row in rows] == ["", "GET", "GET", "POST", "GET"]
    total = sum(min(1 + second, 20) for second in range(SECONDS))
    assert rows[0]["Requests"] == str(total)
    assert all(rows[0][f"p{number} ms"] for number in (50, 95, 99))


def test_the_charts_have_the_rates_and_percentiles_of_each_period(record: Record) -> None:
    page = page_of(record)
    charts = page.charts("Load and target")
    times, rates = charts["Requests"]["requests"]
    assert len(times) in (SECONDS, SECONDS + 1)
    assert sum(rates) == pytest.approx(sum(min(1 + second, 20) for second in range(SECONDS)), rel=0.05)
    assert set(charts["Response time"]) == {"p50", "p95", "p99"}
    assert max(charts["Users"]["users"][1]) == 40
    assert charts["Load generator: memory"]["memory"][1][0] == 7e7
    names = [heading.text for heading in page.section("Main requests").iter("h3")]
    assert names == ["GET /", "GET /주문", "POST /pay", f"GET {HOSTILE}"]


def test_errors_have_their_first_occurrence_without_secrets(record: Record) -> None:
    (row,) = page_of(record).table("Errors")
    failures = findings_of(record).total.failures
    assert row["Type"] == "PaymentError"
    assert row["Failures"] == str(failures)
    assert row["Share"] == "100.0%"
    assert row["Requests"] == f"POST /pay: {failures}"
    assert row["First"].startswith("0:10 | ")
    assert row["First error"] == "declined | POST /pay"


def test_the_slowest_requests_have_their_context(record: Record) -> None:
    rows = page_of(record).table("Slowest")
    assert len(rows) == 10
    assert [row["Response time ms"] for row in rows] == ["100"] * 10
    assert {row["Context"] for row in rows} == {"customer=c-39"}
    assert rows[0]["Time"].startswith("0:39 | ")


def test_the_set_up_has_options_and_tags_without_secrets(record: Record) -> None:
    rows = {row["Setting"]: row["Value"] for row in page_of(record).table("Test set-up")}
    assert rows["Tags"] == "branch=main"
    assert rows["Targets"] == "rds:shop-db"
    assert rows["Users"] == "40 at most, 50 wanted, 1/s spawned"
    assert rows["Run time"] == "1:00"
    assert "--cw-dry-run" in rows["Options"]
    assert "--cw-log-group Shop" in rows["Options"]
    assert rows["Versions"] == "Locust 2.47.0"


def test_a_baseline_is_drawn_in_the_same_charts_by_the_time_since_its_start(record: Record) -> None:
    earlier = replace(record, run_id="base", started=record.started - 1000)
    findings, base = findings_of(record), findings_of(record)
    shifted = [
        replace(group, panels=tuple(
            replace(panel, lines=tuple(
                replace(line, series=replace(line.series, times=tuple(begin - 1000 for begin in line.series.times)))
                for line in panel.lines
            ))
            for panel in group.panels
        ))
        for group in base.groups
    ]  # fmt: skip
    base = replace(base, record=earlier, started=base.started - 1000, groups=shifted, names=[])
    section = Section("Comparison", '<div class="wide"><table><tr><td class="slower">slower</td></tr></table></div>')
    page = ReportPage(render(findings, time.time(), sections=[section], baseline=base))
    page.check_self_contained()
    chart = page.charts("Load and target")["Requests"]
    assert chart["requests, baseline"][1] == chart["requests"][1]
    assert chart["requests, baseline"][0] == pytest.approx(chart["requests"][0], abs=0.02)
    assert page.headings[1] == "Comparison"
    assert page.text.index("slower</td>") < page.text.index("<dl")


def test_a_killed_run_says_so_on_the_page(record: Record) -> None:
    killed = replace(record, stopped=None, updated=record.started + 30, measured_until=None, receipt={})
    assert time.time() - record.started - 30 < STALE_S
    page = page_of(replace(killed, updated=record.started - STALE_S))
    assert page.headings[0] == "Load test r killed"
    assert any(note.startswith("The run was killed") for note in page.notes)


def test_a_record_without_a_summary_has_no_report_of_a_dry_run(record: Record) -> None:
    with pytest.raises(NoDataError, match="dry run"):
        findings_of(replace(record, summary=""))


def test_links_open_the_console_at_the_time_of_the_run(record: Record) -> None:
    destination = {
        "region": "eu-west-1",
        "cloudwatch_url": "https://monitoring.eu-west-1.amazonaws.com",
        "logs_url": "https://logs.eu-west-1.amazonaws.com",
    }
    published = replace(
        record, options=record.options | {"dry_run": False}, destination=destination, dashboard="Shop", series=[]
    )
    links = page_of(published).links
    assert list(links) == ["Dashboard Shop", "Log events in Shop", "Metrics in Locust"]
    assert "start=" in links["Dashboard Shop"]
    start = round(1000 * (record.started - 15))
    assert f"log-group/Shop/log-events$3Fstart$3D{start}$26end$3D" in links["Log events in Shop"]
    assert f"filterPattern$3D$2522{record.run_id}$2522" in links["Log events in Shop"]
    for changed in ({"log_fields": "compact"}, {"log_format": "text"}):
        links = page_of(replace(published, options=published.options | changed)).links
        assert links["Log streams in Shop"].endswith(
            f"log-group/Shop$3FlogStreamNameFilter$3Dload-generator$252F{record.run_id}$252F"
        )
    elsewhere = replace(published, destination=destination | {"cloudwatch_url": "http://127.0.0.1:4566"})
    assert page_of(elsewhere).links == {}
