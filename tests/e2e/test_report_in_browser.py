"""The report in a browser: its script shows values under its own policy, and it follows the color scheme."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from locust_cw._report.gather import gather
from locust_cw._report.page import render
from support.browser import LocustPage
from support.fixtures import Locust
from support.report_runs import growing_run
from support.servers import Target
from support.web import Web, whole_run


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    findings = gather(growing_run(folder / "spool"), [], lambda _: None)  # type: ignore[arg-type, return-value]
    page = folder / "report.html"
    page.write_text(render(findings, time.time()))
    return page


def values(page: Page) -> list[str]:
    return [text for text in page.locator("figcaption output").all_inner_texts() if text]


def test_the_pointer_shows_the_values_of_all_charts_at_its_time(file: Path, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(file.as_uri())
    assert values(page) == []
    chart = page.locator("svg[data-chart]").first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    # Past the middle, the target is saturated: 20 requests/s.
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2)
    shown = values(page)
    assert shown[0] == "20 requests/s"
    assert len(shown) == page.locator("figcaption output").count()
    assert any(text.endswith(" ms") for text in shown)
    assert any(text.endswith(" MB") for text in shown)
    clock = page.locator("figcaption time").first.inner_text()
    assert " UTC" in clock
    page.mouse.move(0, 0)
    assert values(page) == []

    # The keys continue from there.
    chart.focus()
    page.keyboard.press("ArrowRight")
    assert values(page)[0] == "20 requests/s"
    for _ in range(60):
        page.keyboard.press("ArrowLeft")
    assert int(values(page)[0].partition(" ")[0]) < 15
    assert messages == []


def test_the_page_follows_the_color_scheme(file: Path, browser: Browser) -> None:
    seen = {}
    for scheme in ("light", "dark"):
        page = browser.new_context(color_scheme=scheme).new_page()
        page.goto(file.as_uri())
        script = "element => getComputedStyle(element)"
        seen[scheme] = (
            page.locator("body").evaluate(f"{script}.backgroundColor"),
            page.locator("polyline.c0").first.evaluate(f"{script}.stroke"),
        )
    assert seen["light"] == ("rgb(255, 255, 255)", "rgb(0, 114, 178)")
    assert seen["dark"] == ("rgb(15, 20, 25)", "rgb(88, 169, 224)")


def test_the_page_fits_any_window(file: Path, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(file.as_uri())
    for width in (400, 1600):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_tab_of_the_web_ui_has_a_link_to_the_report(locust: Locust, target: Target, browser: Browser) -> None:
    """It appears after the test, and opens the page under its own policy."""
    web = Web(locust, "shop.py", "--cw-dry-run", "--cw-report", "out", "--exit-code-on-error=0")
    tab = LocustPage(browser, web.url)
    tab.start(2, target.url)
    tab.wait_for_row(health="recording")
    link = tab.page.get_by_role("link", name="Report of this run")
    assert link.count() == 0
    tab.stop()
    with tab.page.context.expect_page() as opened:
        link.click()
    page = opened.value
    assert page.locator("h1").inner_text() == f"Load test {whole_run(web)['process'].partition(',')[0]}"
    page.locator("svg[data-chart]").first.hover()
    assert values(page)
    assert tab.mishaps == []
    web.run.shut_down()
    assert web.run.exit_code == 0
