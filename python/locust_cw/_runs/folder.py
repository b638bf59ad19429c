"""The folder of the records on this machine: one file per run, next to the spools."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from locust_cw import _core

KEPT = 200
"""Most records in a folder, apart from those of baselines. The oldest ones are deleted."""


def absolute(spool_dir: str | None) -> str | None:
    """The absolute path of a spool folder, for a process with another working directory."""
    return None if spool_dir is None else str(Path(spool_dir).absolute())


def records_folder(spool_dir: str | None) -> Path:
    """The folder of the records."""
    return Path(_core.spool_root(spool_dir), ".records")


def known_runs(spool_dir: str | None = None) -> list[str]:
    """The IDs of all runs that this machine has recorded, the newest last."""
    return [path.stem for path in _by_age(records_folder(spool_dir))]


def baselines_file(folder: Path) -> Path:
    """The file with the baselines of this machine (`local_baselines`), in the folder of the records."""
    return folder / ".baselines"


def delete_oldest(folder: Path) -> None:
    """Delete the oldest records that are no baselines, so that `KEPT` are left."""
    oldest = _by_age(folder)[:-KEPT]
    baselines = _baseline_runs(folder) if oldest else set()
    for old in oldest:
        if old.stem not in baselines:
            old.unlink(missing_ok=True)


def _baseline_runs(folder: Path) -> set[str]:
    try:
        entries = json.loads(baselines_file(folder).read_text(encoding="utf-8"))["baselines"]
        return {entry["run_id"] for entry in entries}
    except (OSError, ValueError, TypeError, KeyError):
        return set()


def _by_age(folder: Path) -> list[Path]:
    found: list[tuple[float, Path]] = []
    for path in folder.glob("*.json"):
        # Another process may delete it as one of the oldest.
        with suppress(OSError):
            found.append((path.stat().st_mtime, path))
    return [path for _, path in sorted(found)]
