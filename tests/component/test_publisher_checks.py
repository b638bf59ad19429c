"""`Publisher(check=...)`: the receipt of a program has the results of its checks."""

from __future__ import annotations

from pathlib import Path

import pytest

from locust_cw import InvalidOptionError, Publisher
from support.fixtures import Aws
from support.programs import run

CHECKS = [
    "requests == 400",
    "failures < 1%",
    "p95 <= 96ms",
    "mean == 50.5ms",
    "GET /a: max < 100ms",
    "rds:shop-db: CPUUtilization Average < 80",
]
VERDICTS = ["passed", "passed", "passed", "passed", "failed", "undecided"]


def test_the_receipt_of_threads_and_that_of_asyncio_have_the_results(aws: Aws, tmp_path: Path) -> None:
    """A check of a target has no value: a program reads no metrics."""
    printed = run(
        tmp_path,
        aws,
        """
        def work(publisher):
            for ms in range(1, 101):
                publisher.record("GET", "/a", float(ms))
        def show(receipt):
            results = [[each.verdict, each.measured, each.reason] for each in receipt.checks]
            print(json.dumps([receipt.passed, results, json.loads(receipt.json)["checks"]]))
        with Publisher(**options) as publisher:
            threads = [threading.Thread(target=work, args=(publisher,)) for _ in range(4)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
        show(publisher.close())
        async def main():
            async with Publisher(**options) as publisher:
                await asyncio.gather(*(asyncio.to_thread(work, publisher) for _ in range(4)))
            show(await publisher.close_async())
        asyncio.run(main())
        options["check"] = options["check"][:4]
        with Publisher(**options) as publisher:
            [work(publisher) for _ in range(4)]
        show(publisher.close())
        options["check"] = []
        with Publisher(**options) as publisher:
            work(publisher)
        show(publisher.close())
        """,
        check=CHECKS,
    )
    for passed, results, recorded in printed[:2]:
        assert passed is False
        assert [verdict for verdict, _, _ in results] == VERDICTS
        assert [measured for _, measured, _ in results][:5] == [400, 0, pytest.approx(95, rel=0.01), 50.5, 100]
        assert "locust-cw check" in results[5][2]
        assert [each["expression"] for each in recorded] == CHECKS
        assert [each["verdict"] for each in recorded] == VERDICTS
    assert [(passed, len(results)) for passed, results, _ in printed[2:]] == [(True, 4), (True, 0)]


def test_a_malformed_check_starts_no_publisher() -> None:
    with pytest.raises(InvalidOptionError, match="write 300ms or 300s"):
        Publisher(check=["p95 < 300"], dry_run=True)
