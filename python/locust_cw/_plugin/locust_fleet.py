"""The adapter to Locust's fleets: messages between master and workers, and the states of runners."""

from __future__ import annotations

import functools
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import gevent

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust.env import Environment

MESSAGE = "locust_cw"
"""The type of locust-cw's messages, and its key in Locust's reports."""

_BEFORE_OR_AFTER_USERS = ("ready", "stopped")


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
    """Receive messages in place of Locust's greenlets, until this greenlet is killed."""
    runner: Any = environment.runner
    while True:
        with suppress(Exception):
            message = runner.server.recv_from_client()[1] if hasattr(runner, "server") else runner.client.recv()
            if message.type == MESSAGE:
                handle(message.node_id, message.data)
        gevent.sleep(0)


def clients(environment: Environment) -> Any:  # noqa: ANN401 - Locust's WorkerNodes
    """A master's workers, as Locust knows them."""
    runner: Any = environment.runner
    return runner.clients


def has_users(environment: Environment) -> bool:
    """Whether a master's test has users, or is about to."""
    runner: Any = environment.runner
    return runner.state not in _BEFORE_OR_AFTER_USERS


def is_stopped(environment: Environment) -> bool:
    """Whether all of a master's workers have stopped."""
    runner: Any = environment.runner
    return bool(runner.state == "stopped")


def before_start(environment: Environment, call: Callable[[], None]) -> None:
    """Call a function before each start of the runner, which also sends the options to workers that join late."""
    runner: Any = environment.runner
    start = runner.start

    @functools.wraps(start)
    def start_after_call(*args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Locust's arguments
        call()
        start(*args, **kwargs)

    runner.start = start_after_call
