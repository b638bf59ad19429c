"""The checks that need no network: versions, Locust, and the spool folder."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from locust_cw import _core
from locust_cw._cli.account import is_unreachable
from locust_cw._cli.doctor.check import Check
from locust_cw._terminal.quantities import human_bytes
from locust_cw._terminal.replay_command import replay_command

_IMPORT_TIMEOUT_S = 60.0


def check_versions() -> Check:
    """The versions of locust-cw and of Python."""
    return Check("versions", "ok", f"locust-cw {_core.VERSION}, Python {platform.python_version()}")


def check_locust() -> Check:
    """Whether this Python can import a Locust that is new enough. Another process does, as no command needs Locust."""
    requirement = next(
        (each for each in importlib.metadata.requires("locust-cw") or () if each.startswith("locust")), "locust"
    )
    remedy = f"{shlex.quote(sys.executable)} -m pip install {shlex.quote(requirement)}"
    command = [sys.executable, "-c", "import locust; print(locust.__version__)"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_IMPORT_TIMEOUT_S, check=False)  # noqa: S603 - our own code
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("locust", "failed", f"Locust cannot be imported: {error}", remedy)
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return Check("locust", "failed", f"Locust cannot be imported: {why}", remedy)
    version = done.stdout.strip().splitlines()[-1]
    least = re.search(r">=\s*([\d.]+)", requirement)
    if least and _numbers(version) < _numbers(least[1]):
        return Check("locust", "failed", f"Locust {version} is older than {least[1]}", remedy)
    return Check("locust", "ok", f"Locust {version}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def check_spool(spool_dir: str | None) -> Check:
    """Whether the spool folder can be written, and what is undelivered in it."""
    root = Path(_core.spool_root(spool_dir))
    try:
        # A test creates the folder. The check is whether it can.
        existing = next(folder for folder in (root, *root.parents) if _exists(folder))
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(b"doctor")
        left = [each for each in _core.pending_spools(spool_dir) if not each.is_running and not each.dry_run]
    except OSError as error:
        remedy = "Give --spool-dir (of a test: --cw-spool-dir) with a folder that this user can write."
        return Check("spool", "failed", f"{root} cannot be written: {error.strerror or error}", remedy)
    text = f"{root} can be written"
    if waiting := [each for each in left if not is_unreachable(each.local_url)]:
        runs = len({each.run_id for each in waiting})
        size = human_bytes(sum(each.bytes for each in waiting))
        text += f"; {size} of {runs} run(s) are undelivered: {replay_command('--all', spool_dir)} sends them"
    return Check("spool", "ok", text)


def _exists(folder: Path) -> bool:
    """Whether a folder exists. `Path.exists` hides some errors, depending on the version of Python.

    Raises:
        OSError: If that is unknown.

    """
    try:
        folder.stat()
    except FileNotFoundError:
        return False
    return True
