"""Deleting results that will not be sent. The record of the run counts them as dropped from then on."""

from __future__ import annotations

import logging
import shutil
import sys
import time
from contextlib import suppress

from locust_cw import _core
from locust_cw._cli.output import print_error
from locust_cw._runs.record import NoRecordError, Record
from locust_cw._terminal.quantities import human_bytes

logger = logging.getLogger("locust_cw")

_POLL_S = 0.02


def discard(spool: _core.PendingSpool, spool_dir: str | None, *, dry_run: bool) -> bool:
    """Delete the results of a process.

    Args:
        spool: Where they are.
        spool_dir: The spool folder, if it is not the user's own.
        dry_run: Delete nothing, and print what would be deleted.

    Returns:
        Whether they are deleted, or would be.

    """
    if spool.is_running:
        print_error(f"not discarded: {spool.folder} belongs to a test that is still running; the test sends it")
        return False
    size = f"{spool.files} files, {human_bytes(spool.bytes)}, of run {spool.run_id}: {spool.folder}"
    if dry_run:
        sys.stdout.write(f"Would discard {size}\n")
        return True
    try:
        contents = _contents(spool)
        shutil.rmtree(spool.folder)
    except OSError as error:
        print_error(f"not discarded: {error}")
        return False
    with suppress(OSError):
        # The folder of the run, if this was its last process.
        spool.folder.parent.rmdir()
    _update_record(spool, contents, spool_dir)
    sys.stdout.write(f"Discarded {size}\n")
    return True


def _contents(spool: _core.PendingSpool) -> _core.Receipt:
    """How many requests and log events the results are.

    Raises:
        OSError: If the folder cannot be read, or its process is still running.

    """
    replay = _core.Replay(spool.folder, {}, dry_run=True)
    while not replay.progress().over:
        time.sleep(_POLL_S)
    return replay.finish()


def _update_record(spool: _core.PendingSpool, contents: _core.Receipt, spool_dir: str | None) -> None:
    """Count the results as dropped in the record of the run, for `verify` and `report`."""
    try:
        record = Record.read(spool.run_id, spool_dir)
    except NoRecordError:
        return
    if not record.receipt or spool.dry_run:
        return
    settled = {"delivered": 0, "rejected": 0}
    groups = {
        name: {**settled, "dropped": getattr(contents, name).observed}
        for name in ("requests", "failures", "log_events")
    }
    nothing_sent = {"retries": 0, "uncertain": 0, "bytes_sent": 0, "api_calls": {}, "estimated_cost_usd": 0.0}
    record.add_replay(groups | nothing_sent, None, time.time())
    try:
        record.write()
    except OSError as error:
        logger.warning("The record of run %s could not be updated: %s", spool.run_id, error)
