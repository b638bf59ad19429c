"""`locust-cw replay`: send the results that earlier tests could not deliver."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._aws.account import OPTIONS
from locust_cw._cli.account import is_unreachable
from locust_cw._cli.output import print_error
from locust_cw._cli.parser import AddParser, add_command
from locust_cw._cli.settings import FromTest, opt_out_of
from locust_cw._cli.shared_options import account_options, add_recorded_account_options, add_spool_option
from locust_cw._runs.record import NoRecordError, Record
from locust_cw._terminal.progress import ProgressBar
from locust_cw._terminal.quantities import human_bytes
from locust_cw._terminal.receipt import Receipt, sent_to
from locust_cw._terminal.replay_command import replay_command
from locust_cw._terminal.styles import has_colors

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

logger = logging.getLogger("locust_cw")

_POLL_S = 0.05
_MAX_CONCURRENT = 16
_OURS = re.compile(rf"--cw-(?=(?:{'|'.join(name.replace('_', '-') for name in OPTIONS)})\b)")

_DESCRIPTION = """\
Send the results that earlier tests on this machine could not deliver. Without RUN and --all, list them.
"""
_EPILOG = """\
examples:
  locust-cw replay                                     list the undelivered results on this machine
  locust-cw replay 20261122T110301Z-7f3a --dry-run     show what would be sent
  locust-cw replay --all

Ctrl-C stops the command. To send the rest, run it again.

exit code: 0 sent or listed, 1 something is left or there is no such run, 2 invalid argument or no such folder
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
        help="send nothing and show what would be sent, as LOCUST_CW_DRY_RUN=true does",
    )
    add_spool_option(parser)
    add_recorded_account_options(parser)
    parser.set_defaults(run_command=_run)


def _run(options: argparse.Namespace) -> int:
    _check_folder(options.spool_dir)
    found = _core.pending_spools(options.spool_dir)
    if options.run is None and not options.all:
        _list(found, options.spool_dir)
        return 0
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
    if _Sender(sendable, options).run():
        return 0
    folders = {spool.folder for spool in sendable}
    left = sorted({each.run_id for each in _core.pending_spools(options.spool_dir) if each.folder in folders})
    rest = f"results are left of: {', '.join(left)}" if left else "nothing is left that can be sent"
    sys.stdout.write(f"Not everything was delivered; {rest}\n")
    return 1


def _replay_run(spools: Sequence[_core.PendingSpool], options: argparse.Namespace) -> int:
    if not spools:
        print_error(
            f"there are no undelivered results of run {options.run} in {_core.spool_root(options.spool_dir)}:"
            " 'locust-cw replay' lists the runs that have some"
        )
        return 1
    sendable = _without_unreachable(spools, options)
    _warn_of_unknown_accounts(spools, options)
    complete = _Sender(sendable, options).run()
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
    sys.stdout.write(f"Send them with: {one}, or {every}\n")


def _say_nothing_to_send(spool_dir: str | None) -> None:
    sys.stdout.write(f"There is nothing to send in {_core.spool_root(spool_dir)}.\n")


def _state_of(spool: _core.PendingSpool) -> str:
    if spool.live:
        return "being sent by its test"
    if spool.dry_run:
        return "of a dry run, may be deleted"
    if spool.local_url is not None:
        return "for a local CloudWatch"
    return "undelivered"


@dataclass(frozen=True)
class _Active:
    """A replay in progress."""

    spool: _core.PendingSpool
    replay: _core.Replay


class _Sender:
    """Sends several spools at once, so that a throttled log stream does not delay the others."""

    def __init__(self, spools: Iterable[_core.PendingSpool], options: argparse.Namespace) -> None:
        self._options = options
        self._waiting = deque(spools)
        self._active: list[_Active] = []
        self._complete = True
        self._settled = 0
        """Samples of the replays that have ended."""
        self._logged: set[str] = set()
        self._progress_bar = ProgressBar()

    def run(self) -> bool:
        """Send them.

        Returns:
            Whether nothing is left to send.

        """
        try:
            while self._waiting or self._active:
                self._start_replays()
                self._poll()
                time.sleep(_POLL_S)
        except KeyboardInterrupt:
            for active in self._active:
                self._finish(active)
            sys.stdout.write("Interrupted. To send the rest, run the command again.\n")
            return False
        return self._complete

    def _start_replays(self) -> None:
        options = self._options
        while self._waiting and len(self._active) < _MAX_CONCURRENT:
            spool = self._waiting.popleft()
            try:
                replay = _core.Replay(
                    spool.folder, account_options(options), account=options.account, dry_run=options.dry_run
                )
            except OSError as error:
                self._progress_bar.clear()
                print_error(f"not replayed: {error}")
                self._complete = False
            else:
                self._active.append(_Active(spool, replay))

    def _poll(self) -> None:
        left, settled, failures = 0, self._settled, list[str]()
        for active in list(self._active):
            progress = active.replay.progress()
            failures += [_with_our_names(failure.message) for failure in progress.failures]
            left += progress.left
            settled += progress.settled
            self._log_messages(active.replay)
            if progress.over:
                self._settled += progress.settled
                self._active.remove(active)
                self._finish(active)
        self._progress_bar.show(left, settled, failures)

    def _finish(self, active: _Active) -> None:
        self._progress_bar.clear()
        self._log_messages(active.replay)
        finished = active.replay.finish()
        receipt = Receipt(finished, sent_to(finished))
        if not self._options.dry_run:
            _update_record(active, receipt, self._options.spool_dir)
        sys.stdout.write(_with_our_names(receipt.colored_text if has_colors(sys.stdout) else receipt.text))
        self._complete = self._complete and (receipt.complete or self._options.dry_run)

    def _log_messages(self, replay: _core.Replay) -> None:
        """Log a replay's messages. A message that several replays have is logged once."""
        for message in replay.diagnostics():
            if message.text not in self._logged:
                self._logged.add(message.text)
                logger.log(message.level, "%s", _with_our_names(message.text))


def _update_record(active: _Active, receipt: Receipt, spool_dir: str | None) -> None:
    """Add the replay to the record of the run, for `verify` and `report`."""
    try:
        record = Record.read(active.spool.run_id, spool_dir)
    except NoRecordError:
        # The master ran on another machine, or was killed.
        return
    if not record.receipt:
        return
    record.add_replay(json.loads(receipt.json), active.replay.destination(), time.time())
    try:
        record.write()
    except OSError as error:
        logger.warning("The record of run %s could not be updated: %s", active.spool.run_id, error)


def _with_our_names(text: str) -> str:
    """Rename the options that this command has too: the core's texts name them as Locust does."""
    return _OURS.sub("--", text)
