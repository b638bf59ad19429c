"""The command `locust-cw`, for what is done outside a test. Nothing here needs Locust.

A module for each sub-command: `declare` declares it, and its function takes the parsed arguments and returns the exit
code.
"""

from __future__ import annotations

import argparse
import logging
import sys
from typing import TYPE_CHECKING, TypeAlias

from locust_cw import _core
from locust_cw._account import message_of
from locust_cw._command import _cost, _dashboard, _doctor, _policy, _replay, _report, _template, _verify
from locust_cw._command._common import complain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    AddParser: TypeAlias = Callable[..., argparse.ArgumentParser]

_INTERRUPTED = 130
"""What shells tell of a command that Ctrl-C ended: 128, and the number of the signal."""

_COMMANDS = (_replay, _dashboard, _report, _doctor, _policy, _template, _verify, _cost)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        Its exit code: 0 if all was done, 1 if something is left or could not be done, 2 for a wrong argument, 130
        if Ctrl-C ended it, but for `replay`, of which something is left then.

    """
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    parser = argparse.ArgumentParser(prog="locust-cw", description="CloudWatch for Locust, outside a test.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {_core.VERSION}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.declare(commands.add_parser)
    options = parser.parse_args(arguments)
    try:
        code: int = options.run_command(options)
    except _core.InvalidOptionError as error:
        complain(message_of(error))
        return 2
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code
