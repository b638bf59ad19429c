"""Waiting for CloudWatch at the end of a process, until the user presses Ctrl-C."""

from __future__ import annotations

import atexit
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import gevent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

# How long further Ctrl-C are ignored after one has ended the wait.
_GRACE_PERIOD_S = 3.0


class DrainWait:
    """The wait of one session.

    Attributes:
        given_up: Whether the user has ended it.

    """

    def __init__(self) -> None:
        self.given_up = False
        self._grace_period: _InterruptGracePeriod | None = None
        # The handler that postpones Ctrl-C.
        self._postponing: Callable[..., None] | None = None

    def sleep(self, seconds: float) -> None:
        """Let other greenlets run. Ctrl-C ends the wait for CloudWatch."""
        try:
            gevent.sleep(seconds)
        except KeyboardInterrupt:
            self.given_up = True

    @contextmanager
    def ended_by_ctrl_c(self, *, given_up: bool = False) -> Iterator[None]:
        """Have Ctrl-C end only the wait: as an exception it could end the process at any line.

        Args:
            given_up: Whether the user has ended it before.

        """
        self.given_up = given_up
        if self._grace_period is not None:
            self._grace_period.end()
            self._grace_period = None
        if not self._handle_ctrl_c():
            yield
            return
        try:
            yield
        finally:
            if self.given_up:
                self._grace_period = _InterruptGracePeriod()
            else:
                signal.signal(signal.SIGINT, signal.default_int_handler)

    @contextmanager
    def uninterrupted(self) -> Iterator[None]:
        """Postpone Ctrl-C to the end of the block: as an exception it could end the block at any line."""
        pressed = False

        def postpone(*_: object) -> None:
            nonlocal pressed
            pressed = self.given_up = True

        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return
        try:
            signal.signal(signal.SIGINT, postpone)
        except ValueError:  # only the main thread can set handlers
            yield
            return
        self._postponing = postpone
        try:
            yield
        finally:
            self._postponing = None
            # A wait for the end may have replaced the handler in the meantime.
            if signal.getsignal(signal.SIGINT) is postpone:
                signal.signal(signal.SIGINT, signal.default_int_handler)
                if pressed:
                    signal.raise_signal(signal.SIGINT)

    def _handle_ctrl_c(self) -> bool:
        """Replace the handler of Ctrl-C, unless the program has one of its own."""

        def stop_waiting(*_: object) -> None:
            self.given_up = True

        if signal.getsignal(signal.SIGINT) not in (signal.default_int_handler, self._postponing):
            return False
        try:
            signal.signal(signal.SIGINT, stop_waiting)
        except ValueError:  # only the main thread can set handlers
            return False
        return True


class _InterruptGracePeriod:
    """The time after a wait that Ctrl-C has ended, in which Ctrl-C does nothing.

    A user who presses it again means the wait. It would end the process with a wrong exit code.
    """

    def __init__(self) -> None:
        self._until = time.monotonic() + _GRACE_PERIOD_S
        signal.signal(signal.SIGINT, self._handle)
        gevent.spawn_later(_GRACE_PERIOD_S, self.end)
        atexit.register(self._ignore_at_exit)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if time.monotonic() > self._until:
            self.end()
            signal.default_int_handler(number, frame)

    def end(self) -> None:
        """Restore the default handler."""
        atexit.unregister(self._ignore_at_exit)
        if signal.getsignal(signal.SIGINT) == self._handle:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _ignore_at_exit(self) -> None:
        # The interpreter removes its handlers before it ends, and the default action kills the process.
        if signal.getsignal(signal.SIGINT) == self._handle:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
