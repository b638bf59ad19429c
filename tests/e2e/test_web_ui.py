"""The CloudWatch tab in Locust's web UI, in a real browser: its contents are correct, and only logged-in users see it.

The tests save screenshots in `target/screenshots`.
"""

from __future__ import annotations

import csv
import io
import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Route

from locust_cw._webui import console_links
from locust_cw._webui import status as _status
from support.browser import LocustPage
from support.fixtures import Aws, Locust
from support.fleet import Fleet, MasterWeb
from support.locust_run import clean_environment, launch_library
from support.paths import SCRIPTS
from support.proxy import error, hang
from support.servers import answers, ending, free_port, get, wait_until
from support.web import HOST, PACE, QUICK, TabWeb, Web, whole_run

NASTY = "<img/src=x/onerror=alert(1)>"  # without a space, which the form refuses in a host
LINK = "[x](javascript:alert(1))"
ROUTES = ("status", "live", "csv", "report", "tab.js", "tab.css", "live.js", "live.css")


# What a user sees


@pytest.mark.long
def test_checks_are_watched_until_their_final_results(locust: Locust, browser: Browser) -> None:
    """In a table of their own. An expression is text, whatever it contains."""
    nasty = f"{NASTY}: p95 < 1s"
    checks = {
        "mean < 1s": "passed",
        "requests > 1000000": "failed",
        "rds:shop-db: CPUUtilization Average < 80": "undecided",
        nasty: "undecided",
    }
    options = [f"--cw-check={check}" for check in checks]
    target = ("--cw-target=rds:shop-db", "--cw-check-wait=2")
    page = LocustPage(browser, TabWeb(locust, *options, *target).url)
    page.start(live=True)
    wait_until(lambda: page.checks and page.checks[0]["Result"] == "● passed", "the first check has data")
    assert "Checks so far" in page.panel
    assert [row["Check"] for row in page.checks] == list(checks)
    page.page.set_viewport_size({"width": 1300, "height": 800})
    page.screenshot("checks")
    page.stop()
    wait_until(lambda: "Checks\n" in page.panel, "the results are final")
    assert {row["Check"]: row["Result"] for row in page.checks} == {
        check: f"● {verdict}" for check, verdict in checks.items()
    }
    assert page.checks[0]["Limit"] == "1 s"
    assert "CloudWatch has no data for CPUUtilization of rds:shop-db" in page.checks[2]["Note"]
    assert page.mishaps == []


@pytest.mark.long
def test_the_tab_shows_a_test_from_its_start_to_its_delivery(aws: Aws, locust: Locust, browser: Browser) -> None:
    """Numbers grow, and an outage appears with its cause and disappears. After the stop, the rest is sent."""
    page = LocustPage(browser, TabWeb(locust).url)
    page.start(live=True)
    row = page.wait_for_row(health="healthy")
    assert ", live" in row["Run, worker"]
    wait_until(lambda: int(page.rows[0]["Delivered"]) > int(row["Delivered"]), "the figures grow")
    more = page.rows[0]
    assert int(more["Requests"]) >= int(more["Delivered"])
    assert more["Last problem"] == ""
    wait_until(lambda: _status.MEANING["healthy"] in page.panel, "the panel says so")
    assert not page.page.locator("#locust-cw .cw-delivery").is_visible(), "the details are closed while all is well"
    assert not page.page.locator(".MuiTableContainer-root").is_visible(), "Locust's table has the same rows"
    assert page.plain_rows[0]["Run, worker"] == row["Run, worker"]
    page.screenshot("healthy")

    aws.proxy.on("*", error("InternalFailure", 500))
    row = page.wait_for_row(health="trouble")
    assert "InternalFailure" in row["Last problem"]
    assert " UTC)" in row["Last problem"]
    before = int(row["Delivered"])
    wait_until(lambda: int(page.rows[0]["Waiting"]) >= 100, "results wait")
    assert page.page.locator("#locust-cw .cw-delivery").is_visible(), "the details open by themselves"
    assert page.rows[0]["In spool"].endswith("KB")
    page.screenshot("trouble")
    page.stop()
    page.wait_for_row(health="trouble")

    aws.proxy.stop_faults()
    row = page.wait_for_row(health="complete")
    assert int(row["Requests"]) == int(row["Delivered"]) > before
    assert row["Waiting"] == row["Lost"] == row["Logs waiting"] == "0"
    assert int(row["Repeated"]) > 0
    assert float(row["Cost (USD)"]) > 0
    assert "InternalFailure" in row["Last problem"]
    wait_until(lambda: "CloudWatch has everything." in page.panel, "the panel says so")
    assert page.rows[0] == row
    assert not page.mishaps
    page.screenshot("complete")


def test_each_test_has_the_run_id_of_the_form(aws: Aws, locust: Locust) -> None:
    """An unchanged `night` becomes `night-2`.

    With an empty field, an ID is generated, which the next test does not reuse.
    """
    web = Web(locust, "paced.py", *QUICK, "--cw-live", env=PACE)

    def start(run_id: str, expected: str) -> str:
        """Start a test, and stop it when it has delivered something under a run ID that matches `expected`."""
        web.swarm(2, HOST, cw_run_id=run_id)
        found = wait_until(lambda: delivering(expected), f"{expected} has delivered")
        assert found
        web.stop()
        return found[1]

    def delivering(expected: str) -> re.Match[str] | None:
        row = whole_run(web)
        return re.fullmatch(rf"({expected}), live", row["process"]) if row and row["delivered"] else None

    start("night", "night")
    start("night", "night-2")
    row = wait_until(lambda: (row := whole_run(web))["health"] == "complete" and row, "all is delivered")
    events = aws.cloudwatch.events("load-generator/night-2/")
    assert row["observed"] == sum(event.is_request for event in events) > 0, "those of the second alone"
    made = start("", r"20\d{6}T.*")
    start("", rf"(?!{made})20\d{{6}}T.*")


def test_the_tab_shows_that_data_is_recorded_until_the_stop(locust: Locust, browser: Browser) -> None:
    page = LocustPage(browser, TabWeb(locust).url, dark=True)
    page.start(live=False)
    row = page.wait_for_row(health="recording")
    assert row["Run, worker"].endswith(", after the test")
    assert row["Delivered"] == "0"
    assert row["Delay (s)"] == ""
    page.screenshot("recording-dark")
    page.stop()
    assert page.wait_for_row(health="complete")["Waiting"] == "0"
    assert not page.mishaps


def test_an_invalid_value_in_the_form_is_shown_and_locust_continues(aws: Aws, locust: Locust, browser: Browser) -> None:
    """The value is shown as text, and the next test is published again."""
    web = TabWeb(locust, "--cw-live")
    page = LocustPage(browser, web.url)

    def check(named: str, typed: str) -> None:
        page.wait_for_row(health="off", problem=f"argument {named}")
        assert typed in page.rows[0]["Last problem"]
        wait_until(lambda: "locust-cw does not publish this test." in page.panel, "the panel says so")
        assert not page.page.locator("main img, main a[href^='javascript']").count()
        page.screenshot(f"off-{named.removeprefix('--cw-')}")
        page.stop()

    page.start(host=f"{HOST}/?{LINK}{NASTY}", run_id=NASTY + LINK)
    check("--cw-run-id", NASTY + LINK)
    page.restart(run_id="", dashboard=NASTY)
    check("--cw-dashboard", NASTY)
    assert web.run.process.poll() is None
    assert not aws.proxy.calls("PutMetricData")
    page.restart(dashboard="")
    page.wait_for_row(health="healthy")
    assert not page.page.locator("main img, main a[href^='javascript']").count()
    assert not page.mishaps


def test_markup_in_names_is_shown_as_text(aws: Aws, locust: Locust, browser: Browser) -> None:
    """Also in messages from AWS."""
    page = LocustPage(browser, TabWeb(locust, "--cw-live", f"--cw-dimension=Team={NASTY}").url)
    aws.proxy.on(
        "*", error("AccessDenied", 403, f"{NASTY} {LINK} AKIAABCDEFGHIJKLMNOP arn:aws:iam::123456789012:role/x")
    )
    page.start(host=f"{HOST}/{NASTY}")
    problem = page.wait_for_row(health="trouble")["Last problem"]
    assert NASTY in problem
    assert LINK in problem
    assert "AKIA..." in problem
    assert "iam::...:role/x" in problem
    assert not page.page.locator("main img, main a[href^='javascript']").count()
    assert not page.mishaps
    aws.proxy.stop_faults()


def test_links_to_the_console_are_shown_below_the_table(locust: Locust, browser: Browser) -> None:
    """Links have a name, and only http and https URLs become links."""
    page = LocustPage(browser, TabWeb(locust, "--cw-live").url)
    shown = console_links.links("eu-north-1", NASTY, "/logs", "Shop")
    links = [{"title": title, "url": url} for title, url in {**shown, "bad": "javascript:alert(1)"}.items()]

    def as_at_aws(route: Route) -> None:
        answer = route.fetch()
        message = answer.json()
        # The charts get the status with the values.
        message.get("status", message)["links"] = links
        route.fulfill(response=answer, json=message)

    page.page.route(re.compile(r"/cloudwatch/(status$|live\?)"), as_at_aws)
    page.start()
    anchors = page.page.locator("#locust-cw a")
    wait_until(lambda: anchors.count() > 1, "links are shown")
    assert anchors.all_inner_texts() == [*shown, "Download CSV"]
    assert [anchor.get_attribute("href") for anchor in anchors.all()][:-1] == list(shown.values())
    page.screenshot("links")
    page.page.unroute_all(behavior="ignoreErrors")
    assert not page.mishaps


def test_the_form_has_exactly_the_options_that_can_be_changed(locust: Locust, browser: Browser) -> None:
    """Each with an explanation."""
    page = LocustPage(browser, TabWeb(locust, "--cw-dashboard").url)
    page.page.get_by_text("Custom parameters").click()
    labels = page.page.get_by_label("Cw ").evaluate_all("fields => fields.map(field => field.name)")
    assert sorted(labels) == ["cwDashboard", "cwLive", "cwRunId"]
    assert page.page.get_by_label("Cw Live (Publish to CloudWatch while the test runs").is_visible()
    assert page.page.get_by_label("Cw Dashboard (").input_value() == "default"
    page.screenshot("form")
    assert not page.mishaps


def test_the_dashboard_of_the_form_is_created(aws: Aws, locust: Locust) -> None:
    web = Web(locust, "paced.py", *QUICK, "--cw-live", env=PACE)
    web.swarm(1, HOST, cw_dashboard="default")
    wait_until(lambda: aws.proxy.calls("PutDashboard"), "a dashboard is put")
    assert aws.proxy.calls("PutDashboard")[0].params["DashboardName"] == aws.cloudwatch.namespace


# Whom it is for


def test_without_login_the_data_is_refused(locust: Locust, browser: Browser) -> None:
    web = TabWeb(locust, "--cw-live", "--web-login", locustfile="guarded.py")
    for path in (*(f"/cloudwatch/{name}" for name in ROUTES), "/stats/requests", "/"):
        with urllib.request.urlopen(f"{web.url}{path}", timeout=60) as answer:
            assert answer.url.startswith(f"{web.url}/login"), path
            text = answer.read().decode()
            assert "cloudwatch" not in text.lower(), path
    page = LocustPage(browser, f"{web.url}/let-me-in")
    page.start()
    page.wait_for_row(health="healthy")
    wait_until(lambda: "CloudWatch accepts" in page.panel, "the panel says so")
    assert not page.mishaps


def test_a_disabled_locust_cw_adds_nothing_to_the_web_ui(locust: Locust) -> None:
    web = TabWeb(locust, "--cw-disable")
    page = get(web.url).decode()
    assert "extended_tabs" not in page
    assert "cloudwatch/" not in page
    assert "extended_stats" not in get(f"{web.url}/stats/requests").decode()
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(f"{web.url}/cloudwatch/status")


def test_it_works_below_a_base_path(locust: Locust, browser: Browser) -> None:
    web = TabWeb(locust, "--cw-live", "--web-base-path=/load", base="/load")
    page = LocustPage(browser, f"{web.url}/")
    page.start()
    page.wait_for_row(health="healthy")
    page.open_tab("Download Data")
    with page.page.expect_download() as download:
        page.page.get_by_role("link", name="Download CloudWatch CSV").click()
    assert download.value.suggested_filename.startswith("cloudwatch_20")
    page.open_tab()
    page.stop()
    page.wait_for_row(health="complete")
    assert not page.mishaps


@pytest.mark.long
def test_each_worker_has_a_row(locust: Locust, browser: Browser) -> None:
    """Below the row of the run, which has the sums. A vanished worker is marked."""
    web = MasterWeb()
    how: dict[str, Any] = {"headless": False, "json_file": False, "locustfile": "paced.py", "worker_env": PACE}
    fleet = Fleet(locust, *web.options, f"--host={HOST}", *QUICK, "--cw-live", workers=2, **how)
    web.wait_for_workers(2)
    page = LocustPage(browser, web.url)
    page.start(users=4)
    for number in range(3):
        page.wait_for_row(number, health="healthy")
    page.screenshot("fleet")
    page.stop()
    whole = page.wait_for_row(health="complete")
    rows = page.rows
    assert [row["Health"] for row in rows] == ["complete"] * 3
    assert int(whole["Requests"]) == sum(int(row["Requests"]) for row in rows[1:]) > 0
    listed = {worker["id"] for worker in json.loads(get(f"{web.url}/stats/requests"))["workers"]}
    assert {row["Run, worker"] for row in rows[1:]} == listed
    fleet.workers[0].process.kill()
    page.wait_for_row(health="vanished")
    assert sorted(row["Health"] for row in page.rows[1:]) == ["complete", "vanished"]
    assert not page.mishaps


@pytest.mark.parametrize("locustfile", ["paced.py", "slow_init.py"], ids=["init first", "test_start first"])
def test_a_fleet_publishes_nothing_of_a_test_that_its_master_cannot_publish(
    aws: Aws, locust: Locust, locustfile: str
) -> None:
    """All processes publish the next test. A worker may get the first one before Locust fires `init`."""
    web = MasterWeb()
    how: dict[str, Any] = {"headless": False, "json_file": False, "locustfile": locustfile, "worker_env": PACE}
    Fleet(locust, *web.options, *QUICK, "--cw-live", workers=1, **how)
    web.wait_for_workers(1)

    def rows() -> list[dict[str, Any]]:
        return list(json.loads(get(f"{web.url}/cloudwatch/status"))["rows"])

    web.swarm(1, HOST, cw_dashboard="no spaces")
    wait_until(lambda: rows() and rows()[0]["health"] == "off", "the tab says so")
    wait_until(lambda: json.loads(get(f"{web.url}/stats/requests"))["stats"][-1]["num_requests"] > 100, "the test runs")
    web.stop()
    assert not aws.proxy.calls("PutMetricData", "PutLogEvents")
    wait_until(lambda: json.loads(get(f"{web.url}/stats/requests"))["state"] == "stopped", "it has stopped")
    web.swarm(1, HOST, cw_dashboard="")
    wait_until(lambda: [row["health"] for row in rows()] == ["healthy"] * 2, "both are well")


# The file, and other ways in


def test_the_csv_file_has_the_same_rows(locust: Locust) -> None:
    """As the tab, which shows those of the status."""
    web = Web(locust, "paced.py", *QUICK, "--cw-live", env=PACE)
    web.swarm(1, HOST)
    wait_until(lambda: whole_run(web).get("delivered"), "some is delivered")
    web.stop()
    row = wait_until(lambda: (row := whole_run(web))["health"] == "complete" and row, "all is delivered")
    with urllib.request.urlopen(f"{web.url}/cloudwatch/csv", timeout=60) as answer:
        assert answer.headers["Content-Type"].startswith("text/csv")
        (line,) = csv.DictReader(io.StringIO(answer.read().decode()))
    assert f"{line['run_id']}, {line['mode']}" == row["process"]
    assert [line["observed"], line["api_calls"], line["health"]] == [
        str(row["observed"]),
        str(row["calls"]),
        "complete",
    ]


@pytest.mark.parametrize("order", ["before", "after"])
def test_a_library_users_web_ui_has_the_tab(aws: Aws, browser: Browser, tmp_path: Path, order: str) -> None:
    """Whether the program creates it before or after `attach`.

    The form has no field for an option that the program has set.
    """
    port = free_port()
    options = aws.in_python | {"live": True, "flush_interval": 1, "dashboard": True}
    arguments = (json.dumps(options), str(port), order)
    run = launch_library(tmp_path, SCRIPTS / "web_library.py", *arguments, env=clean_environment(tmp_path))
    with ending(run.process):
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(url), f"the web UI answers: {run.output}")
        page = LocustPage(browser, url)
        assert not page.page.get_by_text("Custom parameters").count()
        page.start()
        page.wait_for_row(health="healthy")
        wait_until(lambda: aws.proxy.calls("PutDashboard"), "a dashboard is put")
        assert not page.mishaps
    assert aws.proxy.calls("PutDashboard")[0].params["DashboardName"] == aws.cloudwatch.namespace


def test_a_hanging_cloudwatch_does_not_delay_the_page(aws: Aws, locust: Locust) -> None:
    """Neither the tab nor Locust's own numbers."""
    aws.proxy.on("*", hang)
    web = TabWeb(locust, "--cw-live")
    form = b"user_count=1&spawn_rate=1"
    assert json.loads(get(f"{web.url}/swarm", form))["success"]
    wait_until(lambda: web.status()["rows"] and web.status()["rows"][0]["observed"] > 50, "requests are observed")
    row = web.status()["rows"][0]
    assert row["health"] in ("waiting", "trouble"), "on a busy machine a call has been given up meanwhile"
    assert row["delivered"] == 0
    (entry,) = json.loads(get(f"{web.url}/stats/requests"))["extended_stats"]
    assert entry["key"] == "cloudwatch"
    assert get(f"{web.url}/stats/requests").count(b'"cloudwatch"') == 1, "the answer that Locust keeps is added to once"


def test_the_summary_has_the_endpoint_of_the_profile(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    """Results go there, too. The endpoint of STS, which has no section of its own, has no server."""
    url = aws.proxy.url
    (tmp_path / "config").write_text(
        f"[profile shop]\nendpoint_url = http://127.0.0.1:9\nservices = here\n"
        f"[services here]\ncloudwatch =\n  endpoint_url = {url}\ncloudwatch-logs =\n  endpoint_url = {url}\n"
    )
    options = [option for option in aws.options if "endpoint" not in option]
    env = PACE | {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_PROFILE": "shop"}
    run = locust.run("paced.py", "--cw-live", "-t2s", *QUICK, options=options, env=env)
    assert f"to CloudWatch at {url} in" in run.err
    assert re.search(r"identity unknown: (STS could not be reached|no response from STS)", run.err)
    assert "At AWS it would cost" in run.err
    run.receipt.check_delivered()
