"""Greenlets beside the load."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import gevent

if TYPE_CHECKING:
    from collections.abc import Callable

    from gevent import Greenlet

P = ParamSpec("P")
T = TypeVar("T")


def spawn(function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> Greenlet[..., None]:
    """Spawn as gevent does, except that Ctrl-C goes to the main greenlet, which ends the test.

    Python raises it in the greenlet that is running. gevent passes it to the main greenlet too, but prints a traceback.
    """

    @wraps(function)  # the name in gevent's listings and error reports
    def run() -> None:
        try:
            function(*args, **kwargs)
        except KeyboardInterrupt as interrupt:
            gevent.get_hub().handle_system_error(KeyboardInterrupt, interrupt)

    return gevent.spawn(run)


def in_thread(function: Callable[[], T]) -> T:
    """Call a function in a thread of gevent's, so that greenlets go on."""
    try:
        pool = gevent.get_hub().threadpool
        result: T = pool.apply(function)
    except RuntimeError:
        # At the end of the interpreter, no thread can be started.
        return function()
    return result
