"""Runs of `scripted.py`, whose requests are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.fixtures import Locust
from support.locust_run import LocustRun

HOST = "http://optional.test"
SCRIPT = [{"names": ["/a", "/b"], "repeat": 20}, {"names": ["/c"], "method": "POST", "error": "no", "repeat": 5}]


def play(locust: Locust, folder: Path, *args: str, script: Any = SCRIPT, env: Any = None, **how: Any) -> LocustRun:
    """45 requests, 5 of them failures, unless scripted otherwise."""
    path = folder / "script.json"
    path.write_text(json.dumps(script))
    return locust.run("scripted.py", "--host", HOST, *args, env={"SCRIPT": str(path), **(env or {})}, **how)
