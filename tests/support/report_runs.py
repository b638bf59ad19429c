"""A run for reports: users join one by one, and the target can serve 20 requests/s."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

from locust_cw import Publisher
from locust_cw._runs.record import Record

HOST, SECONDS, HOSTILE = "http://shop.test", 40, "<img src=x onerror=alert(1)>"


class PaymentError(Exception):
    """An error of the service."""


def growing_run(spool: Path) -> Record:
    """The record of such a run, which was a dry run."""
    folder = str(spool)
    publisher = Publisher(run_id="r", host=HOST, dry_run=True, spool_dir=folder)
    # So that the requests of a second end in it.
    begin = time.time() // 1 - SECONDS
    # Without a warm-up, the measured time begins with the publisher.
    publisher._core.statistics.begin(begin)  # type: ignore[union-attr]  # noqa: SLF001 - a test
    for second in range(SECONDS):
        users = 1 + second
        rate = min(users, 20)
        for number in range(rate):
            at = begin + second + number / 50
            method, name = [("GET", "/"), ("GET", "/주문"), ("POST", "/pay"), ("GET", HOSTILE)][number % 4]
            failed = name == "/pay" and number % 8 == 2 and second > 9
            publisher.record(
                method, name, 50.0 * users / rate, start_time=at - 0.001, context={"customer": f"c-{second}"},
                exception=PaymentError("declined for url: http://shop.test/pay?card=4111") if failed else None,
            )  # fmt: skip
        publisher.gauge("UserCount", users)
    publisher.close()
    record = Record.read("r", folder)
    # The gauges have the time of the test, and the requests earlier ones.
    summary = json.loads(record.summary)
    summary["load"] = {
        "exponent": 0,
        "blocks": [
            [int(begin) + second, {"users": 1 + second, "generator": {"cpu_percent": 40.0, "memory_bytes": 7e7}}]
            for second in range(SECONDS)
        ],
    }
    return replace(
        record, started=begin, measured_from=begin, measured_until=begin + SECONDS, stopped=begin + SECONDS,
        summary=json.dumps(summary), tags={"branch": "main"}, targets=["rds:shop-db"],
        options=record.options | {"external_id": "canary", "log_group": "Shop"},
        setup={"locust": "2.47.0", "user_classes": "Shopper", "target_users": 50, "spawn_rate": 1.0, "run_time_s": 60},
    )  # fmt: skip
