"""Registration with Locust: at import where Locust is there, as soon as it is imported otherwise."""

from __future__ import annotations

import importlib.util
import sys
from importlib.abc import Loader, MetaPathFinder
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from locust_cw import _options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from locust.env import Environment
    from locust.event import Events

    from locust_cw._session import Session

_sessions: WeakKeyDictionary[Events, Session] = WeakKeyDictionary()

_settled: set[str] = set()
"""Options that programs have decided: the web UI's start form does not ask for them."""


def attach(environment: Environment, **options: object) -> Session:
    """Publish the tests of an environment, for programs that use Locust as a library.

    To be called before the test starts, once; a second call changes the options for the next test. What is not
    delivered when the program ends, or fires the environment's `quit` event, is sent then, within `drain_timeout`.

    Args:
        environment: With or without events of its own.
        **options: The command line's in Python form (``--cw-flush-interval`` is `flush_interval`). They win over those
            the environment was parsed with.

    Returns:
        The session. Its `close` delivers what is left and gives the receipts, where the program does not want to wait
        for its own end.

    Raises:
        InvalidOptionError: If an option is not known or cannot be used.

    """
    session = _session_of(environment.events)
    session.configure(environment, options)
    # Without a command line Locust has nowhere to keep what is typed in the form.
    _settled.update(options if environment.parsed_options is not None else _options.NAMES)
    return session


def _session_of(events: Events) -> Session:
    # Imported here: it needs gevent, which a program without Locust does without.
    from locust_cw._session import Session  # noqa: PLC0415

    if events not in _sessions:
        _sessions[events] = Session(events)
    return _sessions[events]


def register_with_locust() -> None:
    """Register with Locust's global events, now or when Locust is imported."""
    locust = sys.modules.get("locust")
    if locust is not None:
        _register(locust)
    else:
        sys.meta_path.insert(0, _LocustFinder())


def _register(locust: ModuleType) -> None:
    events: Events = locust.events
    events.init_command_line_parser.add_listener(_add_options)
    session = _session_of(events)
    events.init.add_listener(session.on_init)


def _add_options(parser: Any, **_kwargs: object) -> None:  # noqa: ANN401 - configargparse has no types
    _options.add_to(parser, not_in_form=_settled)


class _LocustFinder(MetaPathFinder):
    """Waits for Locust to be imported, by whoever does it, and registers with it then."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname != "locust":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _RegisteringLoader(spec.loader)
        return spec


class _RegisteringLoader(Loader):
    """Loads Locust as ever, and registers with it."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        _register(module)
