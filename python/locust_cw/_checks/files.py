"""Writing the results of checks and of a comparison to the files of `--cw-junit` and `--cw-summary`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from locust_cw._checks.junit_document import document_of
from locust_cw._checks.markdown import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locust_cw._checks.output import Results

logger = logging.getLogger("locust_cw")


class ResultFiles:
    """The files for the results. A relative path refers to the working folder in which the object was created."""

    def __init__(self, junit: str | Path | None = None, summary: str | Path | None = None) -> None:
        """Nothing is opened yet.

        Args:
            junit: The file to which JUnit XML is written. An existing file is replaced.
            summary: The file to which Markdown is appended.

        """
        self._junit = None if junit is None else Path(junit).absolute()
        self._summary = None if summary is None else Path(summary).absolute()

    def write(self, *results: Results) -> bool:
        """Write both files, unless there are no results, and log an error for a file that cannot be written.

        Returns:
            Whether all files were written.

        """
        done = True
        for path, write in ((self._junit, _write_junit), (self._summary, _append_markdown)):
            if path is None or not results:
                continue
            try:
                write(path, results)
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                logger.error("locust-cw could not write the results to %s: %s", path, reason)  # noqa: TRY400 - the message says it all
                done = False
        return done


def _write_junit(path: Path, results: Sequence[Results]) -> None:
    path.write_text(document_of([each.suite() for each in results]), encoding="utf-8")


def _append_markdown(path: Path, results: Sequence[Results]) -> None:
    with path.open("a", encoding="utf-8") as file:
        size = file.tell()
        for each in results:
            separator = "\n" if size else ""
            text = each.markdown(MAX_BYTES - size - len(separator))
            if not text:
                raise ValueError(f"it has {size:,} bytes, and GitHub shows at most {MAX_BYTES:,}")
            file.write(separator + text)
            size += len((separator + text).encode())
