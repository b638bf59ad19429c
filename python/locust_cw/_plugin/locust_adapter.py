"""The adapter to Locust: what every process uses of Locust's internals. `locust_fleet` has the part for fleets."""

from __future__ import annotations

import argparse
import functools
import sys
import time
from enum import Enum, auto
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import gevent

from locust_cw import _core
from locust_cw._plugin.greenlets import spawn
from locust_cw._plugin.process_name import process_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from locust import User
    from locust.env import Environment
    from locust.web import WebUI

_POLL_S = 0.05
_RUNNER_TIMEOUT_S = 5.0
BY_MASTER = "cw_master_"

_watched: WeakSet[Environment] = WeakSet()


class Role(Enum):
    """What a process is in a test."""

    LOCAL = auto()
    """The only process."""
    MASTER = auto()
    WORKER = auto()


def role_of(environment: Environment | None) -> Role:
    """The role of a process, by the class of its runner; subclasses count."""
    runner = getattr(environment, "runner", None)
    # An environment that has a runner has imported this module. Importing it would have gevent patch the process.
    runners: Any = sys.modules.get("locust.runners")
    if runner is None or runners is None:
        return Role.LOCAL
    if isinstance(runner, runners.MasterRunner):
        return Role.MASTER
    return Role.WORKER if isinstance(runner, runners.WorkerRunner) else Role.LOCAL


def name_of_process(environment: Environment) -> str:
    """The name of this process within a run; a worker has one already."""
    runner: Any = environment.runner
    return str(runner.client_id) if role_of(environment) is Role.WORKER else process_name()


# Options.


class NoCommandLine(argparse.Namespace):
    """The options of a program without a command line: each option that Locust reads is None."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


def has_command_line(environment: Environment | None) -> bool:
    """Whether the options are from Locust's command line."""
    options = getattr(environment, "parsed_options", None)
    return options is not None and not isinstance(options, NoCommandLine)


def sent_by_master(environment: Environment, name: str) -> Any:  # noqa: ANN401 - each value has its own type
    """A value that the master has sent with its options; None if it has sent none."""
    return getattr(environment.parsed_options, f"{BY_MASTER}{name}", None)


def set_run_id(environment: Environment, run_id: str) -> None:
    """Set the option that Locust sends to the workers."""
    if environment.parsed_options is not None:
        environment.parsed_options.cw_run_id = run_id


# Locust's state.


def wait_for_runner(environment: Environment) -> None:
    """Wait for the runner: a worker that joins a running test starts before its environment has the runner."""
    deadline = time.monotonic() + _RUNNER_TIMEOUT_S
    is_worker = (
        getattr(environment.parsed_options, "worker", False)
        # A program's worker has no command line.
        or sent_by_master(environment, "disable") is not None
    )
    while is_worker and environment.runner is None and time.monotonic() < deadline:
        gevent.sleep(_POLL_S)


def user_count(environment: Environment) -> int:
    """The number of users; on a master, of all workers."""
    return 1 if environment.runner is None else environment.runner.user_count


def has_shape(environment: Environment) -> bool:
    """Whether a `LoadTestShape` controls the number of users."""
    return environment.shape_class is not None


def users_by_class(environment: Environment) -> dict[str, int]:
    """The number of users of each class; on a master, of all workers."""
    runner: Any = environment.runner
    if runner is None:
        return {}
    is_master = role_of(environment) is Role.MASTER
    counts: dict[str, int] = runner.reported_user_classes_count if is_master else runner.user_classes_count
    return counts


def worker_count(environment: Environment) -> int:
    """The number of a master's workers."""
    runner: Any = environment.runner
    return int(runner.worker_count)


def stop_timeout(environment: Environment) -> float:
    """How many seconds users may take to end their tasks when the test stops."""
    return float(environment.stop_timeout or 0)


def totals(environment: Environment) -> tuple[int, int]:
    """Locust's requests and failures since the last reset of its statistics."""
    total = environment.stats.total
    return total.num_requests, total.num_failures


def statistics(environment: Environment) -> dict[str, Any]:
    """Locust's statistics of all requests, for the log."""
    total = environment.stats.total
    numbers: dict[str, Any] = {
        "requests": total.num_requests,
        "failures": total.num_failures,
        "median_response_time_ms": total.median_response_time,
        "avg_response_time_ms": total.avg_response_time,
        "min_response_time_ms": total.min_response_time,
        "max_response_time_ms": total.max_response_time,
        "requests_per_s": total.total_rps,
    }
    # Times in microseconds, as in the log events of requests.
    return {name: round(number, 3) if isinstance(number, float) else number for name, number in numbers.items()}


def hosts_of(environment: Environment) -> tuple[str | None, str | None]:
    """The environment's host, and the host that its user classes share, as they are published."""
    found = environment.host or None, _shared_host(environment.user_classes)
    # Bytes of a command line may not be UTF-8.
    first, second = (host and _core.public_host(host.encode(errors="replace").decode()) for host in found)
    return first, second


def _shared_host(user_classes: Iterable[type[User]]) -> str | None:
    """The host of all user classes; None if they have several or none, or if it is not known.

    Requests of `https://shop.example/v1` are published with their URL's origin, so the origin counts.
    """
    given = [user_class.host for user_class in user_classes if user_class.host]
    if not all(isinstance(host, str) for host in given):
        # It may be a property: only an instance knows the value.
        return None
    hosts = {_core.origin_of(host) or host for host in given}
    return hosts.pop() if len(hosts) == 1 else None


# Changes of Locust's course.


def set_failed(environment: Environment) -> None:
    """Have Locust exit with 1."""
    environment.process_exit_code = 1


class DefaultExitCode(int):
    """The exit code for failed requests, unless the user sets it."""


def mark_default_exit_code(parser: argparse.ArgumentParser) -> None:
    """Make the default of Locust's `--exit-code-on-error` distinguishable from the same number given by the user."""
    default = parser.get_default("exit_code_on_error")
    if default is not None:
        parser.set_defaults(exit_code_on_error=DefaultExitCode(default))


def end_test(environment: Environment) -> None:
    """Have Locust end the test. A web UI stays."""
    if environment.runner is not None:
        spawn(environment.runner.stop if environment.web_ui is not None else environment.runner.quit)


def update_clock() -> None:
    """Update gevent's clock, which stands still while modules are imported: `--run-time` counts from it."""
    gevent.get_hub().loop.update_now()


def on_web_ui(environment: Environment, show: Callable[[WebUI], None]) -> None:
    """Call `show` with the web UI that there is, or with the one that will be created."""
    if environment.web_ui is not None:
        show(environment.web_ui)
    elif environment not in _watched:
        _watched.add(environment)
        create: Callable[..., WebUI] = environment.create_web_ui

        @functools.wraps(create)
        def create_web_ui(*args: Any, **kwargs: Any) -> WebUI:  # noqa: ANN401 - Locust's arguments
            web_ui = create(*args, **kwargs)
            show(web_ui)
            return web_ui

        environment.create_web_ui = create_web_ui  # type: ignore[method-assign]
