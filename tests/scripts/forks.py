"""Starts Python programs without importing what they import first: forks a process that has imported it.

    forks.py DESCRIPTOR KIND

Clients connect to the socket DESCRIPTOR. A packet from a client is a JSON object that describes a program, and brings
the files that are its standard input, output and error. The answer is its process ID, and, once it has ended, its exit
code. When a client disconnects, the server kills its programs. When the last client has disconnected, the server exits.
See `support/fork_server.py`, the other side.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import inspect
import json
import os
import pkgutil
import runpy
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from os import close, pidfd_open, waitpid
from pathlib import Path
from select import POLLIN, poll
from socket import recv_fds, socket
from typing import Any

# `close`, `waitpid`, `poll` and `socket` are imported by name before the import of Locust, when gevent replaces them in
# their modules.

# What the programs import; locustfiles import locust-cw.
PRELOADED = {
    "locust": ("locust.main", "runpy"),
    "command": ("locust_cw._cli.main",),
    "report": (
        "locust_cw._cli.report",
        "locust_cw._report.chart",
        "matplotlib.figure",
        "matplotlib.backends.backend_agg",
    ),
}
# The folders of locust-cw that Locust processes import from.
FOLDERS = ("_checks", "_distributed", "_extensions", "_plugin", "_runs", "_settings", "_terminal")
RECEIVE_BUFFER_BYTES = 1 << 20
FIRST_CLIENT_WITHIN_MS = 60_000


def preload(kind: str) -> Callable[[], int]:
    """Import what programs of this kind import, and return how to fork."""
    # NumPy, which matplotlib imports, would start threads.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    for name in PRELOADED[kind]:
        importlib.import_module(name)
    if kind == "locust":
        preload_plugin()
        # It fills caches. Locust asks for the stack when it stops a test.
        inspect.stack()
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "threads do not survive a fork"
    if kind != "locust":
        return os.fork
    from gevent.os import fork_gevent  # noqa: PLC0415 - programs of other kinds have no gevent

    # It makes gevent's hub, which urllib3 creates, usable in the child.
    return fork_gevent


def preload_plugin() -> None:
    """Import the modules of locust-cw except the package, whose import by a locustfile registers with Locust."""
    locust, finders = sys.modules.pop("locust"), sys.meta_path.copy()
    package = importlib.import_module("locust_cw")
    sys.modules["locust"], sys.meta_path[:] = locust, finders
    for folder in FOLDERS:
        for module in pkgutil.iter_modules([f"{package.__path__[0]}/{folder}"], f"locust_cw.{folder}."):
            importlib.import_module(module.name)
    del sys.modules["locust_cw"]


def keep_all() -> None:
    """Keep what is imported here alive: freeing it takes up to a third of the time of each program.

    It leaks a reference to a tuple of all objects.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(tuple(gc.get_objects())))


class Client:
    """A connection of a process of pytest, and its running programs: their process IDs, by pidfd."""

    def __init__(self, channel: socket) -> None:
        self.channel = channel
        self.running: dict[int, int] = {}

    def receive(self) -> tuple[bytes, list[int]]:
        """A packet and its files, or nothing if the client has disconnected."""
        try:
            packet, files, _, _ = recv_fds(self.channel, RECEIVE_BUFFER_BYTES, 3)
        except ConnectionResetError:  # it ended without having read all
            return b"", []
        return packet, files

    def send(self, **answer: int) -> None:
        # If the client has ended, the next packet shows it.
        with suppress(BrokenPipeError, ConnectionResetError):
            self.channel.send(json.dumps(answer).encode())


class Server:
    """Forks a process for each request of a client, until the last one disconnects."""

    def __init__(self, listener: socket, fork: Callable[[], int]) -> None:
        self._listener = listener
        self._fork = fork
        self._poll = poll()
        self._poll.register(listener, POLLIN)
        self._clients: dict[int, Client] = {}

    def serve(self) -> dict[str, Any]:
        """Return only in a forked process, with the description of its program."""
        # The process that started this server may have ended before it connected.
        if self._poll.poll(FIRST_CLIENT_WITHIN_MS):
            self._accept()
        while self._clients:
            # One event at a time: handling it may close other descriptors, and new ones may get their numbers.
            ready = self._poll.poll()[0][0]
            if ready == self._listener.fileno():
                self._accept()
            elif client := self._clients.get(ready):
                packet, files = client.receive()
                if not packet:
                    self._disconnect(client)
                elif self._start(client, files) == 0:
                    return dict(json.loads(packet))
            else:
                self._collect(ready)
        os._exit(0)

    def _accept(self) -> None:
        # `accept` would return a socket of gevent's.
        client = Client(socket(fileno=self._listener._accept()[0]))  # type: ignore[attr-defined] # noqa: SLF001
        self._clients[client.channel.fileno()] = client
        self._poll.register(client.channel, POLLIN)
        client.send()

    def _disconnect(self, client: Client) -> None:
        for process in client.running.values():
            os.kill(process, signal.SIGKILL)
        for pidfd, process in client.running.items():
            waitpid(process, 0)
            self._poll.unregister(pidfd)
            close(pidfd)
        self._poll.unregister(client.channel)
        del self._clients[client.channel.fileno()]
        client.channel.close()

    def _start(self, client: Client, files: list[int]) -> int:
        process = self._fork()
        if process == 0:
            for target, file in enumerate(files):
                os.dup2(file, target)
            for file in files:
                close(file)
            self._leave()
            return 0
        for file in files:
            close(file)
        pidfd = pidfd_open(process)
        client.running[pidfd] = process
        self._poll.register(pidfd, POLLIN)
        client.send(started=process)
        return process

    def _leave(self) -> None:
        """Close what a forked process must not have."""
        self._listener.close()
        for client in self._clients.values():
            client.channel.close()
            for pidfd in client.running:
                close(pidfd)

    def _collect(self, pidfd: int) -> None:
        """Report the end of a program."""
        for client in self._clients.values():
            if process := client.running.pop(pidfd, None):
                self._poll.unregister(pidfd)
                close(pidfd)
                client.send(ended=process, code=os.waitstatus_to_exitcode(waitpid(process, 0)[1]))


def become(program: dict[str, Any]) -> None:
    """Take on what a new process gets from the one that starts it."""
    os.chdir(program["folder"])
    os.environ.clear()
    os.environ.update(program["env"])
    sys.argv = program["argv"]
    sys.path[0] = program["path"]


def main() -> None:
    descriptor, kind = sys.argv[1:]
    listener = socket(fileno=int(descriptor))
    fork = preload(kind)
    gc.collect()
    keep_all()
    gc.freeze()
    program = Server(listener, fork).serve()
    become(program)
    if program["run"].endswith(".py"):
        runpy.run_path(program["run"], run_name="__main__")
    elif kind == "locust":
        runpy.run_module(program["run"], run_name="__main__", alter_sys=True)
    else:
        module, _, function = program["run"].partition(":")
        sys.exit(getattr(importlib.import_module(module), function)())


if __name__ == "__main__":
    main()
