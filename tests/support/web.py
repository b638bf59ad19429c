"""A Locust with its web UI and without workers, and what its CloudWatch tab shows."""

from __future__ import annotations

import json
import re
from typing import Any

from support.fixtures import Locust
from support.fleet import MasterWeb
from support.locust_run import LocustStats
from support.servers import answers, get, wait_until


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


def whole_run(web: Web) -> dict[str, Any]:
    """The row of the CloudWatch tab that tells of the whole last run; empty before the first."""
    rows = json.loads(get(f"{web.url}/cloudwatch/status"))["rows"]
    return dict(rows[0]) if rows else {}
