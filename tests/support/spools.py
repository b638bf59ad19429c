"""The files of a spool."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

from support.locust_run import LocustRun


def spool_of(run: LocustRun) -> Path:
    """The default spool folder of a run."""
    return run.folder / "state" / "locust-cw"


def folders_in(spool: Path) -> list[Path]:
    """Those of all runs; their records, which stay, have a folder of their own."""
    return [path for path in spool.glob("*") if path.is_dir() and path.name != ".records"]


def files_in(spool: Path) -> list[Path]:
    """Everything to be sent of all runs."""
    return sorted(path for lane in ("metrics", "logs") for path in spool.glob(f"*/*/*-{lane}.jsonl"))


def rewrite(file: Path, text: str) -> None:
    """Give a file to be sent another content, and the name that goes with it."""
    number, _, lane = file.name.split("-")
    file.with_name(f"{number}-{crc32(text.encode()):08x}-{lane}").write_text(text)
    file.unlink()
