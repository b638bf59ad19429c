"""The message about results of earlier runs that were not delivered."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._terminal.quantities import human_bytes
from locust_cw._terminal.replay_command import replay_command

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("locust_cw")

_POLL_S = 0.1


def log_pending_spools(spool_dir: str | None, sleep: Callable[[float], object]) -> None:
    """Log what earlier runs left in the spool and can be sent.

    Args:
        spool_dir: The folder of all spools, if not the user's own.
        sleep: Lets others run while the folder is read; returns True to give up.

    """
    search = _core.find_pending_spools(spool_dir)
    while (found := search.found) is None:
        if sleep(_POLL_S) is True:
            return
    # What a dry run wrote is not meant to be sent, and a local CloudWatch has ended with its test.
    left = [spool for spool in found if not (spool.live or spool.dry_run or spool.local_url)]
    if not left:
        return
    runs = {spool.run_id for spool in left}
    root = _core.spool_root(spool_dir)
    logger.info(
        "%s of results of earlier runs were not delivered and wait in %s. Send them with: %s",
        human_bytes(sum(spool.bytes for spool in left)),
        root,
        replay_command(runs.pop() if len(runs) == 1 else "--all", root),
    )
