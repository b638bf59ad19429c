"""The record of a long and large test: 200 request names, 8 hours, 50 workers."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

from locust_cw import _core
from locust_cw._runs.record import Record

NAMES, WORKERS, SECONDS = 200, 50, 8 * 3600
HOST = "https://shop.example"
RUN = "20261122T110301Z-7f3a"
_BLOCKS = 120


def large_record(folder: Path, *, workers: int = WORKERS, per_block: int = 1) -> Record:
    """Each worker has made requests of each name in each time block, and failures of several types.

    Args:
        folder: A folder for the spools of the workers.
        workers: The number of workers.
        per_block: The number of requests of each worker, name and block.

    """
    started = time.time() // 1 - SECONDS - 600
    options = {"dry_run": True, "spool_dir": str(folder), "logs": "off", "log_group": "LocustTests"}
    summary, receipt = None, None
    for worker in range(workers):
        publisher = _core.Publisher(options, run_id=RUN, worker=f"w{worker}", host=HOST, measured_from=started)
        _fire(publisher, started, random.Random(worker), per_block)
        receipt = publisher.finish()
        of_worker = publisher.statistics.summary()
        summary = of_worker if summary is None else summary.merge(of_worker)
    assert summary is not None
    assert receipt is not None
    stopped = started + SECONDS
    return Record(
        RUN,
        {**options, "max_requests": NAMES},
        started,
        stopped=stopped,
        updated=stopped,
        host=HOST,
        users=5_000,
        p95_ms=summary.quantile_ms(0.95),
        receipt=json.loads(receipt.json),
        series=receipt.series,
        summary=summary.to_json(),
        measured_from=started,
        measured_until=stopped,
    )


def _fire(publisher: _core.Publisher, started: float, chance: random.Random, per_block: int) -> None:
    for block in range(_BLOCKS):
        for name in range(NAMES):
            for _ in range(per_block):
                ms = chance.lognormvariate(5, 0.6)
                ended = started + (block + chance.random()) * SECONDS / _BLOCKS
                failed = chance.random() < 1 / 20
                error = OSError(f"{name % 20}: connection to backend {name} was reset by peer") if failed else None
                publisher.record(
                    "GET", f"/catalog/{name:03}/[id]/reviews", ms, 1000, exception=error, start_time=ended - ms / 1000
                )
