"""Registration with Locust: at import if Locust is imported already, otherwise as soon as it is imported."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from locust_cw._plugin.listener import Listener

if TYPE_CHECKING:
    from types import ModuleType

    from locust.event import Events

_registered: WeakSet[Events] = WeakSet()

fixed_options: set[str] = set()
"""Options that a program passed to `attach`: the web UI's start form does not show them."""


def register_with_locust() -> None:
    """Register with Locust's global events, now or when Locust is imported."""
    locust = sys.modules.get("locust")
    if locust is not None:
        _register(locust)
    else:
        from locust_cw._plugin.import_hook import LocustFinder  # noqa: PLC0415 - Locust usually is imported already

        sys.meta_path.insert(0, LocustFinder(_register))


def _register(locust: ModuleType) -> None:
    events: Events = locust.events
    # A program may reload a locustfile, and this package with it.
    if events not in _registered:
        _registered.add(events)
        events.init_command_line_parser.add_listener(_add_options)
        Listener.of(events).listen_to("init")


def _add_options(parser: Any, **_kwargs: object) -> None:  # noqa: ANN401 - configargparse has no types
    # Imported once there is a command line to parse, and before Locust forks workers, which then share the modules.
    from locust_cw._plugin import locust_adapter  # noqa: PLC0415
    from locust_cw._settings import table  # noqa: PLC0415

    importlib.import_module("locust_cw._plugin.session")
    locust_adapter.mark_default_exit_code(parser)
    table.add_to(parser, not_in_form=fixed_options)
