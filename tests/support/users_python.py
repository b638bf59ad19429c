"""A Python that has what a user's has: locust-cw and what that needs, and nothing of what its developers need beside.

What is missing among the requirements shows. And Locust starts in three quarters of the time: gevent looks through all
distributions, 25 times, when it patches the standard library.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

_KNOWN_AS = "USERS_PYTHON"
_EXTRAS = {"local"}


def _required(name: str, extras: set[str], known: dict[str, Distribution]) -> Iterator[Distribution]:
    """A distribution and all of its requirements with these extras, each once."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        # A program that imports it gets the error.
        return
    if found.name in known:
        return
    known[found.name] = found
    yield found
    for text in found.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
            yield from _required(requirement.name, requirement.extras, known)


def _made(folder: Path) -> str:
    """A virtual environment with links to distributions of this one."""
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    # Several may have a folder in common. Scripts lie outside.
    found = {file.parts[0]: each for each in _required("locust-cw", _EXTRAS, {}) for file in each.files or ()}
    for name, each in found.items():
        if name != "..":
            (packages / name).symlink_to(str(each.locate_file(name)))
    return str(folder / "bin" / "python")


def _found() -> str:
    # A coverage is that of this Python, and a link is a privilege on Windows.
    if sys.platform == "win32" or "coverage" in sys.modules:
        return sys.executable
    if _KNOWN_AS not in os.environ:
        folder = tempfile.mkdtemp(prefix="users-python-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ[_KNOWN_AS] = _made(Path(folder))
    return os.environ[_KNOWN_AS]


USERS_PYTHON = _found()
"""To start Locust and users' programs with. The first process of the tests makes it, and takes it away when it ends."""
