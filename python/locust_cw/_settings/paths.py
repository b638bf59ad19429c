"""Files and folders for results: whether they can be created at the end of a test is known at its start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from locust_cw import _core

if TYPE_CHECKING:
    import os

    from locust_cw._settings.table import Options


def check_paths(options: Options) -> None:
    """Check the paths among the options.

    Raises:
        InvalidOptionError: If one cannot be used.

    """
    for name in ("receipt", "junit", "summary"):
        check_file(name, options[name])
    check_folder("report", options["report"])


def check_file(name: str, file: str | os.PathLike[str] | None) -> None:
    """Check that a file for results can be created.

    Raises:
        InvalidOptionError: If the name is empty, its folder does not exist, or it is a folder.

    """
    if file is None:
        return
    if not str(file):
        raise _core.InvalidOptionError(name, "must not be empty")
    if not Path(file).absolute().parent.is_dir():
        raise _core.InvalidOptionError(name, f"there is no folder for {file}")
    if Path(file).is_dir():
        raise _core.InvalidOptionError(name, f"{file} is a folder, and not a file")


def check_folder(name: str, folder: str | os.PathLike[str] | None) -> None:
    """Check that a folder for results can be created.

    Raises:
        InvalidOptionError: If the name is empty, or the folder or one above it is a file.

    """
    if folder is None:
        return
    if not str(folder):
        raise _core.InvalidOptionError(name, "must not be empty")
    existing = next(each for each in (Path(folder).absolute(), *Path(folder).absolute().parents) if each.exists())
    if not existing.is_dir():
        raise _core.InvalidOptionError(name, f"{existing} is a file, and not a folder")
