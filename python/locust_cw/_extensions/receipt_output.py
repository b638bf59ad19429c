"""The receipt, which is printed and, with `--cw-receipt`, written to a file."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from locust_cw._plugin.extension import Extension
from locust_cw._plugin.run import TestRun
from locust_cw._terminal.receipt import Receipt
from locust_cw._terminal.replay_command import replay_command
from locust_cw._terminal.styles import has_colors, write

if TYPE_CHECKING:
    from locust_cw import _core
    from locust_cw._settings.table import Options

__all__ = ["ReceiptOutput", "create", "replay_command"]

logger = logging.getLogger("locust_cw")


def create(options: Options) -> ReceiptOutput:
    """The extension of a run."""
    return ReceiptOutput(options["receipt"])


class ReceiptOutput(Extension[TestRun]):
    """Prints the receipt of a run, and writes it."""

    def __init__(self, file: str | None) -> None:
        self._file = file

    def on_finished(self, run: TestRun, receipt: _core.Receipt, remarks: list[str]) -> None:
        """Print and write the receipt."""
        del run
        shown = Receipt(receipt, remarks)
        if self._file is not None:
            try:
                Path(self._file).write_text(f"{shown.json}\n", encoding="utf-8")
            except OSError as error:
                logger.error("locust-cw could not write the receipt: %s", error)  # noqa: TRY400 - the message says it all
        text = shown.colored_text if has_colors(sys.stderr) else shown.text
        write(sys.stderr, f"\n{text}")
