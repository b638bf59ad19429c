"""The folder of `--cw-report`: whether it can be created at the end of a test is checked at its start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from locust_cw import _core

if TYPE_CHECKING:
    import os


def check_folder(name: str, folder: str | os.PathLike[str]) -> None:
    """Check that a folder for results can be created.

    Raises:
        InvalidOptionError: If the name is empty, or the folder or one above it is a file.

    """
    if not str(folder):
        raise _core.InvalidOptionError(name, "must not be empty")
    existing = next(each for each in (Path(folder).absolute(), *Path(folder).absolute().parents) if each.exists())
    if not existing.is_dir():
        raise _core.InvalidOptionError(name, f"{existing} is a file, and not a folder")
