"""Imported by other locustfiles: each process keeps a journal of what it did, which is true even if it is killed."""

import json
import os
import time
from pathlib import Path
from typing import Any

journals: dict[int, Any] = {}


def note(what: str, **fields: Any) -> None:
    """Write a line to the journal of this process, which may be a fork of the one that read this file."""
    pid = os.getpid()
    if pid not in journals:
        journals[pid] = Path(f"journal-{pid}").open("ab", buffering=0)  # noqa: SIM115 - open while the process lives
    journals[pid].write(json.dumps({"what": what, "at": time.time(), **fields}).encode() + b"\n")
