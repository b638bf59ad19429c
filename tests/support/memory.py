"""The memory of a process."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Self

from support.locust_run import LocustRun


class Memory:
    """The largest resident size of a process, looked at twenty times a second until it ends."""

    def __init__(self, run: LocustRun) -> None:
        self.peak_mb = 0.0
        self._status = Path(f"/proc/{run.process.pid}/status")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            try:
                resident = re.search(r"VmRSS:\s+(\d+) kB", self._status.read_text())
            except OSError:
                return
            if resident:
                self.peak_mb = max(self.peak_mb, int(resident[1]) / 1024)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
