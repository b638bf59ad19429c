"""A worker ends as soon as everything is delivered and its master has its last report, whatever Locust does then."""

from __future__ import annotations

import pytest

from support.checks import receipts_printed
from support.fixtures import Aws, Locust
from support.fleet import HOST, Fleet
from support.servers import wait_until

EXIT_CODE = 42


def let_the_master_go_on(fleet: Fleet) -> None:
    """Wait until the workers have ended, and then have the master go on."""
    wait_until(lambda: all(run.process.poll() is not None for run in fleet.workers), "the workers end")
    (fleet.master.folder / "go-on").touch()


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_end_before_their_master_quits(aws: Aws, locust: Locust, workers: int) -> None:
    """Locust no longer receives messages then. The master acknowledges the last reports, and has the only receipt."""
    fleet = Fleet(locust, "-u2", "-r100", "-t3s", f"--host={HOST}", locustfile="departing.py", workers=workers)
    let_the_master_go_on(fleet)
    assert fleet.exit_codes == [0] * (1 + workers)
    assert [receipts_printed(run) for run in fleet.processes] == [1] + [0] * workers
    observed = fleet.master.receipt.check_delivered()["requests"]["observed"]
    # On a busy machine the test may be over before there are requests.
    assert aws.cloudwatch.sum("RequestCount", Host=HOST) == observed


@pytest.mark.long
def test_a_worker_that_ends_at_its_start_leaves_the_receipt_to_its_master(locust: Locust) -> None:
    """Locust's greenlet that receives messages has ended then. The others have not."""
    fleet = Fleet(
        locust, "-t3s", f"--host={HOST}", locustfile="departing.py", workers=1, worker_env={"EXIT_CODE": str(EXIT_CODE)}
    )
    let_the_master_go_on(fleet)
    assert fleet.exit_codes == [0, EXIT_CODE]
    assert [receipts_printed(run) for run in fleet.processes] == [1, 0]
