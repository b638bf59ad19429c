"""The name of a process within a run."""

from __future__ import annotations

import os
import socket


def process_name() -> str:
    """A name for this process: host name, process ID and a random part.

    Containers can share both host name and process ID, and the name must be unique even if they share a run ID.
    """
    return f"{socket.gethostname()}-{os.getpid()}-{os.urandom(2).hex()}"
