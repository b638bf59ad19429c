"""Reads, prints and writes the figures of a benchmark (`--json FILE`) for `table.py`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterable


@dataclass(frozen=True)
class Figure:
    """A row of the table."""

    name: str
    measured: str
    target: str = ""
    met: bool | None = None
    """None without a target."""
    peers: str = ""
    """The same figure of other tools, if measured."""


def add_option(parser: ArgumentParser) -> None:
    """Add `--json` to the options of a benchmark."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of the table to this file")


def write(path: Path | None, figures: Iterable[Figure]) -> None:
    """Write the figures, if a file was given."""
    if path is not None:
        path.write_text(json.dumps([asdict(figure) for figure in figures], indent=1), encoding="utf-8")


def show(path: Path | None, figures: list[Figure]) -> None:
    """Print the figures, and write them, if a file was given."""
    for figure in figures:
        notes = "; ".join(note for note in (figure.target, figure.peers) if note)
        print(f"{figure.name}: {figure.measured}{f' ({notes})' if notes else ''}")
    write(path, figures)


def read(path: Path) -> list[Figure]:
    """Read what `write` wrote."""
    return [Figure(**figure) for figure in json.loads(path.read_text(encoding="utf-8"))]
