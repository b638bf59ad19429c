"""As `paced.py`; Ctrl-C comes when the first receipt is in its file, and not yet on the screen."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from paced import Paced, locust_cw

RECEIPT = Path(sys.argv[sys.argv.index("--cw-receipt") + 1])


class Interrupted:
    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._is_due = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def isatty(self) -> bool:
        if self._is_due and RECEIPT.exists():
            self._is_due = False
            os.kill(os.getpid(), signal.SIGINT)
        return False


sys.stderr = Interrupted(sys.stderr)

__all__ = ["Paced", "locust_cw"]
