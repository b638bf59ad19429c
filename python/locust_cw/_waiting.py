"""Waiting for CloudWatch at the end of a process, for as long as the user cares to."""

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


class Waiting:
    """The waiting of one session.

    Attributes:
        given_up: Whether the user has ended it.

    """

    def __init__(self) -> None:
        """Nobody waits yet."""
        self.given_up = False
        # Ends the moment in which Ctrl-C is still taken for the end of a waiting.
        self._patience: Callable[[], None] | None = None

    def sleep(self, seconds: float) -> None:
        """Let other greenlets run. Ctrl-C ends all waiting for CloudWatch."""
        try:
            gevent.sleep(seconds)
        except KeyboardInterrupt:
            self.given_up = True

    @contextmanager
    def ended_by_ctrl_c(self) -> Iterator[None]:
        """Have Ctrl-C end the waiting, and nothing else: as an exception it could end the process at any line."""

        def stop_waiting(*_: object) -> None:
            self.given_up = True

        def after_a_moment(number: int, frame: FrameType | None) -> None:
            if time.monotonic() > patient_until:
                interruptible()
                signal.default_int_handler(number, frame)

        def interruptible() -> None:
            atexit.unregister(uninterruptible)
            if signal.getsignal(signal.SIGINT) is after_a_moment:
                signal.signal(signal.SIGINT, signal.default_int_handler)

        def uninterruptible() -> None:
            # The interpreter takes its handlers off before it is gone, and what is left then kills the process.
            if signal.getsignal(signal.SIGINT) is after_a_moment:
                signal.signal(signal.SIGINT, signal.SIG_IGN)

        self.given_up = False
        if self._patience is not None:
            # The last waiting ended a moment ago.
            self._patience()
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            # A program of the user's has a way of its own.
            yield
            return
        try:
            signal.signal(signal.SIGINT, stop_waiting)
        except ValueError:  # not the main thread, which alone is interrupted
            yield
            return
        try:
            yield
        finally:
            # What is pressed once more was meant for the waiting. It would end the process with a wrong exit code.
            patient_until = time.monotonic() + _PATIENT_S
            signal.signal(signal.SIGINT, after_a_moment if self.given_up else signal.default_int_handler)
            if self.given_up:
                self._patience = interruptible
                gevent.spawn_later(_PATIENT_S, interruptible)
                atexit.register(uninterruptible)
