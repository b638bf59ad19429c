"""The shell command that sends the data of a spool."""

from __future__ import annotations

import os
from pathlib import Path

from locust_cw import _core


def replay_command(run: str, spool_dir: str | os.PathLike[str] | None = None) -> str:
    """The `locust-cw replay` command for a run, or with `--all` for all runs, in a folder that holds spools."""
    words = ["locust-cw", "replay", run]
    root = None if spool_dir is None else Path(spool_dir).absolute()
    if root is not None and root != _core.spool_root().absolute():
        words += ["--spool-dir", str(root)]
    return _join(words)


def _join(words: list[str]) -> str:
    if os.name == "nt":
        from subprocess import list2cmdline  # noqa: PLC0415 - needed on Windows only

        return list2cmdline(words)
    from shlex import join  # noqa: PLC0415 - needed elsewhere only

    return join(words)
