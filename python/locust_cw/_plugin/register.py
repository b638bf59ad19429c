"""Registration with Locust: at import where Locust is there, as soon as it is imported otherwise."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import threading
from contextlib import suppress
from importlib.abc import Loader, MetaPathFinder
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, WeakKeyDictionary, WeakSet, ref

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from locust.env import Environment
    from locust.event import Events

    from locust_cw._plugin.session import Session

_LATER_EVENTS = (
    "test_stop",
    "spawning_complete",
    "cpu_warning",
    "reset_stats",
    "report_to_master",
    "worker_report",
    "quitting",
    "quit",
)
"""Before a test has started these say nothing."""

# The events themselves hold their listener.
_listeners: WeakKeyDictionary[Events, ReferenceType[_Listener]] = WeakKeyDictionary()
_registered: WeakSet[Events] = WeakSet()

_settled: set[str] = set()
"""Options that programs have decided: the web UI's start form does not ask for them."""


def attach(environment: Environment, **options: object) -> Session:
    """Publish the tests of an environment, for programs that use Locust as a library.

    To be called before the test starts, once; a second call changes the options for the next test. Where the
    environment has `reset_stats`, before the runner is made, too: it resets the statistics that the receipt is compared
    with. What is not delivered when the program ends, or fires the environment's `quit` event, is sent then, within
    `drain_timeout`.

    Options that are neither given here nor on a command line which Locust has parsed are read from their environment
    variables, such as ``LOCUST_CW_NAMESPACE``. An opt-out holds wherever it is set: ``LOCUST_CW_DISABLE=true`` and
    ``LOCUST_CW_DRY_RUN=true`` hold although the program gives `disable=False`, and the program's opt-outs hold although
    a variable says no.

    In a fleet each process attaches its own environment. What is given here or read from environment variables is not
    sent to the workers, as the options of a master's command line are: give all processes the same, such as `namespace`
    and `endpoint_url`. Sent are the run id, and what keeps the master's results off AWS: `disable`, `dry_run`, and with
    `local` the address of the local CloudWatch. A worker's own opt-outs hold there, whatever its master's options are.

    A test that `strict` or `stop_on_alarm` refuses does not begin: `gevent.GreenletExit` ends the greenlet that is
    about to spawn its users. With a master that is the one that calls the runner's `start`, and may be the program's
    main one: catch it there, or have `gevent.spawn` call `start`.

    Args:
        environment: With or without events of its own.
        **options: The command line's in Python form (``--cw-flush-interval`` is `flush_interval`). Each comes before
            the command line's and the environment variable.

    Returns:
        The session. Its `close` delivers what is left and gives the receipts, where the program does not want to wait
        for its own end.

    Raises:
        InvalidOptionError: If an option is not known or cannot be used, or its environment variable cannot.

    """
    from locust_cw._settings import table as _options  # noqa: PLC0415 - needed once there is a command line to parse

    session = _Listener.of(environment.events).session
    session.configure(environment, options)
    # Without a command line Locust has nowhere to keep what is typed in the form.
    _settled.update(options if environment.parsed_options is not None else _options.NAMES)
    return session


class _Listener:
    """Listens to an environment's events for its session, which is made with the first event that needs it.

    A session brings two dozen modules, which `import locust_cw` is not to wait for; and to listen from the import on
    keeps its place before the locustfile's own listeners.
    """

    def __init__(self, events: Events) -> None:
        self._events = events
        self._session: Session | None = None

    @classmethod
    def of(cls, events: Events) -> _Listener:
        """The one that there is, or a new one."""
        known = _listeners.get(events)
        listener = None if known is None else known()
        if listener is None:
            listener = cls(events)
            _listeners[events] = ref(listener)
            listener.listen_to("test_start", *_LATER_EVENTS)
        return listener

    def listen_to(self, *names: str) -> None:
        """Hand events on, each to the session's method of its name."""
        for name in names:
            getattr(self._events, name).add_listener(functools.partial(self._hand_on, name))

    def _hand_on(self, name: str, /, **event: object) -> None:
        if self._session is not None or name not in _LATER_EVENTS:
            getattr(self.session, f"on_{name}")(**event)

    @property
    def session(self) -> Session:
        """The environment's session."""
        if self._session is None:
            # It needs gevent besides, which a program without Locust does without.
            from locust_cw._plugin.session import Session  # noqa: PLC0415 - as the class says

            self._session = Session(self._events)
        return self._session


def register_with_locust() -> None:
    """Register with Locust's global events, now or when Locust is imported."""
    locust = sys.modules.get("locust")
    if locust is not None:
        _register(locust)
    else:
        sys.meta_path.insert(0, _LocustFinder())


def _register(locust: ModuleType) -> None:
    events: Events = locust.events
    # A locustfile may be imported anew, and this package with it.
    if events not in _registered:
        _registered.add(events)
        events.init_command_line_parser.add_listener(_add_options)
        _Listener.of(events).listen_to("init")


def _add_options(parser: Any, **_kwargs: object) -> None:  # noqa: ANN401 - configargparse has no types
    # Needed once there is a command line to parse. With the rest, so that workers which Locust forks share it.
    from locust_cw._settings import table as _options  # noqa: PLC0415

    importlib.import_module("locust_cw._plugin.session")
    _options.add_to(parser, not_in_form=_settled)


class _LocustFinder(MetaPathFinder):
    """Waits for Locust to be imported, by whoever does it, and registers with it then.

    Programs may look for Locust without importing it, so it stays until an import has succeeded.
    """

    def __init__(self) -> None:
        # By thread: one that asks the other finders must not have another thread's import pass by.
        self._asking = threading.local()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname != "locust" or getattr(self._asking, "now", False):
            return None
        self._asking.now = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._asking.now = False
        if spec is not None and spec.loader is not None:
            spec.loader = _RegisteringLoader(spec.loader, self)
        return spec


class _RegisteringLoader(Loader):
    """Loads Locust as ever, and registers with it."""

    def __init__(self, loader: Loader, finder: _LocustFinder) -> None:
        self._loader = loader
        self._finder = finder

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the loader has
        # Where Locust is only looked for.
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # Whoever asks the module for its loader wants all that the loader can do, such as to read files.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        with suppress(ValueError):
            sys.meta_path.remove(self._finder)
        _register(module)
