"""The report has a row for each method of a name, although the metrics of the name have no method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from locust_cw import Publisher
from locust_cw._report.findings import Findings, Row
from locust_cw._report.gather import gather
from locust_cw._report.page import render
from locust_cw._runs.record import Record


def recorded(folder: Path, requests: Sequence[tuple[str, str, str]], **options: Any) -> Record:
    """The record of a run with requests of these hosts, methods and names."""
    with Publisher(run_id="r", dry_run=True, spool_dir=str(folder), **options) as publisher:
        for number, (host, method, name) in enumerate(requests):
            publisher.record(method, name, 10.0 * (number + 1), url=host)
    record = Record.read("r", str(folder))
    return replace(record, options=record.options | {"dry_run": False})


def findings_of(record: Record) -> Findings:
    """The report, for a CloudWatch with one point in each metric."""

    def answer(_: str, **asked: Any) -> dict[str, Any]:
        point = {"Timestamps": [asked["StartTime"]], "Values": [1.0]}
        return {"MetricDataResults": [{"Id": query["Id"], **point} for query in asked["MetricDataQueries"]]}

    return gather(record, [], lambda _: answer, record.started + 100)


def names(rows: Sequence[Row]) -> list[tuple[str, str, int]]:
    return [(row.name, row.method, row.requests) for row in rows if row.name]


SHOP, PAY = "http://shop.test", "http://pay.test"
SHARED = [(SHOP, "GET", "/cart"), (SHOP, "POST", "/cart"), (SHOP, "POST", "/cart"), (SHOP, "GET", "/주문")]


def test_a_name_with_several_methods_has_a_row_for_each(tmp_path: Path) -> None:
    findings = findings_of(recorded(tmp_path, SHARED))
    cart, order = (row for row in findings.rows if row.name)
    assert names([cart, order]) == [("/cart", "", 3), ("/주문", "GET", 1)]
    assert names(cart.methods) == [("/cart", "POST", 2), ("/cart", "GET", 1)]
    assert order.methods == ()
    post, get = cart.methods
    assert post.mean == pytest.approx(25)
    assert get.percentiles == pytest.approx((10, 10, 10), rel=0.01)
    page = render(findings, findings.stopped)
    assert all(f">{method}</td>" in page for method in ("all", "POST", "GET"))


def test_several_hosts_share_the_methods_of_a_name(tmp_path: Path) -> None:
    """The summary does not distinguish hosts, so a name with several methods is not divided."""
    requests = [*SHARED, (PAY, "GET", "/cart"), (PAY, "GET", "/주문")]
    rows = findings_of(recorded(tmp_path, requests)).rows
    assert {(row.name, row.method, row.methods) for row in rows if row.name} == {
        ("/cart", "", ()),
        ("/주문", "GET", ()),
    }


def test_series_with_a_method_are_not_divided(tmp_path: Path) -> None:
    rows = findings_of(recorded(tmp_path, SHARED, dimensions="Host,Request,Method")).rows
    assert sorted(names(rows)) == [("/cart", "GET", 1), ("/cart", "POST", 2), ("/주문", "GET", 1)]
    assert not any(row.methods for row in rows)


def test_a_record_without_a_summary_has_no_methods(tmp_path: Path) -> None:
    record = replace(recorded(tmp_path, SHARED), summary="")
    assert not any(row.method or row.methods for row in findings_of(record).rows)
