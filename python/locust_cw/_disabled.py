"""What a `Publisher` has in place of its core where it is to publish nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust_cw import _core

if TYPE_CHECKING:
    from collections.abc import Sequence

WHY = "Publishing is disabled, by the option disable or by LOCUST_CW_DISABLE: nothing was recorded"


class _AllDone:
    """A flush that is settled, and the progress of what has nothing to deliver."""

    settled = True
    over = True


class Disabled:
    """Takes everything, and does nothing with it: no thread, no file, no call."""

    drain_timeout = 0.0
    has_room = True

    def __init__(self, run_id: str) -> None:
        """A run of that id."""
        self.run_id = run_id

    def record(self, *_request: object, **_more: object) -> None:
        """Forget a request."""

    def gauge(self, *_gauge: object) -> None:
        """Forget a value."""

    def event(self, *_event: object) -> None:
        """Forget an event."""

    def set_users(self, _users: int) -> None:
        """Forget the number of users."""

    def flush(self) -> _AllDone:
        """Be done already."""
        return _AllDone()

    async def flush_async(self, _timeout: float | None = None) -> bool:
        """Be done already."""
        return True

    async def room_async(self) -> None:
        """Wait for nothing."""

    def seal(self) -> None:
        """Take nothing more, as ever."""

    def progress(self) -> _AllDone:
        """Be done already."""
        return _AllDone()

    def diagnostics(self) -> Sequence[_core.LogMessage]:
        """Have nothing to say."""
        return ()

    def finish(self) -> _core.Receipt:
        """Say that there was nothing."""
        return _core.empty_receipt(self.run_id)

    async def close_async(self, _timeout: float) -> _core.Receipt:
        """Say that there was nothing."""
        return self.finish()
