"""The record of a run, which is written when the receipt is made."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from locust_cw._plugin.extension import Extension
from locust_cw._plugin.run import TestRun
from locust_cw._runs.record import Record, absolute

if TYPE_CHECKING:
    from locust_cw import _core
    from locust_cw._settings.table import Options

logger = logging.getLogger("locust_cw")


def create(_options: Options) -> RunRecord:
    """The extension of a run."""
    return RunRecord()


class RunRecord(Extension[TestRun]):
    """Writes the record of a run."""

    def on_finished(self, run: TestRun, receipt: _core.Receipt, remarks: list[str]) -> None:
        """Write the record."""
        del remarks
        self.write(run, receipt)

    @staticmethod
    def write(run: TestRun, receipt: _core.Receipt) -> None:
        """Write the record, with the receipt so far."""
        record = Record(
            run.run_id,
            run.options.core | {"spool_dir": absolute(run.options["spool_dir"])},
            run.times.started,
            run.times.ramped_up,
            run.times.stopped,
            run.host,
            list(run.options["target"] or ()),
            run.dashboard[0],
            json.loads(receipt.json),
            receipt.series,
            run.publisher.destination() or {},
            summary=json.loads(run.publisher.statistics.summary().to_json()),
        )
        try:
            record.write()
        except OSError as error:
            logger.debug("The record of run %s could not be written: %s", run.run_id, error)
