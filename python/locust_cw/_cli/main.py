"""The command `locust-cw`, for what is done outside a test. Nothing here needs Locust.

A module for each sub-command: `declare` declares it, and its function takes the parsed arguments and returns the exit
code.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from typing import TYPE_CHECKING, TypeAlias

from locust_cw import _core
from locust_cw._aws.account import message_of
from locust_cw._cli import cost as _cost
from locust_cw._cli import dashboard as _dashboard
from locust_cw._cli import doctor as _doctor
from locust_cw._cli import policy as _policy
from locust_cw._cli import replay as _replay
from locust_cw._cli import report as _report
from locust_cw._cli import template as _template
from locust_cw._cli import verify as _verify
from locust_cw._cli.output import complain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    AddParser: TypeAlias = Callable[..., argparse.ArgumentParser]

_INTERRUPTED = 130
"""What shells tell of a command that Ctrl-C ended: 128, and the number of the signal."""

_NOBODY_READS = 141
"""The same of a command that wrote to a closed pipe, which ends others by SIGPIPE."""

_COMMANDS = (_replay, _dashboard, _report, _doctor, _policy, _template, _verify, _cost)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        Its exit code: 0 if all was done, 1 if something is left or could not be done, 2 for a wrong argument, 130
        if Ctrl-C ended it, but for `replay`, of which something is left then, and 141 if nobody reads its output.

    """
    if sys.stdout is None:
        complain("there is no standard output to write to: it is closed. Nothing was done")
        return 1
    try:
        try:
            return _run(arguments)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        return _NOBODY_READS
    except OSError as error:
        if error.filename is not None:  # that is a file's
            raise
        complain(f"the output could not be written: {error.strerror}")
        return 1
    finally:
        _give_up_output()


def _give_up_output() -> None:
    """Send what cannot be written to nowhere, or Python would try again at its end and complain."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _run(arguments: Sequence[str] | None) -> int:
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
