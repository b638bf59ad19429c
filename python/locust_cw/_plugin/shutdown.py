"""DrainWait for CloudWatch at the end of a process, for as long as the user cares to."""

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

# How long after the waiting was ended Ctrl-C is still taken for the same.
_PATIENT_S = 3.0


class DrainWait:
    """The waiting of one session.

    Attributes:
        given_up: Whether the user has ended it.

    """

    def __init__(self) -> None:
        """Nobody waits yet."""
        self.given_up = False
        # After a waiting that was ended.
        self._patience: _InterruptGracePeriod | None = None
        # What takes Ctrl-C while it is put off.
        self._put_off: Callable[..., None] | None = None

    def sleep(self, seconds: float) -> None:
        """Let other greenlets run. Ctrl-C ends all waiting for CloudWatch."""
        try:
            gevent.sleep(seconds)
        except KeyboardInterrupt:
            self.given_up = True

    @contextmanager
    def ended_by_ctrl_c(self) -> Iterator[None]:
        """Have Ctrl-C end the waiting, and nothing else: as an exception it could end the process at any line."""
        self.given_up = False
        if self._patience is not None:
            self._patience.end()
            self._patience = None
        if not self._takes_ctrl_c():
            yield
            return
        try:
            yield
        finally:
            if self.given_up:
                self._patience = _InterruptGracePeriod()
            else:
                signal.signal(signal.SIGINT, signal.default_int_handler)

    @contextmanager
    def uninterrupted(self) -> Iterator[None]:
        """Put Ctrl-C off until this is over: as an exception it could end it at any line, half done."""
        pressed = False

        def note(*_: object) -> None:
            nonlocal pressed
            pressed = self.given_up = True

        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return
        try:
            signal.signal(signal.SIGINT, note)
        except ValueError:  # not the main thread, which alone is interrupted
            yield
            return
        self._put_off = note
        try:
            yield
        finally:
            self._put_off = None
            # Who waits for the end meanwhile has taken it over.
            if signal.getsignal(signal.SIGINT) is note:
                signal.signal(signal.SIGINT, signal.default_int_handler)
                if pressed:
                    signal.raise_signal(signal.SIGINT)

    def _takes_ctrl_c(self) -> bool:
        """Take it over, unless that is not ours to do."""

        def stop_waiting(*_: object) -> None:
            self.given_up = True

        if signal.getsignal(signal.SIGINT) not in (signal.default_int_handler, self._put_off):
            # A program of the user's has a way of its own.
            return False
        try:
            signal.signal(signal.SIGINT, stop_waiting)
        except ValueError:  # not the main thread, which alone is interrupted
            return False
        return True


class _InterruptGracePeriod:
    """The moment after a waiting that was ended, in which Ctrl-C does nothing.

    What is pressed once more was meant for the waiting. It would end the process with a wrong exit code.
    """

    def __init__(self) -> None:
        self._until = time.monotonic() + _PATIENT_S
        signal.signal(signal.SIGINT, self._take)
        gevent.spawn_later(_PATIENT_S, self.end)
        atexit.register(self._last_until_the_end)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if time.monotonic() > self._until:
            self.end()
            signal.default_int_handler(number, frame)

    def end(self) -> None:
        """Let Ctrl-C interrupt again, as it does by default."""
        atexit.unregister(self._last_until_the_end)
        if signal.getsignal(signal.SIGINT) == self._take:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _last_until_the_end(self) -> None:
        # The interpreter takes its handlers off before it is gone, and what is left then kills the process.
        if signal.getsignal(signal.SIGINT) == self._take:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
