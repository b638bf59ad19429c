"""The sub-command `replay`: its options, and the results that they choose."""

from __future__ import annotations

import argparse
import logging
import math
import sys
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._cli.account import is_unreachable
from locust_cw._cli.output import print_error
from locust_cw._cli.parser import AddParser, add_command
from locust_cw._cli.replay.discard import discard
from locust_cw._cli.replay.sender import Sender
from locust_cw._cli.settings import FromTest, opt_out_of
from locust_cw._cli.shared_options import add_recorded_account_options, add_spool_option
from locust_cw._terminal.quantities import human_bytes
from locust_cw._terminal.replay_command import replay_command

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger("locust_cw")

_DESCRIPTION = """\
Send the results that earlier tests on this machine could not deliver. Without RUN and --all, list them.
"""
_EPILOG = """\
examples:
  locust-cw replay                                     list the undelivered results on this machine
  locust-cw replay 20261122T110301Z-7f3a --dry-run     show what would be sent
  locust-cw replay --all --timeout 600
  locust-cw replay 20261122T110301Z-7f3a --discard     delete the results of a run

The command stops at Ctrl-C, after --timeout, and if nothing is delivered for five minutes. To send the rest, run it
again.

exit code: 0 sent, listed or discarded, 1 something is left or no such run, 2 invalid argument or no such folder
"""


def declare(add_parser: AddParser) -> None:
    """Declare the sub-command."""
    parser = add_command(
        add_parser,
        "replay",
        summary="send the results that earlier tests could not deliver",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("run", nargs="?", metavar="RUN", help="send the results of this run")
    which.add_argument("--all", action="store_true", help="send the results of all runs, except dry runs")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        default=FromTest("dry_run", default=False),
        help="show what would be sent without sending it; LOCUST_CW_DRY_RUN=true has the same effect",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        help="stop after this time (default: none, as long as data is delivered)",
    )
    parser.add_argument(
        "--discard",
        action="store_true",
        help="delete the results instead of sending them; with --all, also those of dry runs",
    )
    add_spool_option(parser)
    add_recorded_account_options(parser)
    parser.set_defaults(run_command=_run)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of seconds above 0, not {text!r}")
    return seconds


def _run(options: argparse.Namespace) -> int:
    _check_folder(options.spool_dir)
    found = _core.pending_spools(options.spool_dir)
    if options.run is None and not options.all:
        if options.discard:
            raise _core.InvalidOptionError("discard", "give the RUN to discard, or --all")
        _list(found, options.spool_dir)
        return 0
    if options.discard:
        return _discard([spool for spool in found if options.all or spool.run_id == options.run], options)
    if not options.dry_run and (source := opt_out_of(options)):
        print_error(f"nothing was sent, because {source} is set: unset it, and run this command again")
        return 1
    if not options.dry_run:
        _core.remove_empty_spools(options.spool_dir)
    if options.all:
        return _replay_all([spool for spool in found if not spool.dry_run], options)
    return _replay_run([spool for spool in found if spool.run_id == options.run], options)


def _replay_all(spools: Sequence[_core.PendingSpool], options: argparse.Namespace) -> int:
    if not spools:
        _say_nothing_to_send(options.spool_dir)
        return 0
    # A spool for a local CloudWatch that has ended is not a failure: no one expects its data.
    sendable = _without_unreachable(spools, options)
    _warn_of_unknown_accounts(spools, options)
    if Sender(sendable, options).run():
        return 0
    folders = {spool.folder for spool in sendable}
    left = sorted({each.run_id for each in _core.pending_spools(options.spool_dir) if each.folder in folders})
    rest = f"results are left of: {', '.join(left)}" if left else "nothing is left that can be sent"
    sys.stdout.write(f"Not everything was delivered; {rest}\n")
    return 1


def _discard(spools: Sequence[_core.PendingSpool], options: argparse.Namespace) -> int:
    if not spools:
        if options.all:
            _say_nothing_to_send(options.spool_dir)
            return 0
        _say_no_such_run(options)
        return 1
    discarded = [discard(spool, options.spool_dir, dry_run=options.dry_run) for spool in spools]
    return 0 if all(discarded) else 1


def _replay_run(spools: Sequence[_core.PendingSpool], options: argparse.Namespace) -> int:
    if not spools:
        _say_no_such_run(options)
        return 1
    sendable = _without_unreachable(spools, options)
    _warn_of_unknown_accounts(spools, options)
    complete = Sender(sendable, options).run()
    return 0 if complete and len(sendable) == len(spools) else 1


def _without_unreachable(spools: Sequence[_core.PendingSpool], options: argparse.Namespace) -> list[_core.PendingSpool]:
    """Leave out the spools for a local CloudWatch that has ended, with a message for each."""
    sendable = []
    for spool in spools:
        if options.endpoint_url is None and is_unreachable(spool.local_url):
            print_error(
                f"not replayed: run {spool.run_id} published to a local CloudWatch that has ended. Give --endpoint-url"
                f" to send its results elsewhere, or delete {spool.folder}"
            )
        else:
            sendable.append(spool)
    return sendable


def _warn_of_unknown_accounts(spools: Sequence[_core.PendingSpool], options: argparse.Namespace) -> None:
    if options.account is not None or options.dry_run:
        return
    unknown = {spool.run_id for spool in spools if spool.account_id is None and spool.local_url is None}
    for run_id in sorted(unknown):
        logger.warning(
            "Run %s does not record its AWS account, so the account of the credentials is not checked. The receipt"
            " says where the data went.",
            run_id,
        )


def _check_folder(spool_dir: str | None) -> None:
    """Check that a given folder exists. The default folder may not exist: the first test that needs it creates it.

    Raises:
        InvalidOptionError: If it cannot be read.

    """
    if spool_dir is None:
        return
    root = _core.spool_root(spool_dir)
    try:
        next(root.iterdir(), None)
    except OSError as error:
        raise _core.InvalidOptionError(
            "spool_dir", f"{root} cannot be read: {error.strerror}. Give the same folder as for the test"
        ) from None


def _list(found: Sequence[_core.PendingSpool], spool_dir: str | None) -> None:
    if not found:
        _say_nothing_to_send(spool_dir)
        return
    for spool in found:
        size = f"{spool.files} files, {human_bytes(spool.bytes)}"
        sys.stdout.write(f"{spool.run_id}  {spool.worker}  {size}, {_state_of(spool)}  {spool.folder}\n")
    one, every = (replay_command(run, spool_dir) for run in ("RUN", "--all"))
    if any(not spool.dry_run for spool in found):
        sys.stdout.write(f"Send them with: {one}, or {every}\n")
    sys.stdout.write(f"Delete them with: {one} --discard\n")


def _say_nothing_to_send(spool_dir: str | None) -> None:
    sys.stdout.write(f"There is nothing to send in {_core.spool_root(spool_dir)}.\n")


def _say_no_such_run(options: argparse.Namespace) -> None:
    print_error(
        f"there are no undelivered results of run {options.run} in {_core.spool_root(options.spool_dir)}:"
        " 'locust-cw replay' lists the runs that have some"
    )


def _state_of(spool: _core.PendingSpool) -> str:
    if spool.is_running:
        return "being sent by its test"
    if spool.dry_run:
        return "of a dry run, may be deleted"
    if spool.local_url is not None:
        return "for a local CloudWatch"
    return "undelivered"
