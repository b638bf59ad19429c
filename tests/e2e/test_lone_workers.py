"""A worker whose master does not print a receipt prints and writes its own, and sets its own exit code."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from support.checks import receipts_printed
from support.fixtures import Aws, Locust
from support.fleet import HOST, Fleet
from support.fleet_checks import LIVE, USERS
from support.locust_run import LocustRun
from support.proxy import hang
from support.servers import free_port, wait_until


def own(*, away: bool) -> list[str]:
    """Options of the receipt. A busy machine may need some seconds for the delivery.

    Locust's own exit code would depend on whether a request has failed since the last report.
    """
    exit_code = ["--cw-fail-on-loss", "--exit-code-on-error=0"]
    return ["--cw-receipt=own.json", *exit_code, f"--cw-drain-timeout={1 if away else 30}"]


def own_receipt(worker: LocustRun) -> dict[str, int]:
    """The requests in the receipt, which only the worker printed and wrote."""
    assert receipts_printed(worker) == 1
    worker.folder.joinpath("own.json").rename(worker.folder / "receipt.json")
    requests: dict[str, int] = worker.receipt["requests"]
    return requests


@pytest.mark.parametrize("away", [False, True], ids=["AWS answers", "AWS hangs"])
def test_a_master_without_locust_cw_leaves_the_receipt_to_its_workers(aws: Aws, locust: Locust, *, away: bool) -> None:
    if away:
        aws.proxy.on("*", hang)
    port = free_port()
    how: dict[str, Any] = {"options": [], "receipt": False, "json_file": False}
    master = locust.start(
        "plain_walker.py", "--master", "--master-bind-host=127.0.0.1", f"--master-bind-port={port}",
        "--expect-workers=1", "-u2", "-t4s", f"--host={HOST}", **how,
    )  # fmt: skip
    worker = locust.start(
        "plain_walker.py", "--worker", "--master-host=127.0.0.1", f"--master-port={port}", *aws.options, *LIVE,
        *own(away=away), module="locust_cw", headless=False, **how,
    )  # fmt: skip
    assert master.exit_code == 0
    assert worker.exit_code == (1 if away else 0)
    requests = own_receipt(worker)
    assert requests["spooled" if away else "delivered"] == requests["observed"] > 0


@pytest.mark.parametrize("away", [False, True], ids=["AWS answers", "AWS hangs"])
def test_a_worker_whose_master_died_has_its_own_receipt(aws: Aws, locust: Locust, *, away: bool) -> None:
    """It waits for the master for a short time only."""
    if away:
        aws.proxy.on("*", hang)
    # A worker does not get this option from its master.
    env: dict[str, str | None] = {"LOCUST_EXIT_CODE_ON_ERROR": "0"}
    fleet = Fleet(locust, *LIVE, *USERS, *own(away=away), workers=1, worker_env=env, receipt=False)
    fleet.wait_for(20)
    fleet.master.signal(signal.SIGKILL)
    fleet.master.process.wait()
    (worker,) = fleet.workers
    worker.shut_down()
    wait_until(lambda: worker.process.poll() is not None, "the worker ends", timeout=20)
    assert worker.exit_code == (1 if away else 0)
    requests = own_receipt(worker)
    assert requests["spooled" if away else "delivered"] == requests["observed"] >= 20
