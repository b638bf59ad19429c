"""The listener to Locust's events: it passes each event to the session's method of the same name."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING
from weakref import ReferenceType, WeakKeyDictionary, ref

if TYPE_CHECKING:
    from locust.event import Events

    from locust_cw._plugin.session import Session

_LATER_EVENTS = (
    "test_stopping",
    "test_stop",
    "spawning_complete",
    "cpu_warning",
    "user_error",
    "reset_stats",
    "report_to_master",
    "worker_report",
    "quitting",
    "quit",
)
"""Events that matter only after a test has started."""

# The events hold their listener: here a strong reference would keep both alive.
listeners: WeakKeyDictionary[Events, ReferenceType[Listener]] = WeakKeyDictionary()


class Listener:
    """The listener of one environment's events.

    It registers at import, which puts it before the locustfile's own listeners, and creates the session at the
    first event that needs one: the session's modules would delay `import locust_cw`.
    """

    def __init__(self, events: Events) -> None:
        self._events = events
        self._session: Session | None = None

    @classmethod
    def of(cls, events: Events) -> Listener:
        """The listener of these events; a new one if there is none yet."""
        known = listeners.get(events)
        listener = None if known is None else known()
        if listener is None:
            listener = cls(events)
            listeners[events] = ref(listener)
            listener.listen_to("test_start", *_LATER_EVENTS)
        return listener

    def listen_to(self, *names: str) -> None:
        """Listen to more events."""
        for name in names:
            getattr(self._events, name).add_listener(functools.partial(self._dispatch, name))

    def _dispatch(self, name: str, /, **event: object) -> None:
        if self._session is not None or name not in _LATER_EVENTS:
            getattr(self.session, f"on_{name}")(**event)

    @property
    def session(self) -> Session:
        """The environment's session."""
        if self._session is None:
            from locust_cw._plugin.session import Session  # noqa: PLC0415 - see the class

            self._session = Session()
        return self._session
