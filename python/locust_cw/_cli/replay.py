"""`locust-cw replay`: send what earlier tests left undelivered."""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._aws.account import OPTIONS
from locust_cw._cli.output import complain, is_gone, wrapped
from locust_cw._cli.shared_options import account_options, add_recorded_account_options
from locust_cw._runs.record import NoRecordError, Record
from locust_cw._settings import table as _options
from locust_cw._terminal.progress import ProgressBar
from locust_cw._terminal.quantities import human_bytes
from locust_cw._terminal.receipt import Receipt, sent_to
from locust_cw._terminal.replay_command import replay_command
from locust_cw._terminal.styles import has_colors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locust_cw._cli.main import AddParser

logger = logging.getLogger("locust_cw")

_POLL_S = 0.05
_AT_ONCE = 16
_OURS = re.compile(rf"--cw-(?=(?:{'|'.join(name.replace('_', '-') for name in OPTIONS)})\b)")

_EPILOG = """\
examples:
  locust-cw replay                                     what waits on this machine, and where
  locust-cw replay 20261122T110301Z-7f3a --dry-run     what would be sent
  locust-cw replay --all

Ctrl-C ends it; what was not sent by then is sent when it is run again.

exit code: 0 sent, or only looked at, 1 something is left, or there is no such run, 2 wrong argument, or no such folder
"""


def declare(add_parser: AddParser) -> None:
    """Declare the command."""
    parser = add_parser(
        "replay",
        help="send what earlier tests left undelivered",
        description=wrapped("Send what earlier tests left undelivered. Without RUN and --all, list what there is."),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("run", nargs="?", metavar="RUN", help="send what this run left, on this machine")
    which.add_argument("--all", action="store_true", help="send what all runs left, dry runs excepted")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="send nothing, and tell what would be sent; so does LOCUST_CW_DRY_RUN=true",
    )
    parser.add_argument("--spool-dir", metavar="FOLDER", help="where it waits; else the user's state folder")
    add_recorded_account_options(parser)
    parser.set_defaults(run_command=_replay)


def _replay(options: argparse.Namespace) -> int:
    _check_folder(options.spool_dir)
    found = _core.pending_spools(options.spool_dir)
    if options.run is None and not options.all:
        return _list(found, options.spool_dir)
    options.dry_run = options.dry_run or _options.environment_opts_out("dry_run")
    if not options.dry_run and _options.environment_opts_out("disable"):
        complain("nothing is sent, as LOCUST_CW_DISABLE is set: unset it to send what is left")
        return 1
    if not options.dry_run:
        _core.remove_empty_spools(options.spool_dir)
    chosen = [spool for spool in found if (options.all and not spool.dry_run) or spool.run_id == options.run]
    if not chosen:
        if options.all:
            sys.stdout.write("Nothing is left to be sent.\n")
            return 0
        complain(f"nothing is left of a run {options.run} in {_core.spool_root(options.spool_dir)}")
        return 1
    gone = [spool for spool in chosen if options.endpoint_url is None and is_gone(spool.local_url)]
    for spool in gone:
        complain(
            f"not replayed: run {spool.run_id} was meant for a local CloudWatch that is gone. Give --endpoint-url to"
            f" send it elsewhere, or delete {spool.folder}"
        )
    if options.account is None and not options.dry_run:
        unknown = {spool.run_id for spool in chosen if spool.account_id is None and spool.local_url is None}
        for run_id in sorted(unknown):
            logger.warning(
                "Run %s does not record its AWS account, so the account of the credentials is not checked. The receipt"
                " says where the data went.",
                run_id,
            )
    complete = _send([spool for spool in chosen if spool not in gone], options)
    if options.all and not complete:
        folders = {spool.folder for spool in chosen if spool not in gone}
        left = sorted({each.run_id for each in _core.pending_spools(options.spool_dir) if each.folder in folders})
        rest = f"left is something of: {', '.join(left)}" if left else "nothing is left that could be sent"
        sys.stdout.write(f"Not everything is delivered; {rest}\n")
    # Of all runs, those are none that anybody waits for.
    return 0 if complete and (options.all or not gone) else 1


def _check_folder(spool_dir: str | None) -> None:
    """Check that a folder that was named is one: only the user's own is made by the first test that needs it.

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
            "spool_dir", f"{root} cannot be read: {error.strerror}. Give the folder that the test was given"
        ) from None


def _list(found: list[_core.PendingSpool], spool_dir: str | None) -> int:
    if not found:
        sys.stdout.write("Nothing is left to be sent.\n")
        return 0
    for spool in found:
        state = (
            "being sent by its test"
            if spool.live
            else "of a dry run: it may be deleted"
            if spool.dry_run
            else "meant for a local CloudWatch"
            if spool.local_url is not None
            else "left"
        )
        size = f"{spool.files} files, {human_bytes(spool.bytes)}"
        sys.stdout.write(f"{spool.run_id}  {spool.worker}  {size}, {state}  {spool.folder}\n")
    one, every = (replay_command(run, spool_dir) for run in ("RUN", "--all"))
    sys.stdout.write(f"Send them with: {one}, or {every}\n")
    return 0


def _send(pending: Sequence[_core.PendingSpool], options: argparse.Namespace) -> bool:
    """Send folders, several at once, so that a log stream that is throttled keeps no other waiting.

    Returns:
        Whether nothing of them is left to be done.

    """
    waiting = deque(pending)
    under_way: list[tuple[_core.PendingSpool, _core.Replay]] = []
    complete, interrupted = True, False
    settled = 0
    said = set[str]()
    progress_bar = ProgressBar()

    def finish(spool: _core.PendingSpool, replay: _core.Replay) -> bool:
        progress_bar.clear()
        _log(replay, said)
        finished = replay.finish()
        receipt = Receipt(finished, sent_to(finished))
        if not options.dry_run:
            _record(spool, replay, receipt, options.spool_dir)
        sys.stdout.write(_as_ours(receipt.colored_text if has_colors(sys.stdout) else receipt.text))
        return receipt.complete or options.dry_run

    try:
        while waiting or under_way:
            while waiting and len(under_way) < _AT_ONCE:
                spool = waiting.popleft()
                replay = _begin(spool, options, progress_bar)
                complete = complete and replay is not None
                under_way += [] if replay is None else [(spool, replay)]
            left, now_settled, failures = 0, settled, list[str]()
            for spool, replay in list(under_way):
                progress = replay.progress()
                failures += [_as_ours(failure.message) for failure in progress.failures]
                left, now_settled = left + progress.left, now_settled + progress.settled
                _log(replay, said)
                if progress.over:
                    settled += progress.settled
                    under_way.remove((spool, replay))
                    complete = finish(spool, replay) and complete
            progress_bar.show(left, now_settled, failures)
            time.sleep(_POLL_S)
    except KeyboardInterrupt:
        interrupted = True
    for spool, replay in under_way:
        finish(spool, replay)
    if interrupted:
        sys.stdout.write("Interrupted; run it again to send the rest.\n")
    return complete and not interrupted


def _begin(spool: _core.PendingSpool, options: argparse.Namespace, progress_bar: ProgressBar) -> _core.Replay | None:
    try:
        return _core.Replay(spool.folder, account_options(options), account=options.account, dry_run=options.dry_run)
    except OSError as error:
        progress_bar.clear()
        complain(f"not replayed: {error}")
        return None


def _record(spool: _core.PendingSpool, replay: _core.Replay, receipt: Receipt, spool_dir: str | None) -> None:
    """Note in the run's record what was sent of it, so that `verify` and `report` know."""
    try:
        record = Record.read(spool.run_id, spool_dir)
    except NoRecordError:
        # Its master ran on another machine, or was killed.
        return
    if not record.receipt:
        return
    record.add_replay(json.loads(receipt.json), replay.destination(), time.time())
    try:
        record.write()
    except OSError as error:
        logger.warning("The record of run %s could not be brought up to date: %s", spool.run_id, error)


def _log(replay: _core.Replay, said: set[str]) -> None:
    """Log a replay's messages, the same of several replays once."""
    for message in replay.diagnostics():
        if message.text not in said:
            said.add(message.text)
            logger.log(message.level, "%s", _as_ours(message.text))


def _as_ours(text: str) -> str:
    """What the core tells of a test's options, by the names of those that this command has, too."""
    return _OURS.sub("--", text)
