"""The warning about a run ID that an earlier run had."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from locust_cw._plugin.extension import Extension
from locust_cw._plugin.run import TestRun
from locust_cw._runs.neighbours import was_published

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
                "The run ID %s was used before: this run replaces the earlier record, and CloudWatch holds both runs "
                "under one ID. Use a new --cw-run-id for each run, or omit it.",
                run.run_id,
            )
