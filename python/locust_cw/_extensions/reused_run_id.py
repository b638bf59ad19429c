"""The warning about a run ID that an earlier run had."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from locust_cw._plugin.extension import Extension
from locust_cw._plugin.run import TestRun
from locust_cw._runs.record import was_published

if TYPE_CHECKING:
    from locust_cw._settings.table import Options

logger = logging.getLogger("locust_cw")


def create(_options: Options) -> ReusedRunId:
    """The extension of a run."""
    return ReusedRunId()


class ReusedRunId(Extension[TestRun]):
    """Warns of an earlier run with the same ID, as far as this machine knows."""

    def on_start(self, run: TestRun) -> None:
        """Look for the record of an earlier run."""
        if was_published(run.run_id, run.options["spool_dir"]):
            logger.warning(
                "There was a run %s before. This one replaces its record, and CloudWatch will have both under one ID:"
                " give each run a --cw-run-id of its own, or none.",
                run.run_id,
            )
