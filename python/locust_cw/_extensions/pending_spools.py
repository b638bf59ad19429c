"""The message about results of earlier runs that were not delivered."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from locust_cw import _core

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust_cw._plugin.extension import Extension
    from locust_cw._plugin.run import TestRun
    from locust_cw._settings.table import Options

logger = logging.getLogger("locust_cw")

_POLL_S = 0.1


def create(options: Options) -> Extension[TestRun] | None:
    """Start to look for pending spools. Nothing remains to be done for the run."""
    import gevent  # noqa: PLC0415 - a program without Locust has no gevent

    from locust_cw._plugin.greenlets import spawn  # noqa: PLC0415 - the same

    spawn(log_pending_spools, options["spool_dir"], gevent.sleep)
    return None


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
    # The data of a dry run is not meant to be sent, and a local CloudWatch has ended with its test.
    left = [spool for spool in found if not (spool.is_running or spool.dry_run or spool.local_url)]
    if not left:
        return
    from locust_cw._terminal.quantities import human_bytes  # noqa: PLC0415 - usually there is nothing to log
    from locust_cw._terminal.replay_command import replay_command  # noqa: PLC0415 - the same

    runs = {spool.run_id for spool in left}
    root = _core.spool_root(spool_dir)
    logger.info(
        "%s of undelivered results from earlier runs are in %s. Send them with: %s",
        human_bytes(sum(spool.bytes for spool in left)),
        root,
        replay_command(runs.pop() if len(runs) == 1 else "--all", root),
    )
