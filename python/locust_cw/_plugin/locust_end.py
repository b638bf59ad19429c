"""The adapter to the end of a test: the runner's `stop`, and the exit code. Few tests need it."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from locust_cw._plugin.locust_adapter import DefaultExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from locust.env import Environment
    from locust.runners import Runner

# Locust's own, for an exception in a listener.
_EXIT_CODE_OF_EXCEPTION = 2

_around_stop: WeakKeyDictionary[Runner, Callable[[], AbstractContextManager[None]]] = WeakKeyDictionary()


def set_around_stop(environment: Environment, around: Callable[[], AbstractContextManager[None]]) -> None:
    """Have the runner's `stop` run within the context that `around` returns. Replaces an earlier `around`."""
    runner: Any = environment.runner
    if runner is None:
        return
    is_patched = runner in _around_stop
    _around_stop[runner] = around
    if is_patched:
        return
    stop = runner.stop

    @functools.wraps(stop)
    def stop_within(*args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Locust's arguments
        with _around_stop[runner]():
            stop(*args, **kwargs)

    runner.stop = stop_within


def ignore_failed_requests(environment: Environment) -> None:
    """Have Locust exit with 0 although requests failed, unless the user sets `--exit-code-on-error`.

    Exceptions in tasks and listeners keep their effect. Locust computes the exit code after the event `quitting`.
    """
    options, runner = environment.parsed_options, environment.runner
    if options is None or runner is None or runner.exceptions:
        return
    if isinstance(getattr(options, "exit_code_on_error", None), DefaultExitCode):
        options.exit_code_on_error = 0
        if sys.modules["locust.log"].unhandled_greenlet_exception and environment.process_exit_code is None:
            # Locust looks at it only if no request has failed.
            environment.process_exit_code = _EXIT_CODE_OF_EXCEPTION
