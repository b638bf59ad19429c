"""Properties of an output stream: whether it is a terminal, its width, and whether it supports colors."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TextIO

_WIDTH_IF_UNKNOWN = 80

BOLD = "1"
FAINT = "2"
RED = "31"
GREEN = "32"
YELLOW = "33"


def write(stream: TextIO | None, text: str) -> None:
    """Write a text and flush it. A stream that is closed or has no reader is ignored."""
    if stream is not None:
        with suppress(OSError, ValueError):  # no reader, or closed
            stream.write(text)
            stream.flush()


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal on which a line can be overwritten, which a dumb terminal cannot."""
    if stream is None:  # as in a program without a console
        return False
    try:
        return stream.isatty() and os.environ.get("TERM") != "dumb"
    except ValueError:  # closed
        return False


def has_colors(stream: TextIO | None) -> bool:
    """Whether to use colors: the stream is a terminal, and NO_COLOR is not set."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def width(stream: TextIO | None) -> int:
    """The present number of columns of a terminal."""
    if stream is None:
        return _WIDTH_IF_UNKNOWN
    try:
        # shutil.get_terminal_size uses standard output, which may be redirected.
        return os.get_terminal_size(stream.fileno()).columns or _WIDTH_IF_UNKNOWN
    except (OSError, ValueError):
        return _WIDTH_IF_UNKNOWN


def paint(color: str, text: str) -> str:
    """The text in a color (ECMA-48, Select Graphic Rendition)."""
    return f"\x1b[{color}m{text}\x1b[0m"


def plain(text: str) -> str:
    """The text on one line, in printable ASCII characters, which are one column wide. Others become question marks."""
    words = " ".join(text.split()).encode("ascii", "replace").decode()
    return "".join(character if character.isprintable() else "?" for character in words)
