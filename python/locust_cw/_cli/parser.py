"""Declaring a sub-command: its parser, with a description and an epilog that keep their line breaks."""

from __future__ import annotations

import argparse
from collections.abc import Callable
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
