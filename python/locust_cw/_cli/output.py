"""What a sub-command prints: errors for people, and JSON for programs."""

from __future__ import annotations

import contextlib
import json
import sys


def print_error(message: str) -> None:
    """Print to standard error, if it can be written, why something could not be done."""
    with contextlib.suppress(AttributeError, OSError):
        sys.stderr.write(f"locust-cw: error: {message}\n")


def print_json(value: object) -> None:
    """Print a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
