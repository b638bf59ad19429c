"""Files for results: whether they can be created at the end of a test is checked at its start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from locust_cw import _core

if TYPE_CHECKING:
    import os


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
