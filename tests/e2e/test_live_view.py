"""The charts of the CloudWatch tab in a real browser: the load and the target on one screen, only while it is open."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser

from support.browser import LocustPage
from support.fixtures import Aws, Locust
from support.fleet import Fleet, MasterWeb
from support.proxy import error
from support.servers import get, wait_until
from support.web import TabWeb

PACE = {"RATE": "50"}
NASTY = "<img/src=x/onerror=alert(1)>"
INSTANCE = "i-0a1b2c3d4e5f60718"
IDLE_PERCENT = 5.0


class Charts:
    """What the charts of a page say to a screen reader."""

    def __init__(self, page: LocustPage) -> None:
        self.page = page

    @property
    def labels(self) -> list[str]:
        plots = self.page.page.locator("#locust-cw .cw-plot:visible")
        labels: list[str] = plots.evaluate_all("plots => plots.map(plot => plot.ariaLabel ?? '')")
        return labels

    def label(self, title: str) -> str:
        return next((label for label in self.labels if title in label), "")

    def value(self, title: str, line: str) -> float | None:
        """The newest value of a line."""
        found = re.search(rf"{re.escape(line)} ([\d.,]+)", self.label(title))
        return float(found[1].replace(",", "").rstrip(".")) if found else None

    def time(self, title: str = "Requests and failures") -> str:
        found = re.search(r" at (\S+):", self.label(title))
        return found[1] if found else ""

    def wait_until_moving(self, title: str = "Requests and failures") -> None:
        wait_until(lambda: re.fullmatch(r"\d\d:\d\d:\d\d", self.time(title)), f"{title} has values")
        before = self.time(title)
        wait_until(lambda: self.time(title) not in ("", before), f"{title} moves")


@contextmanager
def publishing_cpu(aws: Aws, percent: list[float]) -> Iterator[None]:
    """The simulated target: it publishes its CPU usage of the present minute and of the two before.

    A high usage outweighs what the present minute has of a low one.
    """
    ended = threading.Event()

    def put(minutes_ago: int, value: float) -> None:
        aws.cloudwatch.metrics.put_metric_data(
            Namespace="AWS/EC2",
            MetricData=[
                {
                    "MetricName": "CPUUtilization",
                    "Dimensions": [{"Name": "InstanceId", "Value": INSTANCE}],
                    "Timestamp": time.time() - 60 * minutes_ago,
                    "Values": [value],
                    "Counts": [100 if value > IDLE_PERCENT else 1],
                }
            ],
        )

    def publish() -> None:
        while not ended.wait(1):
            put(0, percent[0])

    for minutes_ago in (1, 2):
        put(minutes_ago, percent[0])
    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.long
def test_load_and_target_are_on_one_screen(aws: Aws, locust: Locust, browser: Browser) -> None:
    """From the form to the stop: CloudWatch fails, lines move, a check is met, and the CPU follows the load."""
    check = f"ec2:{INSTANCE}: CPUUtilization Average < 80"
    options = ("--cw-live", f"--cw-target=ec2:{INSTANCE}", "--cw-check=rps >= 60", f"--cw-check={check}")
    cpu = [IDLE_PERCENT]
    with publishing_cpu(aws, cpu):
        web = TabWeb(locust, *options, "--cw-check-wait=1")
        page = LocustPage(browser, web.url)
        aws.proxy.on("*", error("InternalFailure", 500))
        page.start(users=1, live=True)
        charts = Charts(page)
        wait_until(lambda: "could not be read" in page.panel, "the tab says so")
        assert "InternalFailure" in page.panel
        charts.wait_until_moving()
        aws.proxy.stop_faults()
        assert [re.split(" at ", label)[0] for label in charts.labels[:3]] == [
            "Load, Requests and failures",
            "Load, Response time",
            "Load, Users",
        ]
        assert charts.value("Requests and failures", "requests") == pytest.approx(50, abs=10)
        assert charts.value("Response time", "p99") is not None
        assert charts.value("Users", "users") == 1
        limit = page.page.locator("#locust-cw .cw-limit", has_text="rps >= 60")
        wait_until(lambda: limit.get_attribute("data-verdict") == "failed", "the check is not met")

        # More load: the state of the check changes, and the target is busier.
        cpu[0] = 90.0
        page.page.get_by_role("button", name="Edit", exact=True).click()
        page.page.get_by_label("Number of users").fill("4")
        page.page.get_by_role("button", name="Update", exact=True).click()
        wait_until(lambda: (charts.value("Requests and failures", "requests") or 0) > 150, "the line follows the load")
        wait_until(lambda: limit.get_attribute("data-verdict") == "passed", "the check is met")
        wait_until(lambda: (charts.value("Saturation", "CPU average") or 0) > 40, "the CPU rises", timeout=150, every=1)
        assert "check CPUUtilization Average < 80" in charts.label("Saturation")
        assert "could not be read" not in page.panel
        page.page.set_viewport_size({"width": 1400, "height": 1000})
        page.screenshot("live")
        saturation = page.page.locator("#locust-cw .cw-chart", has_text="CPU average")
        saturation.locator("summary").click()
        wait_until(
            lambda: re.search(rf"\b{IDLE_PERCENT:g} ?%", saturation.locator("tbody").text_content() or ""),
            "the table has the minutes before",
        )

        # Not with the button: Locust's page may miss the end of a stop that takes long.
        get(f"{web.url}/stop", b"")
        wait_until(lambda: "stop" in page.page.locator("#locust-cw .cw-marks").inner_text(), "the stop is marked")
        assert "ramp-up complete" in page.page.locator("#locust-cw .cw-marks").inner_text()
    assert not page.mishaps


@pytest.mark.long
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_charts_are_operated_with_pointer_and_keyboard(locust: Locust, browser: Browser, *, dark: bool) -> None:
    """Values at the pointer in all charts, lines that are toggled, tables, the theme, and a narrow window."""
    page = LocustPage(browser, TabWeb(locust, "--cw-live").url, dark=dark)
    page.start(live=True)
    charts = Charts(page)
    charts.wait_until_moving()
    wait_until(page.page.locator(".cw-chart tbody").first.count, "there are tables")
    panel = page.page.locator("#locust-cw")
    assert panel.get_attribute("data-theme") == ("dark" if dark else "light")
    page.page.get_by_role("banner").get_by_role("button").last.click()
    wait_until(lambda: panel.get_attribute("data-theme") == ("light" if dark else "dark"), "Locust's theme is followed")

    # The pointer of one chart shows the values of that time in all charts.
    first = page.page.locator(".cw-plot").first
    box = first.bounding_box()
    assert box
    for _ in range(4):
        charts.wait_until_moving()
    newest = charts.time()
    # At the left end of the lines, beside the axis.
    page.page.mouse.move(box["x"] + 61, box["y"] + 60)
    wait_until(lambda: charts.time() < newest, "the chart shows an earlier time")
    pointed = charts.time()
    for _ in range(3):
        # New values leave the pointed time where it is.
        page.page.wait_for_event("response", lambda response: "/live?" in response.url)
    assert [charts.time(title) for title in ("Requests and failures", "Response time", "Users")] == [pointed] * 3
    page.page.mouse.move(0, 0)
    charts.wait_until_moving()

    # The keyboard does the same.
    first.focus()
    page.page.keyboard.press("Home")
    earliest = charts.time()
    page.page.keyboard.press("ArrowRight")
    assert charts.time("Users") != earliest
    assert charts.time("Users") == charts.time()
    page.page.keyboard.press("Escape")
    charts.wait_until_moving()

    button = page.page.get_by_role("button", name="p99")
    button.focus()
    page.page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "false"

    page.page.locator(".cw-values summary").first.click()
    head = page.page.locator(".cw-values table").first.locator("thead th")
    assert head.all_inner_texts() == ["Time", "requests (/s)", "failures (/s)"]
    rows = page.page.locator(".cw-values table").first.locator("tbody tr")
    wait_until(lambda: rows.count() >= 3, "it has rows")
    assert re.match(r"\d\d:\d\d:\d\d\t[\d,.]+/s\t[\d,.]+/s", rows.first.inner_text())

    page.page.set_viewport_size({"width": 400, "height": 900})
    width = "document.scrollingElement.scrollWidth <= innerWidth"
    wait_until(lambda: page.page.evaluate(width), "a narrow window has no horizontal scroll bar")
    page.screenshot(f"live-narrow-{'light' if dark else 'dark'}")
    assert not page.mishaps


def test_it_works_with_a_login_a_base_path_and_a_strict_policy(locust: Locust, browser: Browser) -> None:
    """The policy forbids inline scripts and styles. Names are text, whatever they contain."""
    target = f'--cw-target=metric:Shop/Queue{{Pool="{NASTY}"}}:Maximum'
    check = f"--cw-check={NASTY}: p95 < 1s"
    web = TabWeb(
        locust,
        *("--cw-live", "--web-login", "--web-base-path=/load", target, check),
        base="/load",
        locustfile="guarded.py",
        env=PACE | {"CSP": "1"},
    )
    page = LocustPage(browser)
    page.page.add_init_script(
        "window.violations = []; addEventListener('securitypolicyviolation',"
        " event => window.violations.push(`${event.sourceFile} ${event.violatedDirective} ${event.blockedURI}`))"
    )
    page.page.goto(f"{web.url.removesuffix('/load')}/let-me-in")
    page.open(f"{web.url}/")
    page.start()
    charts = Charts(page)
    charts.wait_until_moving()
    wait_until(lambda: page.rows, "the delivery is there")
    assert NASTY in page.page.locator("#locust-cw .cw-missing").inner_text()
    assert NASTY in page.checks[0]["Check"]
    assert not page.page.locator("main img").count()
    assert page.page.locator(".cw-chart").first.evaluate("chart => getComputedStyle(chart).borderTopWidth") == "1px"
    policy = page.page.evaluate("fetch('./').then(answer => answer.headers.get('Content-Security-Policy'))")
    assert "style-src 'self'" in policy
    assert [each for each in page.page.evaluate("window.violations") if "/cloudwatch/" in each] == []
    assert not page.mishaps


@pytest.mark.long
def test_nothing_is_computed_without_a_browser(aws: Aws, locust: Locust, browser: Browser) -> None:
    """Neither before the tab is opened, nor after it was closed."""
    web = TabWeb(locust, "--cw-live", f"--cw-target=ec2:{INSTANCE}", locustfile="watched.py")

    def probe() -> dict[str, Any]:
        return dict(json.loads(get(f"{web.url}/live-changes")))

    get(f"{web.url}/swarm", b"user_count=1&spawn_rate=1")
    wait_until(lambda: web.status()["rows"] and web.status()["rows"][0]["delivered"] > 100, "results are delivered")
    assert probe() == {"changes": 0, "is_kept": False, "is_imported": False}
    assert not aws.proxy.calls("GetMetricData")
    page = LocustPage(browser, f"{web.url}/?tab=cloudwatch")
    charts = Charts(page)
    charts.wait_until_moving()
    wait_until(lambda: aws.proxy.calls("GetMetricData"), "the target is read")
    assert probe()["is_kept"]
    page.page.close()
    wait_until(lambda: not probe()["is_kept"], "the values are released", timeout=30)
    before = probe()["changes"]
    calls = len(aws.proxy.calls("GetMetricData"))
    observed = web.status()["rows"][0]["observed"]
    wait_until(lambda: web.status()["rows"][0]["observed"] > observed + 100, "the test continues")
    assert probe()["changes"] == before > 0
    assert len(aws.proxy.calls("GetMetricData")) == calls


@pytest.mark.long
@pytest.mark.parametrize("source", ["workers", "master"])
def test_a_master_shows_the_whole_test(locust: Locust, browser: Browser, source: str) -> None:
    """The sum of its workers, without seconds that a worker has not reported."""
    web = MasterWeb()
    how: dict[str, Any] = {"headless": False, "json_file": False, "locustfile": "paced.py", "worker_env": PACE}
    Fleet(locust, *web.options, "--host=http://watched.test", "--cw-live", f"--cw-source={source}", workers=2, **how)
    web.wait_for_workers(2)
    page = LocustPage(browser, web.url)
    page.start(users=4)
    charts = Charts(page)
    charts.wait_until_moving()
    wait_until(lambda: (charts.value("Requests and failures", "requests") or 0) > 150, "both workers count")
    seen = []
    for _ in range(10):
        seen.append(charts.value("Requests and failures", "requests") or 0)
        time.sleep(0.5)
    assert min(seen) > 150, seen
    assert charts.value("Users", "users") == 4
    assert not page.mishaps


def test_without_the_charts_the_tables_work(locust: Locust, browser: Browser) -> None:
    """As in a build without Node.js, and while the script cannot be loaded."""
    page = LocustPage(browser, TabWeb(locust, "--cw-live", "--cw-check=mean < 1s").url)
    page.page.route("**/live.js*", lambda route: route.abort())
    page.start()
    page.wait_for_row(health="healthy")
    assert page.checks[0]["Check"] == "mean < 1s"
    assert not page.page.locator(".cw-chart").count()
    page.page.unroute_all()
    wait_until(lambda: page.page.locator(".cw-chart").count(), "it is loaded as soon as it can be")
    assert not page.mishaps
