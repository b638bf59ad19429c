"""Recorded runs with given requests, without Locust."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

from locust_cw import _core
from locust_cw._runs.record import Record
from support.fixtures import Aws

HOST = "http://shop.test"


def recorded_run(  # noqa: PLR0913 - what a test needs to differ
    folder: Path,
    run_id: str,
    *,
    seconds: int = 120,
    rate: int = 20,
    factor: float = 1.0,
    names: int = 1,
    cpu: float | None = None,
    users: int | None = 5,
    stopped: bool = True,
    age_s: float = 3600.0,
    seed: str = "chance",
    **options: Any,
) -> Record:
    """A run with log-normal response times around `factor` times 100 ms, whose record is in the spool folder.

    Args:
        folder: The spool folder.
        run_id: The run ID.
        seconds: How long it took.
        rate: Requests per second.
        factor: Of response times.
        names: Number of request names, between which the requests alternate.
        cpu: The highest CPU usage of a process of the load generator, in percent.
        users: The number of users.
        stopped: Whether it has stopped, and was not killed.
        age_s: How long ago it began.
        seed: Runs with the same one differ by nothing but the other arguments.
        options: Options of the core.

    """
    started = time.time() // 1 - age_s
    settings = {"dry_run": True, "spool_dir": str(folder), "log_group": "LocustTests", **options}
    publisher = _core.Publisher(settings, run_id=run_id, worker="w", host=HOST, measured_from=started)
    chance = random.Random(seed)
    for number in range(seconds * rate):
        ms = factor * 100 * chance.lognormvariate(0, 0.3)
        ended = started + (number + 0.5) / rate
        publisher.record("GET", f"/{number % names}", ms, 10, start_time=ended - ms / 1000)
    receipt = publisher.finish()
    fields = json.loads(publisher.statistics.summary().to_json())
    fields["generator"]["cpu_percent"] = cpu
    summary = _core.Summary.from_json(json.dumps(fields))
    ended = started + seconds
    record = Record(
        run_id,
        settings,
        started,
        stopped=ended if stopped else None,
        updated=ended,
        host=HOST,
        users=users,
        p95_ms=summary.quantile_ms(0.95),
        receipt=json.loads(receipt.json),
        series=receipt.series,
        summary=summary.to_json(),
        measured_from=started,
        measured_until=ended if stopped else None,
    )
    record.write()
    return record


def machine(aws: Aws, folder: Path) -> dict[str, str | None]:
    """The environment of a command on a machine with its own home folder, whose tests have the log group of `aws`."""
    folder.mkdir(parents=True, exist_ok=True)
    return {
        "LOCUST_CW_ENDPOINT_URL": aws.proxy.url,
        "LOCUST_CW_LOG_GROUP": aws.cloudwatch.log_group,
        "LOCUST_CW_SPOOL_DIR": str(folder / "spool"),
    }
