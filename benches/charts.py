"""Measures the charts of the CloudWatch tab in Chromium: how soon they are drawn, and how long an update takes.

    python benches/charts.py [--openings 15] [--updates 30] [--json FILE]

A Locust process makes a dry run on one core; Chromium uses the other.

- **Opening.** The time from a click on the tab in a page that shows Locust's statistics until all charts are drawn with
  values, in a new browser context each time, without cached files. On a busy machine, most of it is waiting for a core;
  the CPU time of the page's main thread does not include that. The page with the tab in its address is measured from
  the start of the navigation, and so is the first content that Locust's own page paints.
- **An hour.** The page gets an hour of seconds and five targets with four charts each, and one second more with each
  update. Its cost is the CPU time of the page's main thread, which does not respond meanwhile, less what the rest of
  the page uses. The times by the clock are those of the scripts that a response or a move of the pointer starts.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import tempfile
import time
import urllib.parse
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import figures
import locust_cw
from figures import Figure
from generator import ALL, OURS, SERVERS, full_speed
from live import free_port

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]
from support.browser import LocustPage, chromium  # noqa: E402 - the browser of the tests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, CDPSession, Page, Route, ViewportSize

OPENED_TARGET_MS = 300
UPDATE_TARGET_MS = 50
WARM_UP_S = 5
"""Time for the first requests and publication. The first page, which loads modules of Locust, does not count either."""
HOUR_S = 3600
TARGETS, SIGNALS = 5, 4
MOVES = 50
COMPILING = 5
SETTLING_MS = 5_000
WINDOW: ViewportSize = {"width": 1300, "height": 1150}

DRAWN = """() => new Promise(resolve => {
  const look = () => {
    const times = [...document.querySelectorAll('#locust-cw .cw-chart:not([hidden]) time')];
    if (times.length && times.every(time => /\\d:\\d\\d/.test(time.textContent))) {
      // The frame after the next one starts when the charts are painted.
      requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now())));
    } else setTimeout(look, 4);
  };
  look();
})"""
CLICK = """() => {
  const start = performance.now();
  [...document.querySelectorAll('[role=tab]')].find(tab => tab.textContent.trim() === 'CloudWatch').click();
  return start;
}"""
PAINTED = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
WATCH = """
window.updates = [];
const json = Response.prototype.json;
Response.prototype.json = async function () {
  const value = await json.call(this);
  if (this.url.includes('/cloudwatch/live')) {
    const begun = performance.now();
    const channel = new MessageChannel();
    // The next task begins when all scripts of this one have ended.
    channel.port1.onmessage = () => window.updates.push(performance.now() - begun);
    channel.port2.postMessage(null);
  }
  return value;
};
"""
MOVE = """moves => {
  const plots = document.querySelectorAll('#locust-cw .u-over');
  const box = plots[1].getBoundingClientRect();
  const taken = [];
  for (let move = 0; move < moves; move++) {
    const at = { clientX: box.left + box.width * move / moves, clientY: box.top + 50, bubbles: true };
    const begun = performance.now();
    plots[1].dispatchEvent(new MouseEvent('mousemove', at));
    taken.push(performance.now() - begun);
  }
  return taken;
}"""


class Hour:
    """Answers the page's requests with the values of an hour, and then with those of one second after another."""

    def __init__(self) -> None:
        """Start an hour ago."""
        self.revision = HOUR_S
        self._started = int(time.time()) - HOUR_S

    def answer(self, route: Route) -> None:
        """The next values."""
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(route.request.url).query)
        since = int(query["since"][0]) if "since" in query else 0
        self.revision += 1
        seconds = range(self._started + since, self._started + self.revision)
        message: dict[str, Any] = {"run": "bench", "started": self._started, "stopped": None}
        message |= {"now": self._started + self.revision, "load": self._load(seconds, is_whole=not since)}
        message["marks"] = [{"time": self._started + 60 * number, "label": f"mark {number}"} for number in range(20)]
        if not since:
            message |= {"charts": list(charts()), "targets": {"revision": 1, "values": self._values(), "problem": None}}
        route.fulfill(json=message)

    def _load(self, seconds: range, *, is_whole: bool) -> dict[str, Any]:
        waves = {key: factor for factor, key in enumerate(("failures", "users", "p50", "p95", "p99", "requests"), 1)}
        columns = {
            key: [round(100 * factor + 30 * math.sin(second * factor), 3) for second in seconds]
            for key, factor in waves.items()
        }
        return {"revision": self.revision, "is_whole": is_whole, "seconds": list(seconds), **columns}

    def _values(self) -> dict[str, Any]:
        times = [self._started + 60 * minute for minute in range(HOUR_S // 60)]
        line = [times, [40 + minute % 7 for minute in range(len(times))]]
        return {chart["key"]: [line] * len(chart["lines"]) for chart in charts() if chart["key"].startswith("target")}


def charts() -> Iterator[dict[str, Any]]:
    """The charts of the load and of the targets."""

    def chart(key: str, group: str, title: str, lines: list[str], limit: float | None) -> dict[str, Any]:
        limits = [] if limit is None else [{"check": title, "label": title, "value": limit}]
        spec = {"key": key, "group": group, "title": title, "unit": "Count", "limits": limits}
        return spec | {"lines": [{"key": each, "label": each} for each in lines]}

    yield chart("rates", "Load", "Requests and failures", ["requests", "failures"], 500)
    yield chart("times", "Load", "Response time", ["p50", "p95", "p99"], 300)
    yield chart("users", "Load", "Users", ["users"], None)
    for target in range(TARGETS):
        for signal in range(SIGNALS):
            yield chart(f"target{target}-{signal}", f"Target {target}", f"Signal {signal}", ["0", "1"], 60)


@contextmanager
def locust(folder: Path) -> Iterator[str]:
    """A dry run with the web UI on one core, and this process and its children on the other; yield the URL."""
    port = free_port()
    web = ["--autostart", "--web-host", "127.0.0.1", "--web-port", str(port), "--autoquit", "0"]
    load = ["Reporter", "--users", "1", "--rate", "200", "--cw-dry-run"]
    with full_speed(folder, OURS, [*web, *load, "--run-time", "20m"], pinned=True):
        os.sched_setaffinity(0, {sorted(ALL)[SERVERS % len(ALL)]})
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            os.sched_setaffinity(0, ALL)


def by_click(browser: Browser, url: str) -> tuple[float, float]:
    """Milliseconds from a click on the tab to the charts, in a new window, and of the main thread's CPU time for it."""
    page = LocustPage(browser, url).page
    page.get_by_role("tab", name="CloudWatch").wait_for()
    page.wait_for_load_state("networkidle")
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = cpu_s(session)
    start: float = page.evaluate(CLICK)
    drawn: float = page.evaluate(DRAWN)
    used = (cpu_s(session) - before) * 1000
    page.context.close()
    return drawn - start, used


def by_address(browser: Browser, url: str) -> tuple[float, float]:
    """Milliseconds from the start of the navigation to Locust's first content, and to the charts, in a new window."""
    page = LocustPage(browser, f"{url}/?tab=cloudwatch").page
    drawn: float = page.evaluate(DRAWN)
    painted: float = page.evaluate(PAINTED)
    page.context.close()
    return painted, drawn


@dataclass(frozen=True)
class HourShown:
    """Milliseconds on the page's main thread."""

    first: float
    """The first update, with the whole hour."""
    updates: list[float]
    """The further ones."""
    moves: list[float]
    """Each move of the pointer."""
    cpu: float
    """CPU time that an update adds: scripts, styles, layout and painting."""
    idle: float
    """CPU time of the rest of the page in each second."""


def an_hour(browser: Browser, url: str, updates: int) -> HourShown:
    """Show an hour, after some time without charts."""
    page = LocustPage(browser, url).page
    page.set_viewport_size(WINDOW)
    page.add_init_script(WATCH)
    hour, shows = Hour(), False
    page.route("**/cloudwatch/live?*", lambda route: hour.answer(route) if shows else route.fulfill(json={"run": None}))
    page.goto(f"{url}/?tab=cloudwatch")
    session = page.context.new_cdp_session(page)
    # Wall-clock time would include that of other processes.
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.wait_for_timeout(SETTLING_MS)
    before = cpu_s(session)
    page.wait_for_timeout(updates * 1000)
    idle = (cpu_s(session) - before) / updates * 1000
    page.evaluate("() => { window.updates.length = 0; }")
    shows = True
    # The first ones also compile the scripts.
    await_updates(page, COMPILING)
    before, begun = cpu_s(session), time.monotonic()
    await_updates(page, COMPILING + updates)
    used = ((cpu_s(session) - before) * 1000 - idle * (time.monotonic() - begun)) / updates
    first, *others = page.evaluate("() => window.updates")
    return HourShown(first, others[COMPILING - 1 :], page.evaluate(MOVE, MOVES), used, idle)


def cpu_s(session: CDPSession) -> float:
    """CPU time of all tasks of the page's main thread so far."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))


def await_updates(page: Page, number: int) -> None:
    """Wait until the page has shown that many."""
    page.wait_for_function(f"() => window.updates.length >= {number}", timeout=60_000 + 2_000 * number)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--openings", type=int, default=15, help="how often the tab is opened")
    parser.add_argument("--updates", type=int, default=30, help="updates of an hour")
    figures.add_option(parser)
    arguments = parser.parse_args()
    print(f"locust_cw in {Path(locust_cw.__file__).parent}")
    with tempfile.TemporaryDirectory(prefix="locust-cw-bench-") as folder, locust(Path(folder) / "test") as url:
        time.sleep(WARM_UP_S)
        with chromium() as browser:
            first, *clicks = [by_click(browser, url) for _ in range(arguments.openings + 1)]
            addressed = [by_address(browser, url) for _ in range(arguments.openings)]
            hour = an_hour(browser, url, arguments.updates)

    def shown(values: list[float]) -> str:
        return f"{statistics.median(values):.0f} ms (at most {max(values):.0f})"

    clicked, cpu = ([each[index] for each in clicks] for index in (0, 1))
    opened = statistics.median(clicked)
    painted, drawn = ([each[index] for each in addressed] for index in (0, 1))
    number = 3 + TARGETS * SIGNALS
    lines = [
        Figure("charts drawn after a click", shown(clicked), f"{OPENED_TARGET_MS} ms", opened <= OPENED_TARGET_MS),
        Figure("... CPU time of the page's main thread for it", shown(cpu)),
        Figure("... by the first browser of a Locust process", f"{first[0]:.0f} ms"),
        Figure("... from the start of a navigation", shown(drawn), peers=f"Locust's first content: {shown(painted)}"),
        Figure(
            f"update of {number} charts with an hour of seconds",
            f"{hour.cpu:.0f} ms of CPU time",
            f"at most {UPDATE_TARGET_MS} ms",
            hour.cpu <= UPDATE_TARGET_MS,
            f"the rest of Locust's page, each second: {hour.idle:.0f} ms",
        ),
        Figure("... its scripts, by the clock", shown(hour.updates)),
        Figure("... the first one", f"{hour.first:.0f} ms"),
        Figure("... a move of the pointer", shown(hour.moves)),
    ]
    figures.show(arguments.json, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
