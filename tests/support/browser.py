"""A real browser, Chromium without a window, on Locust's web UI."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Dialog, Page, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from support.paths import ROOT
from support.servers import wait_until

SCREENSHOTS = ROOT / "target" / "screenshots"
# The first is the same engine without a desktop's user interface, and uses less than half of the processor time.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
SIZE = {"width": 1300, "height": 560}


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; `CHROMIUM` in the environment names another than the first in the path."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    assert path, "no Chromium: run .ci/programs, or install it and name it in the variable CHROMIUM"
    with sync_playwright() as playwright:
        # As root, as in a container, Chromium runs without its sandbox only. It opens nothing but pages of the tests.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


class LocustPage:
    """Locust's page in a window of its own; without `url`, `open` opens it."""

    def __init__(self, browser: Browser, url: str | None = None, *, dark: bool = False) -> None:
        context = browser.new_context(viewport=SIZE, color_scheme="dark" if dark else "light")  # type: ignore[arg-type]
        self.page: Page = context.new_page()
        self.mishaps: list[str] = []
        self.page.set_default_timeout(60_000)
        self.page.on("dialog", self._dismiss)
        self.page.on("pageerror", lambda error: self.mishaps.append(f"error: {error}"))
        if url is not None:
            self.open(url)

    def open(self, url: str) -> None:
        # Wait for the answer to the only poll before a test. If it arrived after the start, the page would show the
        # form again.
        with self.page.expect_response("**/stats/requests"):
            self.page.goto(url)

    def _dismiss(self, dialog: Dialog) -> None:
        self.mishaps.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def start(self, users: int = 1, host: str | None = None, **options: bool | str) -> None:
        """Fill in the form, the options by their names in Python form, and start; it ends on the CloudWatch tab."""
        form = self.page
        form.get_by_label("Number of users").fill(str(users))
        if host is not None:
            form.get_by_label("Host", exact=True).fill(host)
        if options:
            form.get_by_text("Custom parameters").click()
        for name, value in options.items():
            field = form.get_by_label(f"Cw {name.replace('_', ' ').title()}")
            if isinstance(value, bool):
                field.set_checked(value)
            else:
                field.fill(value)
        form.get_by_role("button", name="Start", exact=True).click()
        self.open_tab()

    def restart(self, **options: Any) -> None:
        """Another test, from the form in the page that shows the last one."""
        self.page.get_by_role("button", name="New", exact=True).click()
        form = self.page.locator("form")
        form.wait_for()
        if options:
            form.get_by_text("Custom parameters").click()
        for name, value in options.items():
            form.get_by_label(f"Cw {name.replace('_', ' ').title()}").fill(value)
        form.get_by_role("button", name="Start", exact=True).click()
        form.wait_for(state="hidden")

    def open_tab(self, name: str = "CloudWatch") -> None:
        self.page.get_by_role("tab", name=name).click()

    def stop(self) -> None:
        self.page.get_by_role("button", name="Stop", exact=True).click()
        stopped = self.page.get_by_role("button", name="New", exact=True)
        try:
            stopped.wait_for(timeout=15_000)
        except PlaywrightTimeoutError:
            # Locust's page asks no more once it has received the state "stopping".
            self.page.reload()
            stopped.wait_for()

    @property
    def rows(self) -> list[dict[str, str]]:
        """The table of the delivery, by the titles of its columns; numbers without separators. It may be closed."""
        rows = self._rows_of("#locust-cw .cw-delivery")
        return [row | {"Health": row["Health"].removeprefix("\N{BLACK CIRCLE} ")} for row in rows]

    @property
    def plain_rows(self) -> list[dict[str, str]]:
        """The table of Locust's page, which is shown without the script."""
        return self._rows_of("main table:not(#locust-cw table)")

    @property
    def checks(self) -> list[dict[str, str]]:
        """The table of checks."""
        return self._rows_of("#locust-cw .cw-checks table")

    def _rows_of(self, table: str) -> list[dict[str, str]]:
        text = "cell.className === 'cw-number' ? cell.textContent.replaceAll(',', '') : cell.textContent"
        cells = self.page.evaluate(
            f"[...document.querySelectorAll('{table} tr')]"
            f".map(row => [...row.querySelectorAll('th, td')].map(cell => {text}))"
        )
        return [dict(zip(cells[0], row, strict=True)) for row in cells[1:]] if cells else []

    @property
    def panel(self) -> str:
        """What the tab shows."""
        found = self.page.locator("#locust-cw")
        return found.inner_text() if found.count() else ""

    def wait_for_row(self, number: int = 0, timeout: float = 30, **wanted: str) -> dict[str, str]:
        """The row, once its cells begin so: `process`, `health` and `problem`."""
        titles = {"process": "Run, worker", "health": "Health", "problem": "Last problem"}

        def look() -> dict[str, str] | None:
            row = dict(enumerate(self.rows)).get(number)
            return row if row and all(row[titles[key]].startswith(text) for key, text in wanted.items()) else None

        try:
            found = wait_until(look, "", timeout)
        except AssertionError:
            raise AssertionError(f"not within {timeout:g} s: {wanted} in row {number} of {self.rows}") from None
        assert found
        return found

    def screenshot(self, name: str) -> Path:
        """Keep what is to be seen, in `target/screenshots`."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path
