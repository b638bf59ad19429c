"""A Locust with its web UI and without workers, and what its CloudWatch tab shows."""

from __future__ import annotations

import json
import re
from typing import Any

from support.fixtures import Locust
from support.fleet import MasterWeb
from support.locust_run import LocustRun, LocustStats
from support.servers import answers, free_port, get, wait_until

HOST = "http://watched.test"
QUICK = ("--cw-flush-interval=1", "--cw-drain-timeout=2")
PACE = {"RATE": "50"}


class Web(MasterWeb):
    """A Locust without workers."""

    def __init__(self, locust: Locust, locustfile: str, *args: str, **how: Any) -> None:
        super().__init__()
        self.run = locust.start(locustfile, *self.options, *args, headless=False, json_file=False, **how)
        wait_until(lambda: answers(self.url) or self.run.process.poll() is not None, "the web UI answers")

    def stats_at_stop(self) -> LocustStats:
        """Stop the test. Its statistics are final: those of the web UI are up to 2 s old."""
        self.stop()
        return LocustStats.of(json.loads(re.findall(r"test_stop at .*?: (.*)", self.run.out)[-1]))


class TabWeb:
    """Locust with a web UI and a paced load, for its CloudWatch tab."""

    def __init__(self, locust: Locust, *args: str, base: str = "", locustfile: str = "paced.py", **how: Any) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}{base}"
        how = {"env": PACE, "headless": False, "json_file": False, **how}
        arguments = ("--web-host=127.0.0.1", f"--web-port={port}", f"--host={HOST}", *QUICK)
        self.run: LocustRun = locust.start(locustfile, *arguments, *args, **how)
        wait_until(lambda: answers(self.url) or self.run.process.poll() is not None, "the web UI answers")

    def status(self) -> dict[str, Any]:
        return dict(json.loads(get(f"{self.url}/cloudwatch/status")))


def whole_run(web: Web) -> dict[str, Any]:
    """The row of the CloudWatch tab that tells of the whole last run; empty before the first."""
    rows = json.loads(get(f"{web.url}/cloudwatch/status"))["rows"]
    return dict(rows[0]) if rows else {}
