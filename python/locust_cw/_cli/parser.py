"""Declaring a sub-command: its parser, with a description and an epilog that keep their line breaks."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable, Iterable
from typing import TypeAlias

AddParser: TypeAlias = Callable[..., argparse.ArgumentParser]
"""The method `add_parser` of argparse's sub-parsers."""


def add_command(
    add_parser: AddParser, name: str, *, summary: str, description: str, epilog: str
) -> argparse.ArgumentParser:
    """Add the parser of a sub-command.

    Args:
        add_parser: Adds a parser to the command.
        name: The name of the sub-command.
        summary: Its line in the help of the command.
        description: The first paragraphs of its own help.
        epilog: What its own help ends with: examples, details and exit codes.

    """
    parser = add_parser(
        name,
        help=summary,
        description=description,
        epilog=epilog,
        # It keeps the line breaks of both texts.
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="configuration file of Locust to read in addition to locust.conf and pyproject.toml",
    )
    return parser


def flags_of(parser: argparse.ArgumentParser) -> list[str]:
    """The options of a parser, such as `--region`."""
    return list(parser._option_string_actions)  # noqa: SLF001 - argparse has no public way to list them


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """The end of a message about a name that is not known: the one that is most like it, if any is."""
    similar = difflib.get_close_matches(given.partition("=")[0], list(known), n=1)
    return f" (did you mean {similar[0]!r}?)" if similar else ""
