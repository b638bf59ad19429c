"""The progress of the delivery at the end of a test."""

from __future__ import annotations

import logging
import sys
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from locust_cw._terminal.styles import FAINT, GREEN, YELLOW, has_colors, is_terminal, paint, plain, width, write

if TYPE_CHECKING:
    from collections.abc import Sequence

_BAR_WIDTHS = range(6, 31)
_SHOW_AFTER_S = 0.3
_LINE_AFTER_S = 2.0
_LINE_EVERY_S = 5.0
# The rate is that of the last seconds, so that it soon shows a standstill.
_RATE_OVER_S = 5.0
_IN_SECONDS_UP_TO = 120
# The terminal shows Ctrl-C as two characters, and people press it more than once.
_ROOM_FOR_CTRL_C = 6
# Fewer columns are not readable.
_MIN_COLUMNS = 8
_HINT = ", Ctrl-C stops waiting"


class ProgressBar:
    """A bar that is redrawn in a terminal. Other streams get a line every few seconds.

    If a message is logged to the terminal, the bar is erased and drawn again below it. Errors in drawing are ignored.
    """

    def __init__(self, stream: TextIO | None = None, begun: float | None = None) -> None:
        """The bar appears with the first `show`, but not before a short time after `begun`, by the monotonic clock."""
        self._stream = stream or sys.stderr
        self._terminal = is_terminal(self._stream)
        self._colors = has_colors(self._stream)
        self._show_at = (time.monotonic() if begun is None else begun) + (
            _SHOW_AFTER_S if self._terminal else _LINE_AFTER_S
        )
        self._settled_before: int | None = None
        self._history: deque[tuple[float, int]] = deque()
        self._drawn = ""
        self._handlers: list[logging.Handler] = []

    def show(
        self, left: int, settled: int, failures: Sequence[str] = (), *, seconds_to_wait: float | None = None
    ) -> None:
        """Show the number of samples that are left, the rate of delivery, and the time that the rest takes.

        Args:
            left: Samples that are still to be delivered.
            settled: Samples that were delivered, rejected or dropped, since the start of the run.
            failures: Why calls fail at present.
            seconds_to_wait: The rest of the drain timeout; None if there is no timeout.

        """
        with suppress(Exception):  # the delivery matters more
            self._show(left, settled, failures, seconds_to_wait)

    def _show(self, left: int, settled: int, failures: Sequence[str], seconds_to_wait: float | None) -> None:
        now = time.monotonic()
        if self._settled_before is None:
            self._settled_before = settled
        self._history.append((now, settled))
        while now - self._history[0][0] > _RATE_OVER_S:
            self._history.popleft()
        if not left:
            self._erase()
            return
        if now < self._show_at:
            return
        outlook = self._outlook(left, settled, now, failures, seconds_to_wait)
        reason = plain(failures[0]) if failures else ""
        if self._terminal:
            done = settled - self._settled_before
            self._draw(f"{left:,} results left", outlook, reason, done / (done + left))
        else:
            self._show_at = now + _LINE_EVERY_S
            text = f"CloudWatch: {left:,} results left, {outlook[0]}"
            write(self._stream, f"{text}{': ' if reason else ''}{reason}\n")

    def _outlook(
        self, left: int, settled: int, now: float, failures: Sequence[str], seconds_to_wait: float | None
    ) -> tuple[str, str]:
        """The rate and the remaining time, in a long and a short form."""
        limit = "" if seconds_to_wait is None else _duration(max(seconds_to_wait, 0))
        if failures:
            return f"retrying{f' for {limit} more' if limit else ''}", "retrying"
        begun, settled_then = self._history[0]
        rate = (settled - settled_then) / (now - begun) if now > begun else 0
        if rate <= 0:
            return "waiting for CloudWatch", "waiting"
        seconds = left / rate
        to_go = f"{_duration(seconds)} to go"
        if seconds_to_wait is not None and seconds > seconds_to_wait:
            to_go += f", given up in {limit}"
        return f"{rate:,.0f}/s, {to_go}", to_go

    def _draw(self, left: str, outlook: tuple[str, str], reason: str, share: float) -> None:
        # A line that wraps cannot be overwritten.
        room = width(self._stream) - 1 - _ROOM_FOR_CTRL_C
        if room < _MIN_COLUMNS:
            self._erase()
            return
        texts = [f"CloudWatch: {left}, {words}" for words in outlook] + [f"{left}, {outlook[1]}", left[:room]]
        text = next(text for text in texts if len(text) <= room)
        if len(text) + len(_HINT) <= room:
            columns = min(room - len(text) - len(_HINT) - len("[]"), _BAR_WIDTHS[-1])
            if columns in _BAR_WIDTHS:
                filled = int(columns * share)
                done = self._paint(YELLOW if reason else GREEN, "#" * filled)
                head = f"CloudWatch [{done}{self._paint(FAINT, '.' * (columns - filled))}] "
                text = head + text.removeprefix("CloudWatch: ")
            text += self._paint(FAINT, _HINT)
        if reason:
            room -= len("  ")
            reason = reason if len(reason) <= room else f"{reason[: room - 3]}..."
            text += f"\n  {self._paint(YELLOW, reason)}"
        if text != self._drawn:
            self._attach()
            # In one call, so that the terminal never shows a part of the bar.
            write(self._stream, self._blank + text)
            self._drawn = text

    def _paint(self, color: str, text: str) -> str:
        return paint(color, text) if self._colors and text else text

    @property
    def _blank(self) -> str:
        """The escape sequence that erases the bar."""
        return "\r\x1b[K" + "\x1b[1A\x1b[K" * self._drawn.count("\n") if self._drawn else ""

    def _erase(self) -> None:
        if self._drawn:
            write(self._stream, self._blank)
            self._drawn = ""

    def clear(self) -> None:
        """Erase the bar."""
        self._erase()
        for handler in self._handlers:
            handler.removeFilter(self._erase_for)
        self._handlers.clear()

    def _attach(self) -> None:
        """Erase the bar before anything is logged to a terminal."""
        if self._handlers:
            return
        loggers = [logging.getLogger(), *logging.root.manager.loggerDict.values()]
        found = {
            handler
            for logger in loggers
            if isinstance(logger, logging.Logger)
            for handler in logger.handlers
            if isinstance(handler, logging.StreamHandler) and is_terminal(handler.stream)
        }
        for handler in found:
            handler.addFilter(self._erase_for)
            self._handlers.append(handler)

    def _erase_for(self, _record: logging.LogRecord) -> bool:
        self._erase()
        return True


def _duration(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds <= _IN_SECONDS_UP_TO else f"{seconds / 60:,.0f} min"
