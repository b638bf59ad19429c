"""Imported by other locustfiles: writes Locust's own totals at exit, however the process leaves.

Locust's `--json-file` cannot hold names that are no text; this can.
"""

import atexit
import json
import os
from pathlib import Path
from typing import Any

from locust import events
from locust.env import Environment


@events.init.add_listener
def remember(environment: Environment, **_: Any) -> None:
    @atexit.register
    def write() -> None:
        total = environment.stats.total
        Path(os.environ["TOTALS_FILE"]).write_text(json.dumps([total.num_requests, total.num_failures]))
