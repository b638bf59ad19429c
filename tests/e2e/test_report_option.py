"""`--cw-report`: the report at the end of a test, with and without AWS, in fleets and with a web UI."""

from __future__ import annotations

import json
import sys
import urllib.error
from typing import Any

import pytest

from support.fixtures import Aws, Locust
from support.fleet import Fleet
from support.locust_run import NO_CREDENTIALS, LocustRun
from support.proxy import error
from support.report_page import ReportPage
from support.servers import Target, get, wait_until
from support.web import Web, whole_run

SHOP = ("shop.py", "-u", "2", "-t", "3s", "--cw-report", "out")


def page_of(run: LocustRun) -> ReportPage:
    page = ReportPage.read(run.folder / "out" / "report.html")
    page.check_self_contained()
    assert [file.name for file in (run.folder / "out").iterdir()] == ["report.html"]
    return page


def check_numbers(page: ReportPage, run: LocustRun) -> None:
    """The numbers of the page are Locust's own."""
    total, *rows = page.table("Requests by name")
    assert total["Requests"].replace(",", "") == str(run.stats.requests.total())
    assert {row["Name"]: int(row["Requests"].replace(",", "")) for row in rows} == run.stats.requests
    if failures := run.stats.failures.total():
        assert sum(int(row["Failures"].replace(",", "")) for row in page.table("Errors")) == failures
    rates = page.charts("Load and target")["Requests"]["requests"][1]
    assert max(rates) > 0


@pytest.mark.parametrize("mode", ["--cw-dry-run", "--cw-local"])
def test_a_test_without_aws_has_a_report(locust: Locust, target: Target, mode: str) -> None:
    run = locust.run(*SHOP, mode, "--host", target.url, "--cw-record", "off", options=[], env=NO_CREDENTIALS)
    page = page_of(run)
    check_numbers(page, run)
    assert f"The report of run {run.receipt['run_id']} is {run.folder / 'out' / 'report.html'}" in run.err
    assert "from the run's own numbers" in page.notes[0]
    assert page.cards["Delivered"].startswith("none: dry run" if mode == "--cw-dry-run" else "all")
    setup = {row["Setting"]: row["Value"] for row in page.table("Test set-up")}
    assert setup["State"] == "finished"
    assert setup["Users"].startswith("2 at most")
    assert setup["Versions"].startswith("locust-cw ")


def test_the_report_shows_targets_and_gives_up_on_those_that_aws_does_not_show(
    aws: Aws, locust: Locust, target: Target
) -> None:
    """The exit code and the receipt are those of the test."""
    aws.proxy.on("GetMetricData", error("AccessDenied", 403, "not authorized to perform: cloudwatch:GetMetricData"))
    run = locust.run(*SHOP, "--cw-live", "--host", target.url, "--cw-target", "sqs:jobs", "--cw-check", "requests > 0")
    run.receipt.check_delivered()
    page = page_of(run)
    check_numbers(page, run)
    assert any(note.startswith("sqs:jobs is not shown: ") and "AccessDenied" in note for note in page.notes)
    assert page.headings[1] == "Checks: 1 passed"


def test_a_report_that_cannot_be_written_is_a_warning(locust: Locust, target: Target) -> None:
    """A folder that can be created at the start, and not at the end. The exit code and the receipt are unchanged."""
    run = locust.start(*SHOP, "--cw-dry-run", "--host", target.url, "--exit-code-on-error=0")
    run.wait_for("Run .* dry run")
    (run.folder / "out").write_text("a file")
    assert run.exit_code == 0
    (warning,) = run.logged_problems()
    assert f"could not be written to {run.folder / 'out'}" in warning
    assert run.receipt["requests"]["observed"] == run.stats.requests.total()


def test_a_folder_that_cannot_be_created_ends_locust_at_the_start(locust: Locust) -> None:
    run = locust.start("shop.py", "--cw-dry-run", "--cw-report", "/dev/null/out", "--host", "http://h.test")
    assert run.exit_code == 2
    assert "/dev/null is a file, and not a folder" in run.err


@pytest.mark.skipif(sys.platform == "win32", reason="Locust forks its workers")
def test_the_master_writes_the_report_of_a_fleet(locust: Locust, target: Target) -> None:
    fleet = Fleet(
        locust, "-u2", "-t4", "--host", target.url, "--cw-dry-run", "--cw-report", "out", workers=2,
        locustfile="shop.py", options=[],
    )  # fmt: skip
    fleet.wait()
    assert fleet.master.logged_problems() == []
    page = page_of(fleet.master)
    total = page.table("Requests by name")[0]["Requests"].replace(",", "")
    assert int(total) == fleet.master.receipt["requests"]["observed"] > 0
    assert page.table("Slowest")
    assert max(page.charts("Load and target")["Users"]["users"][1]) == 2
    assert not any((worker.folder / "out").exists() for worker in fleet.workers if worker.folder != fleet.master.folder)


def test_the_tab_links_to_the_report_of_the_last_test(locust: Locust, target: Target) -> None:
    """It is written soon after the stop, and not only when Locust quits."""
    web = Web(locust, "shop.py", "--cw-dry-run", "--cw-report", "out", "--exit-code-on-error=0")

    def status() -> dict[str, Any]:
        return dict(json.loads(get(f"{web.url}/cloudwatch/status")))

    assert not status()["has_report"]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(f"{web.url}/cloudwatch/report")
    for _ in range(2):
        web.swarm(2, target.url)
        wait_until(lambda: whole_run(web).get("observed"), "requests are observed")
        assert not status()["has_report"]
        web.stop()
        wait_until(lambda: status()["has_report"], "the report is written")
        page = ReportPage(get(f"{web.url}/cloudwatch/report").decode())
        page.check_self_contained()
        run_id = whole_run(web)["process"].partition(",")[0]
        assert page.headings[0] == f"Load test {run_id}"
        assert page.table("Requests by name")[0]["Requests"] == str(whole_run(web)["observed"])
    web.run.shut_down()
    assert web.run.exit_code == 0
    assert web.run.logged_problems() == []
    assert page_of(web.run).headings[0] == f"Load test {run_id}"
