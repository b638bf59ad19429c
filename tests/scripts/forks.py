"""Starts Python programs without importing what they import first: forks a process that has imported it.

    forks.py DESCRIPTOR KIND

A packet that arrives on the socket DESCRIPTOR is a JSON object that describes a program, and brings the files that are
its standard input, output and error. The answer is its process ID, and, once it has ended, its exit code. See
`support/fork_server.py`, the other side.
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
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

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
LARGEST_REQUEST = 1 << 20


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


def end(running: Iterable[int]) -> NoReturn:
    """The process of pytest has ended, so its programs end, too."""
    for process in running:
        os.kill(process, signal.SIGKILL)
    os._exit(0)


def serve(channel: socket.socket, kind: str) -> dict[str, Any]:
    """Fork a process for each request until the other side closes the socket. Returns only in such a process."""
    # Before gevent replaces them.
    close, waitpid, receive, poll = os.close, os.waitpid, socket.recv_fds, select.poll()
    poll.register(channel, select.POLLIN)
    fork = preload(kind)
    gc.collect()
    keep_all()
    gc.freeze()
    running: dict[int, int] = {}
    channel.send(b"{}")
    while True:
        for ready, _ in poll.poll():
            if ready != channel.fileno():
                process = running.pop(ready)
                poll.unregister(ready)
                close(ready)
                code = os.waitstatus_to_exitcode(waitpid(process, 0)[1])
                channel.send(json.dumps({"ended": process, "code": code}).encode())
                continue
            try:
                packet, files, _, _ = receive(channel, LARGEST_REQUEST, 3)
            except ConnectionResetError:  # it ended without having read all
                packet, files = b"", []
            if not packet:
                end(running.values())
            process = fork()
            if process == 0:
                for target, file in enumerate(files):
                    os.dup2(file, target)
                for file in (channel.detach(), *files, *running):
                    close(file)
                return dict(json.loads(packet))
            for file in files:
                close(file)
            watched = os.pidfd_open(process)
            running[watched] = process
            poll.register(watched, select.POLLIN)
            channel.send(json.dumps({"started": process}).encode())


def become(program: dict[str, Any]) -> None:
    """Take on what a new process gets from the one that starts it."""
    os.chdir(program["folder"])
    os.environ.clear()
    os.environ.update(program["env"])
    sys.argv = program["argv"]
    sys.path[0] = program["path"]


def main() -> None:
    descriptor, kind = sys.argv[1:]
    program = serve(socket.socket(fileno=int(descriptor)), kind)
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
