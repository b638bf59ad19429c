"""Takes the screenshots of the web UI in `docs/images`, of tests of the demo's shop with a local CloudWatch.

    make screenshots

Needs Chromium and the development environment, which `.ci/programs` and `make` set up. The one with the charts takes
some minutes, because the simulated target publishes by the minute.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "examples" / "demo")]

import demo
import web
from support import servers
from support.browser import LocustPage, chromium
from support.locust_run import start
from support.proxy import Proxy, error
from support.servers import answers, ending, free_port, get, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

IMAGES = ROOT / "docs" / "images"
SHOP = ROOT / "examples" / "demo"
USERS = 20
MAX_BYTES = 250_000
# After the ramp-up, so that the minutes of full load are published.
SATURATED_S = 100
WIDTH, MARGIN = 1300, 20
# How long the charts take to redraw at another size, or with new values.
REDRAW_MS = 1500
# Requests before a screenshot is taken, so that the tab shows a cost.
REQUESTS = 3000


def main() -> None:
    """Take all screenshots."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        proxy = stack.enter_context(Proxy(stack.enter_context(servers.ministack(folder))))
        shop = stack.enter_context(the_shop())
        browser = stack.enter_context(chromium())
        with ExitStack() as own:
            charts(own, folder, proxy, browser)
        one_process(stack, folder, proxy, shop, browser)
        checks(stack, folder, proxy, shop, browser)
        a_fleet(stack, folder, proxy, shop, browser)


@contextmanager
def the_shop(*options: str) -> Iterator[str]:
    """Run the service under test; yield its URL."""
    process = subprocess.Popen(  # noqa: S603 - our own file, run by our own interpreter
        [sys.executable, str(SHOP / "target.py"), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Metrics of another Region would not be found.
        env=os.environ | demo.AWS_ENVIRONMENT | {"AWS_REGION": servers.REGION, "AWS_DEFAULT_REGION": servers.REGION},
    )
    with ending(process):
        yield process.stdout.readline().decode().strip() if process.stdout else ""


def web_ui(stack: ExitStack, folder: Path, *arguments: str) -> str:
    """Start Locust with its web UI, which ends with the stack; return its URL."""
    port = free_port()
    address = [f"--web-port={port}", "--web-host=127.0.0.1"]
    run = start(
        folder, str(SHOP / "locustfile.py"), *address, *arguments, headless=False, json_file=False, receipt=False
    )
    stack.enter_context(ending(run.process))
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: answers(url), f"the web UI answers, see {folder}")
    return url


def charts(stack: ExitStack, folder: Path, proxy: Proxy, browser: Browser) -> None:
    """Take the live charts of a test that saturates its target."""
    saturating = stack.enter_context(the_shop("--workers", str(web.WORKERS), "--publish", proxy.url))
    options = (f"--host={saturating}", "--users=70", "--spawn-rate=1", f"--cw-endpoint-url={proxy.url}", "--cw-live")
    targets = [f"--cw-target={each}" for each in web.TARGETS]
    given = [f"--cw-check={each}" for each in web.CHECKS]
    url = web_ui(stack, folder / "charts", *options, *targets, *given)
    page = LocustPage(browser, url)
    page.page.set_viewport_size({"width": WIDTH, "height": 1150})
    page.page.get_by_role("button", name="Start", exact=True).click()
    page.open_tab()
    page.page.locator(".cw-marks", has_text="ramp-up complete").wait_for(timeout=300_000)
    time.sleep(SATURATED_S)
    keep(page, "web-ui")
    other = LocustPage(browser, f"{url}/?tab=cloudwatch", dark=True)
    other.page.set_viewport_size({"width": WIDTH, "height": 1150})
    other.page.locator(".cw-marks", has_text="ramp-up complete").wait_for()
    time.sleep(3)
    keep(other, "web-ui-dark")


def one_process(stack: ExitStack, folder: Path, proxy: Proxy, shop: str, browser: Browser) -> None:
    """Take the start form, a healthy test, and an outage."""
    options = (f"--host={shop}", f"--users={USERS}", "--spawn-rate=10", f"--cw-endpoint-url={proxy.url}")
    page = LocustPage(browser, web_ui(stack, folder / "one", *options))
    page.page.get_by_text("Custom parameters").click()
    page.page.get_by_label("Cw Live").check()
    page.page.get_by_label("Cw Dashboard").fill("default")
    page.page.get_by_label("Cw Run Id").fill("night-before-release")
    page.page.set_viewport_size({"width": WIDTH, "height": 980})
    keep(page, "web-ui-form")
    page.page.set_viewport_size({"width": WIDTH, "height": 840})
    page.page.get_by_role("button", name="Start", exact=True).click()
    page.open_tab()
    page.wait_for_row(health="healthy")
    wait_until(lambda: int(page.rows[0]["Requests"]) >= REQUESTS, "some load", 60)
    page.wait_for_row(health="healthy")
    proxy.on("*", error("ServiceUnavailableException", 503, "Service is unavailable"))
    page.wait_for_row(health="trouble")
    wait_until(lambda: int(page.rows[0]["Waiting"]) >= REQUESTS, "results wait", 60)
    keep(page, "web-ui-outage")
    proxy.stop_faults()
    page.stop()
    page.wait_for_row(health="complete")


def checks(stack: ExitStack, folder: Path, proxy: Proxy, shop: str, browser: Browser) -> None:
    """Take a test with checks."""
    expressions = (
        "p95 < 300ms",
        "failures < 1%",
        "POST /checkout: p99 < 0.8s",
        "rds:shop-db: CPUUtilization Average < 80",
        "rps >= 100",
    )
    options = ("--cw-live", f"--cw-endpoint-url={proxy.url}", "--cw-target=rds:shop-db")
    given = [f"--cw-check={expression}" for expression in expressions]
    page = LocustPage(browser, web_ui(stack, folder / "checks", f"--host={shop}", *options, *given))
    page.page.set_viewport_size({"width": WIDTH, "height": 960})
    page.start(users=USERS)
    wait_until(lambda: page.rows and int(page.rows[0]["Requests"]) >= REQUESTS, "some load", 60)
    page.wait_for_row(health="healthy")
    keep(page, "web-ui-checks")
    page.stop()


def a_fleet(stack: ExitStack, folder: Path, proxy: Proxy, shop: str, browser: Browser) -> None:
    """Take a master with two workers."""
    port = free_port()
    options = (f"--host={shop}", f"--users={USERS}", "--cw-live", f"--cw-endpoint-url={proxy.url}")
    url = web_ui(stack, folder / "master", "--master", f"--master-bind-port={port}", *options)
    for number in (1, 2):
        run = start(
            folder / f"worker{number}",
            str(SHOP / "locustfile.py"),
            "--worker",
            f"--master-port={port}",
            headless=False,
            json_file=False,
            receipt=False,
        )
        stack.enter_context(ending(run.process))
    wait_until(lambda: json.loads(get(f"{url}/worker-count"))["worker_count"] == 2, "both workers are there")  # noqa: PLR2004 - both
    page = LocustPage(browser, url)
    page.page.set_viewport_size({"width": WIDTH, "height": 760})
    page.start(users=USERS)
    wait_until(lambda: page.rows and int(page.rows[0]["Requests"]) >= REQUESTS, "some load", 60)
    for row in range(3):
        page.wait_for_row(row, health="healthy")
    page.page.get_by_text("Delivery", exact=True).click()
    keep(page, "web-ui-workers")


def keep(page: LocustPage, name: str) -> None:
    """Save a screenshot, of the whole tab if it is open."""
    path = IMAGES / f"{name}.png"
    tab = page.page.locator("#locust-cw")
    if tab.count():
        # The screenshot ends where the tab ends, and not in the middle of a table.
        bottom = tab.evaluate("tab => Math.ceil(tab.getBoundingClientRect().bottom + window.scrollY)")
        page.page.set_viewport_size({"width": WIDTH, "height": bottom + MARGIN})
        page.page.wait_for_timeout(REDRAW_MS)
    # Hide the mouse pointer and its hover effects.
    page.page.mouse.move(0, 0)
    page.page.screenshot(path=path, animations="disabled")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise SystemExit(f"{path} has {size:,} bytes, more than a README should load")
    sys.stdout.write(f"{path.relative_to(ROOT)}: {size:,} bytes\n")


if __name__ == "__main__":
    main()
