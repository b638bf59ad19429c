"""Sending several spools at once, with progress, messages and receipts."""

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
from locust_cw._cli.output import print_error
from locust_cw._cli.shared_options import account_options
from locust_cw._runs.record import NoRecordError, Record
from locust_cw._terminal.progress import ProgressBar
from locust_cw._terminal.receipt import Receipt, sent_to
from locust_cw._terminal.styles import has_colors

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

logger = logging.getLogger("locust_cw")

STALLED_AFTER_S = 300.0
"""A replay stops if nothing is settled for so long."""

_POLL_S = 0.05
_MAX_CONCURRENT = 16
_OURS = re.compile(rf"--cw-(?=(?:{'|'.join(name.replace('_', '-') for name in OPTIONS)})\b)")


@dataclass(frozen=True)
class _Active:
    """A replay in progress."""

    spool: _core.PendingSpool
    replay: _core.Replay


class _Limits:
    """How long a replay goes on: for the seconds of `--timeout`, and as long as something is settled now and then."""

    def __init__(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._started = self._moved = time.monotonic()
        self._settled = 0

    def note(self, settled: int) -> None:
        """Note how many samples are settled."""
        if settled != self._settled:
            self._settled = settled
            self._moved = time.monotonic()

    def seconds_left(self) -> float | None:
        """Seconds until the timeout; None without one."""
        return None if self._timeout is None else self._started + self._timeout - time.monotonic()

    def reason_to_stop(self) -> str | None:
        """Why the replay stops now; None if it goes on."""
        left = self.seconds_left()
        if left is not None and left <= 0:
            return f"Stopped after the {self._timeout:g} s of --timeout."
        if time.monotonic() - self._moved >= STALLED_AFTER_S:
            return f"Stopped, because nothing was delivered for {STALLED_AFTER_S / 60:.0f} minutes."
        return None


class Sender:
    """Sends several spools at once, so that a throttled log stream does not delay the others."""

    def __init__(self, spools: Iterable[_core.PendingSpool], options: argparse.Namespace) -> None:
        self._options = options
        self._limits = _Limits(options.timeout)
        self._waiting = deque(spools)
        self._active: list[_Active] = []
        self._beside: dict[str, _core.Replay] = {}
        """The first replay of each run."""
        self._paid: dict[str, bool] = {}
        """Whether a run had paid for the hours of its metrics before this command."""
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
                if reason := self._limits.reason_to_stop():
                    return self._stop(reason)
                time.sleep(_POLL_S)
        except KeyboardInterrupt:
            return self._stop("Interrupted.")
        return self._complete

    def _stop(self, reason: str) -> bool:
        for active in self._active:
            self._finish(active)
        sys.stdout.write(f"{reason} To send the rest, run the command again.\n")
        return False

    def _start_replays(self) -> None:
        options = self._options
        while self._waiting and len(self._active) < _MAX_CONCURRENT:
            spool = self._waiting.popleft()
            try:
                replay = _core.Replay(
                    spool.folder,
                    account_options(options),
                    account=options.account,
                    beside=self._beside.get(spool.run_id),
                    dry_run=options.dry_run,
                )
            except OSError as error:
                self._progress_bar.clear()
                print_error(f"not replayed: {error}")
                self._complete = False
            else:
                self._beside.setdefault(spool.run_id, replay)
                self._active.append(_Active(spool, replay))

    def _poll(self) -> None:
        left, settled, failures = 0, self._settled, list[str]()
        for active in list(self._active):
            progress = active.replay.progress()
            failures += [with_replay_options(failure.message) for failure in progress.call_failures]
            left += progress.left
            settled += progress.settled
            self._log_messages(active.replay)
            if progress.over:
                self._settled += progress.settled
                self._active.remove(active)
                self._finish(active)
        self._limits.note(settled)
        self._progress_bar.show(left, settled, failures, seconds_to_wait=self._limits.seconds_left())

    def _finish(self, active: _Active) -> None:
        self._progress_bar.clear()
        self._log_messages(active.replay)
        finished = active.replay.finish()
        remainder = f"This receipt covers what was left of run {finished.run_id}, not the whole run."
        receipt = Receipt(finished, [remainder, *sent_to(finished)])
        if not self._options.dry_run:
            self._update_record(active, finished)
        sys.stdout.write(with_replay_options(receipt.colored_text if has_colors(sys.stdout) else receipt.text))
        self._complete = self._complete and (receipt.complete or self._options.dry_run)

    def _update_record(self, active: _Active, receipt: _core.Receipt) -> None:
        """Add the replay to the record of the run, for `verify` and `report`."""
        run_id = active.spool.run_id
        try:
            record = Record.read(run_id, self._options.spool_dir)
        except NoRecordError:
            # The master ran on another machine, or was killed.
            return
        if not record.receipt:
            return
        sent = json.loads(receipt.json)
        delivered = any(record.receipt[group]["delivered"] for group in ("requests", "log_events"))
        if self._paid.setdefault(run_id, delivered):
            sent["estimated_cost_usd"] -= receipt.metrics_cost_usd
        record.add_replay(sent, active.replay.destination(), time.time())
        try:
            record.write()
        except OSError as error:
            logger.warning("The record of run %s could not be updated: %s", run_id, error)

    def _log_messages(self, replay: _core.Replay) -> None:
        """Log a replay's messages. A message that several replays have is logged once."""
        for message in replay.take_messages():
            if message.text not in self._logged:
                self._logged.add(message.text)
                logger.log(message.level, "%s", with_replay_options(message.text))


def with_replay_options(text: str) -> str:
    """Rename the options that this command has too: the core's texts name them as Locust does."""
    return _OURS.sub("--", text)
