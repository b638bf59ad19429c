"""Locustfiles in the style of Locust's examples: locust-cw changes neither their results nor their exit codes.

They do not import locust-cw, and make a fixed number of requests, so that runs with and without it can be compared.
"""

from __future__ import annotations

import json
import re

import pytest

from support.checks import check_metrics
from support.fixtures import Aws, Locust
from support.fleet import Fleet
from support.locust_run import LocustRun
from support.servers import Target

EXAMPLES: dict[str, tuple[str, list[str], int]] = {
    "several hosts": ("several_hosts.py", ["-u", "4"], 0),
    "custom shape": ("shaped.py", [], 0),
    "tags": ("tagged.py", ["-u", "1", "--tags", "read", "write"], 0),
    "excluded tags": ("tagged.py", ["-u", "1", "--tags", "read", "--exclude-tags", "slow"], 0),
    "event hooks": ("hooked.py", ["-u", "2"], 7),
    "event hooks, content": ("hooked.py", ["-u", "2", "--max-failures", "1000"], 0),
    "manual statistics": ("manual.py", ["-u", "4"], 1),
    "sequential tasks": ("sequential.py", ["-u", "3"], 1),
}


def results(run: LocustRun) -> dict[tuple[str | None, str], tuple[int, int]]:
    """Requests and failures by type and name, from Locust."""
    entries = json.loads((run.folder / "locust.json").read_text())
    return {(each["method"], each["name"]): (each["num_requests"], each["num_failures"]) for each in entries}


def own_lines(run: LocustRun) -> list[str]:
    """The output of the locustfile."""
    return re.findall(r"^> .*$", run.out, re.MULTILINE)


def check_same(runs: list[LocustRun], exit_code: int) -> None:
    """The first run, with locust-cw, has the same results as the second run, without it."""
    assert [run.exit_code for run in runs] == [exit_code, exit_code]
    assert results(runs[0]) == results(runs[1]) != {}
    assert own_lines(runs[0]) == own_lines(runs[1])
    assert runs[0].listener_errors == runs[1].listener_errors == 0
    assert runs[0].logged_problems() == runs[1].logged_problems() == []
    assert not runs[1].has_receipt


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_an_example_has_the_same_results_with_locust_cw(
    aws: Aws, locust: Locust, target: Target, example: tuple[str, list[str], int]
) -> None:
    locustfile, args, exit_code = example
    host = [] if locustfile == "several_hosts.py" else ["--host", target.url]
    env = {"TARGET": target.url}
    runs = [
        locust.start(locustfile, "-r", "100", *host, *args, *more, module="locust_cw", env=env)
        for more in (["--cw-live", "--cw-flush-interval=1"], ["--cw-disable"])
    ]
    check_same(runs, exit_code)
    stats, receipt = runs[0].stats, runs[0].receipt.check_delivered()
    assert receipt["requests"]["observed"] == stats.requests.total()
    if host:
        assert aws.cloudwatch.sum("RequestCount", Host=target.url) == stats.requests.total()
    else:
        hosts = {target.url, target.url.replace("127.0.0.1", "localhost")}
        held = [aws.cloudwatch.sum("RequestCount", Host=each) for each in hosts]
        assert sum(held) == stats.requests.total()
        assert min(held) > 0


def test_custom_messages_between_master_and_workers(aws: Aws, locust: Locust) -> None:
    """Also custom entries in the reports of workers."""
    host = "http://used.test"
    args = ["-u", "4", "-r", "100", "--host", host, "-t", "8s"]
    fleets = [
        Fleet(locust, *args, *more, workers=2, locustfile="messages.py", module="locust_cw")
        for more in (["--cw-live", "--cw-flush-interval=1"], ["--cw-disable"])
    ]
    for fleet in fleets:
        fleet.wait()
    check_same([fleet.master for fleet in fleets], 0)
    assert sorted(own_lines(run)[0] for run in fleets[0].workers) == sorted(
        own_lines(run)[0] for run in fleets[1].workers
    )
    assert own_lines(fleets[0].master) == ["> got []; answers ['3 accounts', '3 accounts']; reports [3, 3]"]
    assert [run.exit_code for fleet in fleets for run in fleet.workers] == [0, 0, 0, 0]
    fleets[0].master.receipt.check_delivered()
    check_metrics(aws.cloudwatch, fleets[0].master.stats, host)
