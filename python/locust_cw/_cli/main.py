"""The command `locust-cw`, for what users do outside a test. No sub-command needs Locust.

Each sub-command has a module or a folder. Its `declare` adds a parser, whose default `run_command` is a function that
takes the parsed arguments and returns the exit code.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._aws.account import message_of
from locust_cw._cli import baseline, check, compare, cost, dashboard, policy, report, runs, template
from locust_cw._cli.doctor import command as doctor
from locust_cw._cli.output import print_error
from locust_cw._cli.parser import did_you_mean, flags_of
from locust_cw._cli.replay import command as replay
from locust_cw._cli.settings import resolve
from locust_cw._cli.verify import command as verify

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_INVALID = 2
"""What argparse exits with for an invalid argument."""

_INTERRUPTED = 130
"""What shells return for a command that Ctrl-C ended: 128 and the number of the signal."""

_BROKEN_PIPE = 141
"""The same for a command that writes to a closed pipe, which ends other programs with SIGPIPE."""

_COMMANDS = (replay, dashboard, runs, compare, baseline, report, doctor, policy, template, verify, check, cost)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        Its exit code: 0 for success, 1 if something failed or is left to do, 2 for an invalid argument, 3 if a check
        has not passed, 130 after Ctrl-C (1 for `replay`, which leaves something to do), and 141 if the reader of the
        output ended.

    """
    if sys.stdout is None:
        print_error("standard output is closed, so nothing was done: redirect it to a file or to /dev/null")
        return 1
    try:
        try:
            return _run(arguments)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        return _BROKEN_PIPE
    except OSError as error:
        if error.filename is not None:  # not about the output
            raise
        print_error(f"the output could not be written: {error.strerror}")
        return 1
    finally:
        _abandon_output()


def _abandon_output() -> None:
    """Redirect streams that cannot be written, or Python would try again at exit and print an error."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _make_parser() -> tuple[argparse.ArgumentParser, Mapping[str, argparse.ArgumentParser]]:
    """The parser of the command, and those of the sub-commands by name."""
    parser = argparse.ArgumentParser(
        prog="locust-cw", description="Tools for load tests that publish to Amazon CloudWatch."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {_core.VERSION}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for command in _COMMANDS:
        command.declare(commands.add_parser)
    return parser, commands.choices


def _run(arguments: Sequence[str] | None) -> int:
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    arguments = sys.argv[1:] if arguments is None else arguments
    parser, commands = _make_parser()
    if not arguments:
        parser.print_help()
        return _INVALID
    if (first := arguments[0]) not in commands and not first.startswith("-"):
        parser.error(f"there is no command {first!r}{did_you_mean(first, commands)}. 'locust-cw --help' lists them")
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        of_command = commands[options.command]
        of_command.error(f"unrecognized arguments: {' '.join(unknown)}{did_you_mean(unknown[0], flags_of(of_command))}")
    try:
        resolve(options)
        code: int = options.run_command(options)
    except _core.InvalidOptionError as error:
        print_error(message_of(error))
        return _INVALID
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code
