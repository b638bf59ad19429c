"""The receipt of a fleet has the cost of all that its processes publish, and a replay that of what it sends."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from locust_cw import _core
from support.commands import replay
from support.fixtures import Aws, Locust
from support.fleet import HOST, Fleet
from support.fleet_checks import LIVE
from support.locust_run import LocustRun
from support.proxy import Call, hang

METRIC_HOUR = 0.30 / _core.HOURS_PER_MONTH
CALL = 0.01 / 1000
LOG_BYTE = 0.50 / 1024**3
LOAD = ["-u", "4", "-r", "100", "-t", "4s", "--host", HOST]

OWN_SERIES = 6
"""Request names of one process in `own_names.py`."""


@pytest.fixture(autouse=True)
def one_hour() -> None:
    """Metrics are paid for by the hour of the clock."""
    if (left := 3600 - time.time() % 3600) < 45:
        time.sleep(left)


def fleet(locust: Locust, how: str, *args: str) -> LocustRun:
    """Two workers that publish; the process with the receipt."""
    if how == "processes":
        run = locust.start("own_names.py", "--processes=2", *LIVE, *LOAD, *args, "--cw-receipt=receipt.json")
        return run.wait()
    workers = Fleet(locust, *LIVE, *LOAD, *args, workers=2, locustfile="own_names.py")
    workers.wait()
    return workers.master


def cost_of(calls: list[Call]) -> float:
    """What AWS charges for these calls, by its price list."""
    accepted = [call for call in calls if call.accepted]
    metrics = {
        (datum["MetricName"], frozenset((each["Name"], each["Value"]) for each in datum.get("Dimensions", [])))
        for call in accepted
        if call.operation == "PutMetricData"
        for datum in call.params["MetricData"]
    }
    log_bytes = sum(
        len(event["message"].encode()) + 26
        for call in accepted
        if call.operation == "PutLogEvents"
        for event in call.params["logEvents"]
    )
    number_of_calls = sum(call.operation == "PutMetricData" for call in accepted)
    return len(metrics) * METRIC_HOUR + number_of_calls * CALL + log_bytes * LOG_BYTE


@pytest.mark.parametrize("how", ["machines", "processes"])
def test_the_cost_is_that_of_the_series_of_all_processes(aws: Aws, locust: Locust, how: str) -> None:
    run = fleet(locust, how)
    receipt = run.receipt.check_delivered()
    names = {series for series in aws.cloudwatch.series("RequestCount") if dict(series).get("Request")}
    assert len(names) == 2 * OWN_SERIES + 1, "each worker has names of its own"
    assert receipt["estimated_cost_usd"] == pytest.approx(cost_of(aws.proxy.calls()), rel=0.05)


@pytest.mark.parametrize("how", ["machines", "processes"])
def test_the_cost_of_a_replay_is_that_of_what_it_sends(aws: Aws, locust: Locust, tmp_path: Path, how: str) -> None:
    spool = tmp_path / "spool"
    aws.proxy.on("*", hang)
    run = fleet(locust, how, f"--cw-spool-dir={spool}", "--cw-drain-timeout=1")
    receipt = run.receipt.check()
    assert receipt["requests"]["spooled"] == receipt["requests"]["observed"] > 0
    assert receipt["estimated_cost_usd"] < METRIC_HOUR, "only that of calls without a response"

    aws.proxy.stop_faults()
    before = len(aws.proxy.calls())
    sent = replay(run.folder, receipt["run_id"], f"--spool-dir={spool}")
    assert sent.exit_code == 0
    assert aws.cloudwatch.sum("RequestCount", Host=HOST) == receipt["requests"]["observed"]
    of_processes = [float(usd) for usd in re.findall(r"about \$([\d.]+)", sent.output)]
    assert len(of_processes) == 3, sent.output
    cost = cost_of(aws.proxy.calls()[before:])
    assert sum(of_processes) == pytest.approx(cost, rel=0.05)
    recorded = json.loads((spool / ".records" / f"{receipt['run_id']}.json").read_text())["receipt"]
    assert recorded["estimated_cost_usd"] == pytest.approx(cost + receipt["estimated_cost_usd"], rel=0.05)
