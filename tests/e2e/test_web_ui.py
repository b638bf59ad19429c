"""The CloudWatch tab in Locust's web UI, looked at with a real browser: what it shows is true, and nobody else sees it.

What the pages looked like is kept in `target/screenshots`.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

import gevent
import pytest
from flask import Blueprint, Flask, Response, jsonify
from playwright.sync_api import Browser, Route

from locust_cw import _core
from locust_cw._aws import console
from locust_cw._settings import table as _options
from locust_cw._webui import status as _status
from locust_cw._webui import tab as _web
from locust_cw._webui.status import ProcessStatus, Run, Status
from support import reports
from support.browser import LocustPage, chromium
from support.fixtures import Aws, Locust
from support.fleet import Fleet, MasterWeb
from support.locust_run import LocustRun, clean_environment
from support.paths import SCRIPTS
from support.proxy import error, hang
from support.servers import answers, ending, free_port, get, wait_until

HOST = "http://watched.test"
QUICK = ("--cw-flush-interval=1", "--cw-drain-timeout=2")
PACE = {"RATE": "50"}
NASTY = "<img/src=x/onerror=alert(1)>"  # without a space, which the form refuses in a host
LINK = "[x](javascript:alert(1))"


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def browser(chrome: Browser) -> Iterator[Browser]:
    """Without the pages of earlier tests, which would go on polling."""
    assert not chrome.contexts
    yield chrome
    for context in chrome.contexts:
        context.close()


class Web:
    """Locust with a web UI."""

    def __init__(self, locust: Locust, *args: str, base: str = "", locustfile: str = "paced.py", **how: Any) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}{base}"
        how = {"env": PACE, "headless": False, "json_file": False, **how}
        arguments = ("--web-host=127.0.0.1", f"--web-port={port}", f"--host={HOST}", *QUICK)
        self.run: LocustRun = locust.start(locustfile, *arguments, *args, **how)
        wait_until(lambda: answers(self.url) or self.run.process.poll() is not None, "the web UI answers")

    def status(self) -> dict[str, Any]:
        return dict(json.loads(get(f"{self.url}/cloudwatch/status")))


# What a user sees


def test_a_test_is_watched_from_its_start_to_the_last_delivery(aws: Aws, locust: Locust, browser: Browser) -> None:
    """Figures grow; an outage shows, with its reason, and goes; what is left after the stop is sent and seen to be."""
    page = LocustPage(browser, Web(locust).url)
    page.start(live=True)
    row = page.wait_for_row(health="healthy")
    assert ", live" in row["Run, worker"]
    wait_until(lambda: int(page.rows[0]["Delivered"]) > int(row["Delivered"]), "the figures grow")
    more = page.rows[0]
    assert int(more["Requests"]) >= int(more["Delivered"])
    assert more["Last problem"] == ""
    wait_until(lambda: page.panel.startswith(_status.MEANING["healthy"]), "the panel says so")
    page.screenshot("healthy")

    aws.proxy.on("*", error("InternalFailure", 500))
    row = page.wait_for_row(health="trouble")
    assert "InternalFailure" in row["Last problem"]
    assert " UTC)" in row["Last problem"]
    before = int(row["Delivered"])
    wait_until(lambda: int(page.rows[0]["Waiting"]) >= 100, "results wait")
    assert page.rows[0]["In spool"].endswith("KB")
    page.screenshot("trouble")
    page.stop()
    page.wait_for_row(health="trouble")

    aws.proxy.heal()
    row = page.wait_for_row(health="complete")
    assert int(row["Requests"]) == int(row["Delivered"]) > before
    assert row["Waiting"] == row["Lost"] == row["Logs waiting"] == "0"
    assert int(row["Repeated"]) > 0
    assert float(row["Cost (USD)"]) > 0
    assert "InternalFailure" in row["Last problem"]
    wait_until(lambda: page.panel.startswith("CloudWatch has everything."), "the panel says so")
    assert page.rows[0] == row
    assert not page.mishaps
    page.screenshot("complete")


def test_each_test_begins_anew_and_bears_the_name_typed_for_it(aws: Aws, locust: Locust, browser: Browser) -> None:
    """`night`, left as it is, becomes `night-2`; with the field emptied a name is made, which does not stick."""
    web = Web(locust, "--cw-live")
    page = LocustPage(browser, web.url)
    page.start(users=2, run_id="night")
    assert page.wait_for_row(health="healthy")["Run, worker"] == "night, live"
    wait_until(lambda: int(page.rows[0]["Requests"]) > 100, "some requests")
    page.stop()
    page.wait_for_row(process="night, live", health="complete")
    page.restart(run_id="night")
    page.wait_for_row(process="night-2, live", health="healthy")
    page.stop()
    row = page.wait_for_row(process="night-2, live", health="complete")
    events = aws.cloudwatch.events("load-generator/night-2/")
    assert int(row["Requests"]) == sum(event.is_request for event in events) > 0, "those of the second alone"
    page.restart(run_id="")
    made = page.wait_for_row(process="20")["Run, worker"]
    page.stop()
    page.restart(run_id="")
    wait_until(lambda: page.rows and page.rows[0]["Run, worker"] != made, "another name is made")
    assert page.wait_for_row(process="20")["Health"] in ("waiting", "healthy")
    assert not page.mishaps


def test_what_is_recorded_for_the_end_is_told_as_such(locust: Locust, browser: Browser) -> None:
    page = LocustPage(browser, Web(locust).url, dark=True)
    page.start(live=False)
    row = page.wait_for_row(health="recording")
    assert row["Run, worker"].endswith(", after the test")
    assert row["Delivered"] == "0"
    assert row["Delay (s)"] == ""
    page.screenshot("recording-dark")
    page.stop()
    assert page.wait_for_row(health="complete")["Waiting"] == "0"
    assert not page.mishaps


@pytest.mark.parametrize(
    ("typed", "named"),
    [({"run_id": NASTY + LINK}, "--cw-run-id"), ({"dashboard": NASTY}, "--cw-dashboard")],
    ids=["run id", "dashboard"],
)
def test_a_bad_value_typed_in_the_form_is_told_and_ends_nothing(
    aws: Aws, locust: Locust, browser: Browser, typed: dict[str, Any], named: str
) -> None:
    """As text, whatever it is made of; and the next test is published again."""
    web = Web(locust, "--cw-live")
    page = LocustPage(browser, web.url)
    page.start(host=f"{HOST}/?{LINK}{NASTY}", **typed)
    row = page.wait_for_row(health="off")
    assert named in row["Last problem"]
    assert next(iter(typed.values())) in row["Last problem"]
    wait_until(lambda: page.panel.startswith("Nothing of this test is published."), "the panel says so")
    assert not page.page.locator("main img, main a[href^='javascript']").count()
    assert web.run.process.poll() is None
    page.screenshot(f"off-{named.removeprefix('--cw-')}")
    assert not aws.proxy.calls("PutMetricData")
    page.stop()
    page.restart(**dict.fromkeys(typed, ""))
    page.wait_for_row(health="healthy")
    assert not page.page.locator("main img, main a[href^='javascript']").count()
    assert not page.mishaps


def test_nasty_names_stay_text(aws: Aws, locust: Locust, browser: Browser) -> None:
    """AWS's own words among them: an error's message is shown as it came."""
    page = LocustPage(browser, Web(locust, "--cw-live", f"--cw-dimension=Team={NASTY}").url)
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
    aws.proxy.heal()


def test_links_to_the_console_are_shown_below_the_table(locust: Locust, browser: Browser) -> None:
    """Named in text; nothing but an address of the web is a link."""
    page = LocustPage(browser, Web(locust, "--cw-live").url)
    shown = _web.links("eu-north-1", NASTY, "/logs", "Shop")
    links = [{"title": title, "url": url} for title, url in {**shown, "bad": "javascript:alert(1)"}.items()]

    def as_at_aws(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "links": links})

    page.page.route("**/cloudwatch/status", as_at_aws)
    page.start()
    anchors = page.page.locator("#locust-cw a")
    wait_until(lambda: anchors.count() > 1, "links are shown")
    assert anchors.all_inner_texts() == [*shown, "Download CSV"]
    assert [anchor.get_attribute("href") for anchor in anchors.all()][:-1] == list(shown.values())
    page.screenshot("links")
    page.page.unroute_all(behavior="ignoreErrors")
    assert not page.mishaps


def test_the_form_asks_for_what_can_be_changed_and_for_nothing_else(locust: Locust, browser: Browser) -> None:
    """Each with a word of explanation."""
    page = LocustPage(browser, Web(locust, "--cw-dashboard").url)
    page.page.get_by_text("Custom parameters").click()
    labels = page.page.get_by_label("Cw ").evaluate_all("fields => fields.map(field => field.name)")
    assert sorted(labels) == ["cwDashboard", "cwLive", "cwRunId"]
    assert page.page.get_by_label("Cw Live (Publish to CloudWatch while the test runs").is_visible()
    assert page.page.get_by_label("Cw Dashboard (").input_value() == "default"
    page.screenshot("form")
    assert not page.mishaps


def test_the_dashboard_named_in_the_form_is_made(aws: Aws, locust: Locust, browser: Browser) -> None:
    page = LocustPage(browser, Web(locust, "--cw-live").url)
    page.start(dashboard="default")
    page.wait_for_row(health="healthy")
    wait_until(lambda: aws.proxy.calls("PutDashboard"), "a dashboard is put")
    assert aws.proxy.calls("PutDashboard")[0].params["DashboardName"] == aws.cloudwatch.namespace


# Whom it is for


def test_without_login_the_data_is_refused(locust: Locust, browser: Browser) -> None:
    web = Web(locust, "--cw-live", "--web-login", locustfile="guarded.py")
    for path in ("/cloudwatch/status", "/cloudwatch/csv", "/cloudwatch/tab.js", "/stats/requests", "/"):
        with urllib.request.urlopen(f"{web.url}{path}", timeout=60) as answer:
            assert answer.url.startswith(f"{web.url}/login"), path
            text = answer.read().decode()
            assert "cloudwatch" not in text.lower(), path
    page = LocustPage(browser, f"{web.url}/let-me-in")
    page.start()
    page.wait_for_row(health="healthy")
    wait_until(lambda: page.panel.startswith("CloudWatch takes"), "the panel says so")
    assert not page.mishaps


def test_nothing_is_added_where_it_is_not_used(locust: Locust) -> None:
    web = Web(locust, "--cw-disable")
    page = get(web.url).decode()
    assert "extended_tabs" not in page
    assert "cloudwatch/tab.js" not in page
    assert "extended_stats" not in get(f"{web.url}/stats/requests").decode()
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(f"{web.url}/cloudwatch/status")


def test_it_works_below_a_base_path(locust: Locust, browser: Browser) -> None:
    web = Web(locust, "--cw-live", "--web-base-path=/load", base="/load")
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


def test_each_worker_has_a_row(locust: Locust, browser: Browser) -> None:
    """Below that of the run, which is their sum; one that is gone is told of."""
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


def test_a_fleet_publishes_nothing_of_a_test_that_its_master_cannot_publish(aws: Aws, locust: Locust) -> None:
    """And the next one is published by all of them."""
    web = MasterWeb()
    how: dict[str, Any] = {"headless": False, "json_file": False, "locustfile": "paced.py", "worker_env": PACE}
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


def test_the_csv_file_has_the_same_rows(locust: Locust, browser: Browser) -> None:
    web = Web(locust, "--cw-live")
    page = LocustPage(browser, web.url)
    page.start()
    page.wait_for_row(health="healthy")
    page.stop()
    row = page.wait_for_row(health="complete")
    with urllib.request.urlopen(f"{web.url}/cloudwatch/csv", timeout=60) as answer:
        assert answer.headers["Content-Type"].startswith("text/csv")
        (line,) = csv.DictReader(io.StringIO(answer.read().decode()))
    assert f"{line['run_id']}, {line['mode']}" == row["Run, worker"]
    assert line["observed"] == row["Requests"]
    assert line["api_calls"] == row["API calls"]
    assert line["health"] == "complete"


@pytest.mark.parametrize("order", ["before", "after"])
def test_a_library_users_web_ui_has_the_tab(aws: Aws, browser: Browser, tmp_path: Path, order: str) -> None:
    """Whether it is made before `attach` or after; the form does not ask for what the program has decided."""
    port = free_port()
    options = aws.in_python | {"live": True, "flush_interval": 1, "dashboard": True}
    script = SCRIPTS / "web_library.py"
    command = [sys.executable, str(script), json.dumps(options), str(port), order]
    with (
        (tmp_path / "out").open("wb") as out,
        ending(subprocess.Popen(command, cwd=tmp_path, env=clean_environment(tmp_path), stdout=out, stderr=out)),
    ):
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(url), f"the web UI answers: {(tmp_path / 'out').read_text()}")
        page = LocustPage(browser, url)
        assert not page.page.get_by_text("Custom parameters").count()
        page.start()
        page.wait_for_row(health="healthy")
        wait_until(lambda: aws.proxy.calls("PutDashboard"), "a dashboard is put")
        assert not page.mishaps
    assert aws.proxy.calls("PutDashboard")[0].params["DashboardName"] == aws.cloudwatch.namespace


def test_the_page_waits_for_nothing(aws: Aws, locust: Locust) -> None:
    """A CloudWatch that hangs holds neither the tab nor Locust's own figures up."""
    aws.proxy.on("*", hang)
    web = Web(locust, "--cw-live")
    form = b"user_count=1&spawn_rate=1"
    assert json.loads(get(f"{web.url}/swarm", form))["success"]
    wait_until(lambda: web.status()["rows"] and web.status()["rows"][0]["observed"] > 50, "requests are observed")
    row = web.status()["rows"][0]
    assert row["health"] in ("waiting", "trouble"), "on a busy machine a call has been given up meanwhile"
    assert row["delivered"] == 0
    (entry,) = json.loads(get(f"{web.url}/stats/requests"))["extended_stats"]
    assert entry["key"] == "cloudwatch"
    assert get(f"{web.url}/stats/requests").count(b'"cloudwatch"') == 1, "the answer that Locust keeps is added to once"


# Locust's own answer


class Told:
    """Takes the session's place: what it tells, and how often it was asked."""

    def __init__(self, *told: Status | Exception) -> None:
        self.told = told
        self.asked = 0

    def statuses(self) -> list[Status]:
        self.asked += 1
        if isinstance(self.told[0], Exception):
            raise self.told[0]
        return [status for status in self.told if isinstance(status, Status)]

    def links(self) -> dict[str, str]:
        return {}


class Polled:
    """A page that keeps an answer, as Locust's does: its own can be had in a process of its own alone."""

    def __init__(self, told: Told) -> None:
        self.kept: Response | None = None
        self.app = Flask(__name__)
        self.template_args: dict[str, Any] = {}
        blueprint = Blueprint("locust", __name__)
        blueprint.add_url_rule("/stats/requests", "request_stats", self._answer)
        self.app.register_blueprint(blueprint)
        _web.show(told, SimpleNamespace(web_ui=self))  # type: ignore[arg-type]

    @staticmethod
    def auth_required_if_enabled(view: Any) -> Any:
        return view

    def _answer(self) -> Response:
        self.kept = self.kept or jsonify({"stats": [{"name": "/"}]})
        return self.kept

    def poll(self) -> dict[str, Any]:
        answer = self.app.test_client().get("/stats/requests")
        assert answer.status_code == 200
        return dict(answer.get_json())


def test_a_fault_of_ours_leaves_locusts_answer_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    """It is told once."""
    polled = Polled(Told(ValueError("a process's account")))
    for _ in range(3):
        assert polled.poll() == {"stats": [{"name": "/"}]}
        polled.kept = None
    told = [record.getMessage() for record in caplog.records if record.name == "locust_cw"]
    assert told == ["""The figures of the CloudWatch tab cannot be shown: ValueError("a process's account")"""]


def test_an_answer_that_locust_keeps_is_added_to_once() -> None:
    """However many browsers poll. What another plugin takes away from it meanwhile is added again."""
    told = Told(Status(None, "r", "live", "healthy", observed=7))
    polled = Polled(told)
    first = polled.poll()
    assert [row["observed"] for row in first["extended_stats"][0]["data"]] == [7]
    for _ in range(5):
        assert polled.poll() == first
    assert told.asked == 1
    polled.kept = None
    polled.poll()
    assert told.asked == 2, "Locust's next answer has its own"

    def overwrite(response: Response) -> Response:
        if response.is_json:
            response.set_data(json.dumps({**response.get_json(), "extended_stats": [{"key": "theirs", "data": []}]}))
        return response

    polled.app.after_request_funcs[None].append(overwrite)  # the last goes first
    for _ in range(2):
        assert [entry["key"] for entry in polled.poll()["extended_stats"]] == ["theirs", "cloudwatch"]


# What is told, and how


def part(*, vanished: bool = False, final: bool = False, status: Any = None, **requests: Any) -> ProcessStatus:
    """A process with 100 requests, 40 of which wait unless `requests` say otherwise."""
    counts = {"observed": 100, "delivered": 60, "spooled": 40, **requests}
    return ProcessStatus(
        reports.report(receipt=reports.receipt(requests=counts), status=status, final=final), vanished=vanished
    )


DONE: dict[str, Any] = {"delivered": 100, "spooled": 0}
LIVE = Run("r", "live", started=3000.0)


DENIED = {"failures": ["no"], "trouble_since": 1.0}


@pytest.mark.parametrize(
    ("health", "run", "own"),
    [
        ("waiting", LIVE, part(delivered=0, spooled=100)),
        ("healthy", LIVE, part()),
        ("trouble", LIVE, part(status=DENIED)),
        ("trouble", LIVE, part(rejected=1, status=DENIED)),
        ("loss", LIVE, part(rejected=1)),
        ("loss", LIVE, part(**DONE, dropped=1, status={"stopped": True})),
        ("vanished", LIVE, part(vanished=True)),
        ("draining", LIVE, part(status={"stopped": True})),
        ("undelivered", LIVE, part(final=True, status={"stopped": True, **DENIED})),
        ("complete", LIVE, part(**DONE, status={"stopped": True})),
        ("healthy", LIVE, part(**DONE)),
        ("recording", Run("r", "after the test", 0.0), part()),
        ("recording", Run("r", "dry run", 0.0), part(status={"stopped": True})),
    ],
)
def test_health_is_one_word(health: str, run: Run, own: ProcessStatus) -> None:
    (status,) = _status.statuses(run, own, {}, 4000.0)
    assert status.health == health
    assert status.health in _status.MEANING


def test_the_whole_is_the_sum_and_knows_the_worst() -> None:
    """One worker in trouble is the run's trouble; its delay is the longest."""
    denied = {"failures": ["denied"], "trouble_since": 3600.0, "problem": "denied", "problem_at": 3600.0}
    well = part(**DONE, status={"delay_s": 2.0, "waiting_bytes": 10})
    ill = part(status={**denied, "delay_s": 9.4, "waiting_bytes": 5})
    master = part(observed=0, delivered=0, spooled=0, status={"delay_s": 1.0})
    whole, a, b = _status.statuses(LIVE, master, {"b": ill, "a": well}, 4200.0)
    assert (whole.process, a.process, b.process) == (None, "a", "b")
    assert (whole.health, a.health, b.health) == ("trouble", "healthy", "trouble")
    assert (whole.observed, whole.delivered, whole.waiting) == (200, 160, 40)
    assert whole.delay_s == 9
    assert whole.spool_bytes == 15
    assert whole.api_calls == 21
    assert whole.problem == b.problem == "denied (since 01:00:00 UTC)"


def test_the_last_problem_is_told_with_the_name_of_its_worker() -> None:
    problems = [{"problem": f"what {at}", "problem_at": 3600.0 + at} for at in range(3)]
    own, first, second = (part(status=problem) for problem in problems)
    whole, a, b = _status.statuses(LIVE, own, {"a": second, "b": first}, 4200.0)
    assert [whole.problem, a.problem, b.problem] == [
        "a: what 2 (01:00:02 UTC)",
        "what 2 (01:00:02 UTC)",
        "what 1 (01:00:01 UTC)",
    ]


SESSION = "IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLWVhc3QtMSJHMEUCIQ=="
ACCOUNT = "123456789012"


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        (f"host:x\nx-amz-security-token:{SESSION}\n\nhost;date", "host:x x-amz-security-token:... host;date"),
        (f"X-Amz-Security-Token: {SESSION}", "X-Amz-Security-Token: ..."),
        (
            f"https://s.example/?X-Amz-Credential=AKIDEXAMPLE%2F2026&X-Amz-Signature=5d672d&a=b&X-Amz-Security-Token={SESSION}",
            "https://s.example/?X-Amz-Credential=...&X-Amz-Signature=...&a=b&X-Amz-Security-Token=...",
        ),
        ("Credential=AKIDEXAMPLE/2026, Signature=fe5f80.", "Credential=..., Signature=..."),
        (
            f'{{"SessionToken": "{SESSION}", "SecretAccessKey": "wJalr/K7"}}',
            '{"SessionToken": "...", "SecretAccessKey": "..."}',
        ),
        (f"aws_session_token = {SESSION}", "aws_session_token = ..."),
        ("of AKIAABCDEFGHIJKLMNOP", "of AKIA..."),
        (f"account {ACCOUNT} of arn:aws:iam::{ACCOUNT}:role/x", "account ... of arn:aws:iam::...:role/x"),
        ("at https://u:p@ss@h.example/x@y?a=1", "at https://h.example/x@y?a=1"),
        ("run 20261122T110301Z-7f3a since 1790000000000", "run 20261122T110301Z-7f3a since 1790000000000"),
        (
            "The security token included in the request is invalid",
            "The security token included in the request is invalid",
        ),
        ("Signature expired: 20261122T110301Z", "Signature expired: 20261122T110301Z"),
    ],
    ids=lambda text: text[:24],
)
def test_no_secret_is_shown(told: str, shown: str) -> None:
    """AWS's own words come into the tab and the file: canonical requests, signed addresses, ARNs."""
    failing = part(status={"failures": [told], "trouble_since": 3600.0})
    was = part(status={"problem": told, "problem_at": 3600.0})
    for own, when in ((failing, "since 01:00:00"), (was, "01:00:00")):
        (status,) = _status.statuses(LIVE, own, {}, 4200.0)
        assert status.problem == f"{shown} ({when} UTC)"
    assert _status.off(told, 3600.0).problem == f"{shown} (01:00:00 UTC)"


def test_the_cost_per_hour_counts_metrics_by_the_clock_hour() -> None:
    """From 00:50 to 01:10 are two clock hours of metrics, and a third of an hour of all else."""
    (status,) = _status.statuses(LIVE, part(), {}, 4200.0)
    assert status.cost_usd == 0.5
    assert status.cost_per_hour_usd == pytest.approx(0.3 / 2 + 0.2 * 3)
    (status,) = _status.statuses(LIVE, part(), {}, 3005.0)
    assert status.cost_per_hour_usd is None


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1", "-1", "@x", "\t=1", " =1"])
def test_no_spreadsheet_takes_a_name_for_a_formula(name: str) -> None:
    heads, _, line = _status.records(_status.statuses(LIVE, part(), {name: part()}, 4200.0))
    assert heads[0] == "process"
    assert line[0] == f"'{name}"
    assert line[heads.index("observed")] == 100


def test_links_lead_to_the_console_of_the_partition() -> None:
    """Whatever the names are made of, they stay within the address."""
    found = _web.links("eu-north-1", "My/App", "/aws/x y", "Shop")
    assert found == {
        "Dashboard Shop": "https://eu-north-1.console.aws.amazon.com/cloudwatch/home?region=eu-north-1"
        "#dashboards/dashboard/Shop",
        "Metrics in My/App": "https://eu-north-1.console.aws.amazon.com/cloudwatch/home?region=eu-north-1"
        "#metricsV2:graph=~();namespace=~'My*2fApp",
        "Log group /aws/x y": "https://eu-north-1.console.aws.amazon.com/cloudwatch/home?region=eu-north-1"
        "#logsV2:log-groups/log-group/$252Faws$252Fx$2520y",
    }
    assert "https://cn-north-1.console.amazonaws.cn/" in console.metrics_url("cn-north-1", "L")
    assert "https://us-gov-west-1.console.amazonaws-us-gov.com/" in console.log_group_url("us-gov-west-1", "L")
    for address in _web.links("eu-north-1", NASTY, NASTY, None).values():
        assert not set(address) & set("<> ")


Configure: TypeAlias = Callable[..., pytest.MonkeyPatch]


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Configure:
    """Makes an AWS configuration file, and leaves no other variables than those given."""

    def configure(text: str, **variables: str) -> pytest.MonkeyPatch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        (tmp_path / "config").write_text(text)
        for name, value in {"AWS_CONFIG_FILE": str(tmp_path / "config"), **variables}.items():
            monkeypatch.setenv(name, value)
        return monkeypatch

    return configure


ELSEWHERE = "http://127.0.0.1:9"
OWN_SERVICES = f"services = dev\n[services dev]\nsts =\n  endpoint_url = {ELSEWHERE}\n"


@pytest.mark.parametrize(
    ("options", "variables", "profile", "found"),
    [
        ({}, {}, "", ["Metrics in Locust", "Log group LocustTests"]),
        ({"logs": "off"}, {}, "", ["Metrics in Locust"]),
        ({"endpoint_url": ELSEWHERE}, {}, "", []),
        ({"dry_run": True}, {}, "", []),
        ({}, {"AWS_ENDPOINT_URL": ELSEWHERE}, "", []),
        ({}, {"AWS_ENDPOINT_URL_CLOUDWATCH": ELSEWHERE}, "", []),
        ({}, {"AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": ELSEWHERE}, "", []),
        ({}, {}, f"endpoint_url = {ELSEWHERE}", []),
        ({}, {}, f"{OWN_SERVICES}cloudwatch =\n  endpoint_url = {ELSEWHERE}", []),
        ({"logs": "off"}, {"AWS_ENDPOINT_URL": ""}, OWN_SERVICES, ["Metrics in Locust"]),
    ],
)
def test_there_are_links_to_what_is_at_aws_and_to_nothing_else(
    configure: Configure, options: dict[str, Any], variables: dict[str, str], profile: str, found: list[str]
) -> None:
    """The region is configured, so it is known as soon as the core has read the configuration."""
    configure(f"[default]\nregion = eu-north-1\n{profile}\n", **variables)
    places = _web.Places(options, None)

    def look() -> dict[str, str]:
        gevent.sleep(0.01)
        return places.links

    if found:
        wait_until(look, "links")
    else:
        gevent.sleep(0.5)
    assert list(places.links) == found


def test_the_first_line_names_the_endpoint_of_the_profile(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    """Results go there, as the SDK goes by the same; STS, which has no section of its own, is where nobody answers."""
    url = aws.proxy.url
    (tmp_path / "config").write_text(
        f"[profile shop]\nendpoint_url = {ELSEWHERE}\nservices = here\n"
        f"[services here]\ncloudwatch =\n  endpoint_url = {url}\ncloudwatch-logs =\n  endpoint_url = {url}\n"
    )
    options = [option for option in aws.options if "endpoint" not in option]
    env = PACE | {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_PROFILE": "shop"}
    run = locust.run("paced.py", "--cw-live", "-t2s", *QUICK, options=options, env=env)
    assert f"to CloudWatch at {url} in" in run.err
    assert re.search(r"identity unknown: STS (could not be reached|has not answered)", run.err)
    assert "At AWS it would cost" in run.err
    run.receipt.check_delivered()


def test_the_links_are_there_once_the_region_is_known(configure: Configure) -> None:
    """As the core finds it."""
    configure("")
    places = _web.Places({"region": "eu-north-1", "logs": "off"}, None)

    def look() -> dict[str, str]:
        gevent.sleep(0.01)
        return places.links

    wait_until(look, "links")
    assert list(places.links) == ["Metrics in Locust"]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (None, None), ("", None), (False, None), ("false", None),
        (True, "My-App"), ("true", "My-App"), ("default", "My-App"), ("Shop", "Shop"),
    ],
)  # fmt: skip
def test_the_dashboard_is_named_from_wherever_it_is_asked_for(given: object, name: str | None) -> None:
    """In Python, in an environment variable, in the form."""
    options = _options.Options(None, {"namespace": "My/App", "dashboard": given})
    assert options.dashboard == name
    options.check()
    assert _core.default_options()["namespace"] == "Locust"
