"""The replacement of the core in a `Publisher` that is disabled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust_cw import _core

if TYPE_CHECKING:
    from collections.abc import Sequence

WHY = "Publishing is disabled by the option disable or by LOCUST_CW_DISABLE: nothing was recorded"


class _Done:
    """A flush that is settled, and a delivery that is complete."""

    settled = True
    over = True


class Disabled:
    """Ignores everything: no thread, no file, no call."""

    drain_timeout = 0.0
    has_room = True

    def __init__(self, run_id: str) -> None:
        """A run of that id."""
        self.run_id = run_id

    def record(self, *_request: object, **_more: object) -> None:
        """Ignore a request."""

    def custom(self, *_value: object, **_more: object) -> None:
        """Ignore a value of a custom metric."""

    def mark(self, *_text: object, **_more: object) -> None:
        """Ignore a mark."""

    def event(self, *_event: object) -> None:
        """Ignore an event."""

    def set_users(self, _users: int) -> None:
        """Ignore the number of users."""

    def flush(self) -> _Done:
        """Nothing has to be sent."""
        return _Done()

    async def flush_async(self, _timeout: float | None = None) -> bool:
        """Nothing has to be sent."""
        return True

    async def room_async(self) -> None:
        """There is always room."""

    def seal(self) -> None:
        """Nothing is recorded anyway."""

    def progress(self) -> _Done:
        """Nothing has to be sent."""
        return _Done()

    def take_messages(self) -> Sequence[_core.LogMessage]:
        """There are no messages."""
        return ()

    def finish(self) -> _core.Receipt:
        """The receipt of a run without requests."""
        return _core.empty_receipt(self.run_id)

    async def close_async(self, _timeout: float) -> _core.Receipt:
        """The receipt of a run without requests."""
        return self.finish()
