"""What one sees while the last results are delivered."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

_WIDTH = 30
_SHOW_AFTER_S = 0.3
_LINE_AFTER_S = 2.0
_LINE_EVERY_S = 5.0


class ProgressBar:
    """A bar that is redrawn in a terminal, or a line now and then elsewhere."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """Nothing is shown before the first `show`."""
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._begun = time.monotonic()
        self._settled_before: int | None = None
        self._show_at = self._begun + (_SHOW_AFTER_S if self._terminal else _LINE_AFTER_S)
        self._drawn = False

    def show(self, left: int, settled: int) -> None:
        """Show how many samples are left, how fast they go and how long it takes.

        Args:
            left: Samples on their way.
            settled: Samples that are done with, since the beginning of the run.

        """
        now = time.monotonic()
        if self._settled_before is None:
            self._settled_before = settled
        if not left or now < self._show_at:
            return
        if not self._terminal:
            self._show_at = now + _LINE_EVERY_S
        done = settled - self._settled_before
        rate = done / (now - self._begun)
        time_left = f"about {left / rate:.0f} s left" if rate > 0 else "waiting for CloudWatch"
        text = f"CloudWatch: {left:,} samples left, {rate:,.0f}/s, {time_left}"
        if self._terminal:
            filled = _WIDTH * done // (done + left)
            # A line that wraps could not be drawn over: what does not fit is left out, the hint first.
            room = shutil.get_terminal_size().columns - 1
            for part in (f" [{'#' * filled}{'.' * (_WIDTH - filled)}]", " (Ctrl-C to stop waiting)"):
                text += part if len(text) + len(part) <= room else ""
            self._stream.write(f"\r\x1b[K{text[:room]}")
            self._drawn = True
        else:
            self._stream.write(f"{text}\n")
        self._stream.flush()

    def clear(self) -> None:
        """Take the bar off the terminal again."""
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._drawn = False
