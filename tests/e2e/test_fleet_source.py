"""With `--cw-source=master`, only the master publishes, also for workers of other programs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from support.cloudwatch import Published, nearest_rank, published
from support.fixtures import Aws, Locust
from support.fleet import (
    HOST,
    Fleet,
    check_one_receipt,
    receipts_printed,
    timeline,
)
from support.fleet_checks import (
    LIVE,
    USERS,
)
from support.paths import SCRIPTS
from support.proxy import Proxy
from support.servers import ending, free_port
from support.spools import files_in, spool_of


@pytest.fixture
def no_aws(ministack: str) -> Iterator[Proxy]:
    """An address that workers would use if they called AWS."""
    with Proxy(ministack) as proxy:
        yield proxy
        assert not proxy.calls()


@pytest.fixture
def master_only(aws: Aws, no_aws: Proxy) -> dict[str, Any]:
    """Options and environments with which only the master can call AWS."""
    keys = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
    return {
        "env": {"AWS_ENDPOINT_URL": aws.proxy.url},
        "worker_env": {"AWS_ENDPOINT_URL": no_aws.url, **keys},
        "options": [*(each for each in aws.options if "endpoint" not in each), "--cw-source=master"],
    }


def test_the_master_alone_publishes_for_workers_without_credentials(
    aws: Aws, locust: Locust, master_only: dict[str, Any]
) -> None:
    fleet = Fleet(locust, *LIVE, *USERS, "-t", "4s", **master_only)
    fleet.wait()
    assert fleet.exit_codes == [1, 0, 0, 0]
    stats, receipt = fleet.master.stats, fleet.master.receipt.check_delivered()
    assert stats.requests == fleet.fired.requests
    assert receipt["requests"]["observed"] == stats.requests.total() > 0
    check_reported(aws, stats.requests, stats.failures)
    check_one_receipt(fleet.processes)
    assert not [event for event in aws.cloudwatch.events() if event.is_request]
    for run in fleet.processes:
        assert run.listener_errors == 0, run.err
        assert run.logged_problems() == [], run.err
    for worker in fleet.workers:
        assert not files_in(spool_of(worker))


def check_reported(aws: Aws, requests: Counter[str], failures: Counter[str]) -> None:
    """Requests and failures are those of Locust, for each name and for the host."""
    series: list[tuple[dict[str, str], int, int]] = [({}, requests.total(), failures.total())]
    series += [({"Request": name}, requests[name], failures[name]) for name in requests]
    for dimensions, number, failed in series:
        held = [aws.cloudwatch.sum(metric, Host=HOST, **dimensions) for metric in ("RequestCount", "FailureCount")]
        assert held == [number, failed], dimensions
        assert aws.cloudwatch.count("ResponseTime_ms", Host=HOST, **dimensions) == number


def test_the_master_publishes_for_workers_of_other_programs(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    """Two workers that only use Locust's protocol: sums are exact, and percentiles as precise as the reported times."""
    port = free_port()
    master = locust.start(
        "traders.py",
        "--master",
        "--master-bind-host=127.0.0.1",
        f"--master-bind-port={port}",
        "--expect-workers=2",
        "--cw-source=master",
        *LIVE,
        *USERS,
        "-t",
        "5s",
    )
    script = SCRIPTS / "foreign_worker.py"
    truths = [tmp_path / f"truth{number}.json" for number in range(2)]
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                ending(subprocess.Popen([sys.executable, script, str(port), f"foreign-{number}", truth]))
            )
            for number, truth in enumerate(truths)
        ]
        assert master.exit_code == 1
        assert [worker.wait(60) for worker in workers] == [0, 0]
    journals = [json.loads(truth.read_text()) for truth in truths]
    requests = sum((Counter(each["requests"]) for each in journals), Counter[str]())
    failures = sum((Counter(each["failures"]) for each in journals), Counter[str]())
    stats, receipt = master.stats, master.receipt.check_delivered()
    assert (+stats.requests, +stats.failures) == (requests, failures)
    assert receipt["requests"]["observed"] == requests.total() >= 2 * 2 * 400
    assert receipts_printed(master) == 1
    assert master.listener_errors == 0
    assert master.logged_problems() == []
    check_reported(aws, requests, failures)

    by_name = {
        name: sum(
            (Counter({float(time): count for time, count in each["times"][name].items()}) for each in journals),
            Counter[float](),
        )
        for name in requests
    }
    held = published(aws.proxy.calls())
    for name, times in [*by_name.items(), (None, sum(by_name.values(), Counter[float]()))]:
        dimensions = {"Host": HOST, **({"Request": name} if name else {})}
        check_percentiles(held["ResponseTime_ms", frozenset(dimensions.items())], times)
    by_second = sum(
        (Counter({int(second): n for second, n in each["seconds"].items()}) for each in journals), Counter[int]()
    )
    counts = timeline(aws.proxy.calls(), "RequestCount", Host=HOST)
    assert {second: sum(values) for second, values in counts.items()} == by_second
    users = timeline(aws.proxy.calls(), "UserCount", Host=HOST)
    assert max(max(values) for values in users.values()) == 6


def check_percentiles(held: Published, times: Counter[float]) -> None:
    """Within 1% of the percentiles of the reported times."""
    assert held.count == times.total()
    for percent in (1, 10, 50, 90, 95, 99, 99.9, 100):
        assert held.percentile(percent) == pytest.approx(nearest_rank(times, percent), rel=0.0101), percent
