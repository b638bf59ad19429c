"""The adapter to Locust's fleets: messages between master and workers, and the states of runners."""

from __future__ import annotations

import functools
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

import gevent

from locust_cw._plugin.locust_adapter import BY_MASTER, NoCommandLine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from locust.env import Environment

MESSAGE = "locust_cw"
"""The type of locust-cw's messages, and its key in Locust's reports."""

# How long `receive` waits after a message that cannot be read.
_RETRY_S = 0.05

# Locust's names of states.
_MISSING = "missing"
_STOPPED = "stopped"
_SPAWNING = "spawning"
_RUNNING = "running"
_BEFORE_OR_AFTER_USERS = ("ready", _STOPPED)
_BEGINNING = ("ready", _SPAWNING)
_AT_WORK = (_SPAWNING, _RUNNING)

# The greenlet in which Locust receives messages, and calls listeners to them.
_receivers: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


class WorkerStates(NamedTuple):
    """A master's workers by their states, as far as Locust knows them.

    Attributes:
        present: Workers that report to Locust.
        missing: Workers that no longer do; Locust forgets them after a minute.
        beginning: Workers that may not have started yet.
        at_work: Workers that have users, or are about to.
        begun: Workers that have spawned their users.

    """

    present: set[str]
    missing: set[str]
    beginning: set[str]
    at_work: set[str]
    begun: set[str]

    @classmethod
    def of(cls, states: Mapping[str, str]) -> WorkerStates:
        """Sort workers by their states."""

        def workers_in(*names: str) -> set[str]:
            return {worker for worker, state in states.items() if state in names}

        missing = workers_in(_MISSING)
        return cls(
            states.keys() - missing, missing, workers_in(*_BEGINNING), workers_in(*_AT_WORK), workers_in(_RUNNING)
        )


def parse_defaults_once() -> None:
    """Have a worker compute Locust's default options only once.

    For each start message, which a ramp-up sends every second, Locust computes them again for each option that the
    master has sent, and locust-cw nearly doubles the number of options. That takes some 0.3 seconds in total, during
    which users and heartbeats wait. Keeping the result is safe, because Locust only looks up names in it.
    """
    parser: Any = sys.modules.get("locust.argument_parser")
    compute = getattr(parser, "default_args_dict", None)
    if compute is not None and not hasattr(compute, "cache_info"):
        parser.default_args_dict = functools.cache(compute)


def send_to_workers(environment: Environment, **values: bool | float | str | list[str] | None) -> None:
    """Have Locust send values to the workers with the master's options.

    They have names of their own, because the user's options must still apply to the next test.
    """
    if environment.parsed_options is None:
        # Without a namespace, Locust sends nothing.
        environment.parsed_options = NoCommandLine()
    for name, value in values.items():
        setattr(environment.parsed_options, f"{BY_MASTER}{name}", value)


def register(environment: Environment, handle: Callable[[str, Any], None]) -> bool:
    """Call `handle` with the sender and the content of each message. False if that is the case already."""
    runner: Any = environment.runner
    if MESSAGE in runner.custom_messages:
        return False

    def listener(msg: Any, **_kwargs: object) -> None:  # noqa: ANN401 - Locust's Message has no types
        _receivers[runner] = gevent.getcurrent()
        handle(msg.node_id, msg.data)

    if hasattr(runner, "client"):
        # A worker starts a test when it receives the start.
        _receivers[runner] = gevent.getcurrent()
    runner.register_message(MESSAGE, listener)
    return True


def send(environment: Environment, message: dict[str, Any], client_id: str | None = None) -> None:
    """Send a message to the master, or to a worker. Best effort: a failure is ignored."""
    runner: Any = environment.runner
    with suppress(Exception):
        runner.send_message(MESSAGE, message, client_id)


def is_receiving(environment: Environment) -> bool:
    """Whether Locust receives messages. `sys.exit` in a listener ends only the greenlet that does."""
    runner: Any = environment.runner
    receiver = _receivers.get(runner)
    return len(runner.greenlet) > 0 and (receiver is None or not receiver.dead)


def receive(environment: Environment, handle: Callable[[str, Any], None]) -> None:
    """Receive messages instead of Locust's greenlets, until this greenlet is killed."""
    runner: Any = environment.runner
    while True:
        try:
            message = runner.server.recv_from_client()[1] if hasattr(runner, "server") else runner.client.recv()
            if message.type == MESSAGE:
                handle(message.node_id, message.data)
        except Exception:  # noqa: BLE001 - a worker may send anything, and the program may close the socket
            gevent.sleep(_RETRY_S)
        else:
            gevent.sleep(0)


def when_receiving_ends(environment: Environment, call: Callable[[], None]) -> None:
    """Call a function when Locust receives no more messages. It may be called several times.

    Locust ends its greenlets in the runner's `quit`. When the last worker has quit, the greenlet that receives calls
    `quit` itself, which waits: workers that deliver at their end send their last reports then.
    """
    runner: Any = environment.runner
    quit_runner = runner.quit

    @functools.wraps(quit_runner)
    def quit_and_call() -> None:
        if gevent.getcurrent() is _receivers.get(runner):
            call()
        try:
            quit_runner()
        finally:
            if not is_receiving(environment):
                call()

    runner.quit = quit_and_call


def is_master_lost(environment: Environment) -> bool:
    """Whether a worker has received no heartbeat for so long that Locust ends it."""
    runner: Any = environment.runner
    last: float | None = runner.last_heartbeat_timestamp
    timeout: float = sys.modules["locust.runners"].MASTER_HEARTBEAT_TIMEOUT
    return last is not None and last < time.time() - timeout


def worker_states(environment: Environment) -> WorkerStates:
    """The states of a master's workers."""
    runner: Any = environment.runner
    return WorkerStates.of({client.id: client.state for client in runner.clients.all})


def has_workers(environment: Environment) -> bool:
    """Whether a master has workers that report to Locust."""
    return bool(worker_states(environment).present)


def has_users(environment: Environment) -> bool:
    """Whether a master's test has users, or is about to."""
    runner: Any = environment.runner
    return runner.state not in _BEFORE_OR_AFTER_USERS


def is_stopped(environment: Environment) -> bool:
    """Whether all of a master's workers have stopped."""
    runner: Any = environment.runner
    return bool(runner.state == _STOPPED)


def before_start(environment: Environment, call: Callable[[], None]) -> None:
    """Call a function before each start of the runner, which also sends the options to workers that join late."""
    runner: Any = environment.runner
    start = runner.start

    @functools.wraps(start)
    def start_after_call(*args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Locust's arguments
        call()
        start(*args, **kwargs)

    runner.start = start_after_call
