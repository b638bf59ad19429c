"""Writes which modules of locust-cw are loaded when the load ends, with the lines of their files."""

import json
import sys
from pathlib import Path
from typing import Any

from locust import events

import locust_cw
from plain_walker import Walker

__all__ = ["Walker", "locust_cw"]


@events.test_stop.add_listener
def note_modules(**_: Any) -> None:
    files = {name: module.__file__ for name, module in list(sys.modules.items()) if name.split(".")[0] == "locust_cw"}
    sources = {name: Path(file) for name, file in files.items() if file is not None and file.endswith(".py")}
    lines = {name: len(path.read_text().splitlines()) for name, path in sources.items()}
    Path("modules.json").write_text(json.dumps(lines))
