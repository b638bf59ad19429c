"""The adapter to Locust's fleets: messages between master and workers, and the states of runners."""

from __future__ import annotations

import functools
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import gevent

from locust_cw._plugin.locust_adapter import BY_MASTER, NoCommandLine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from locust.env import Environment

MESSAGE = "locust_cw"
"""The type of locust-cw's messages, and its key in Locust's reports."""

# Locust's names of states.
_MISSING = "missing"
_STOPPED = "stopped"
_SPAWNING = "spawning"
_RUNNING = "running"
_BEFORE_OR_AFTER_USERS = ("ready", _STOPPED)
_BEGINNING = ("ready", _SPAWNING)
_AT_WORK = (_SPAWNING, _RUNNING)


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
        handle(msg.node_id, msg.data)

    runner.register_message(MESSAGE, listener)
    return True


def send(environment: Environment, message: dict[str, Any], client_id: str | None = None) -> None:
    """Send a message to the master, or to a worker. Best effort: a failure is ignored."""
    runner: Any = environment.runner
    with suppress(Exception):
        runner.send_message(MESSAGE, message, client_id)


def has_ended(environment: Environment) -> bool:
    """Whether Locust's greenlets have ended, so that nothing receives messages."""
    runner: Any = environment.runner
    return not len(runner.greenlet)


def receive(environment: Environment, handle: Callable[[str, Any], None]) -> None:
    """Receive messages instead of Locust's greenlets, until this greenlet is killed."""
    runner: Any = environment.runner
    while True:
        with suppress(Exception):
            message = runner.server.recv_from_client()[1] if hasattr(runner, "server") else runner.client.recv()
            if message.type == MESSAGE:
                handle(message.node_id, message.data)
        gevent.sleep(0)


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
