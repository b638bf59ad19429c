"""Locust as a library: `attach(environment, **options)` with a custom environment and events."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import pytest

from support import library_fleet
from support.checks import check_metrics
from support.fixtures import Aws
from support.locust_run import LocustStats, Receipt, clean_environment, launch_library, run_library
from support.paths import SCRIPTS
from support.proxy import error
from support.servers import Target, ending, free_port

SCRIPT = SCRIPTS / "library.py"


@pytest.mark.parametrize("how", [["quit"], []], ids=["quit fired", "atexit alone"])
@pytest.mark.parametrize("live", [True, False], ids=["live", "end"])
def test_attach_publishes_for_a_library_user(
    aws: Aws, target: Target, tmp_path: Path, *, live: bool, how: list[str]
) -> None:
    """With options in Python form. Everything is delivered, also if only `atexit` can do it."""
    options = {
        **aws.in_python,
        "receipt": str(tmp_path / "receipt.json"),
        "live": live,
        "flush_interval": 1,
        "dimensions": "Host,Request",
    }
    stats_file = tmp_path / "stats.json"
    done = run_library(tmp_path, SCRIPT, json.dumps(options), target.url, stats_file, *how)
    assert done.exit_code == 0, done.err
    assert "the script is done" in done.out
    stats = LocustStats.of(json.loads(stats_file.read_text()))
    assert stats.requests.total() >= 200
    receipt = Receipt((tmp_path / "receipt.json").read_text()).check_delivered()
    assert receipt["requests"]["observed"] == stats.requests.total()
    check_metrics(aws.cloudwatch, stats, target.url)
    assert len(aws.cloudwatch.events()) == receipt["log_events"]["observed"]


@pytest.mark.parametrize("option", [{"resolution": 7}, {"nonsense": 1}, {"namespace": "AWS/x"}], ids=str)
def test_attach_refuses_invalid_options(tmp_path: Path, option: dict[str, object]) -> None:
    """An invalid value or name raises an exception that names the option."""
    done = run_library(tmp_path, SCRIPT, json.dumps(option), "http://127.0.0.1:9", tmp_path / "stats.json")
    assert done.exit_code != 0
    (name,) = option
    assert name in done.err
    assert "the script is done" not in done.out


def test_a_refused_test_raises_an_exception_where_the_program_starts_it(aws: Aws, tmp_path: Path) -> None:
    """The program can catch it and continue. No user is spawned."""
    aws.proxy.on("*", error("AccessDenied", 403, "not authorized"))
    options = {"endpoint_url": aws.proxy.url, "namespace": aws.cloudwatch.namespace, "logs": "off", "strict": True}
    done = run_library(tmp_path, SCRIPTS / "refused_master.py", json.dumps(options), str(free_port()))
    assert done.exit_code == 0, done.err
    assert done.out.splitlines() == ["refused", "the script is done"]


def test_a_fleet_may_have_runners_of_its_own_classes(aws: Aws, tmp_path: Path) -> None:
    """The master's receipt counts what its workers delivered, with one run ID."""
    port, options = str(free_port()), {**aws.in_python, "live": True, "flush_interval": 1}
    script = SCRIPTS / "library_fleet.py"
    with ExitStack() as stack:
        for name in ("worker1", "worker2"):
            folder = tmp_path / name
            folder.mkdir()
            arguments = ("worker", port, json.dumps(options), "subclassed")
            worker = launch_library(folder, script, *arguments, env=clean_environment(folder))
            stack.enter_context(ending(worker.process))
        done = run_library(tmp_path, script, "master", port, json.dumps([options]), "subclassed")
    assert done.exit_code == 0, done.err
    (receipt,) = json.loads(done.out)
    assert receipt["requests"]["observed"] == receipt["requests"]["delivered"] >= 50
    streams = {event.stream.split("/")[1] for event in aws.cloudwatch.events()}
    assert streams == {receipt["run_id"]}
    assert done.err.count("CloudWatch receipt for run ") == 1


@pytest.mark.parametrize("knows", [True, False], ids=["workers with checks", "workers without checks"])
def test_the_checks_of_a_master_cover_the_requests_of_its_workers(aws: Aws, tmp_path: Path, *, knows: bool) -> None:
    """Each test has its own checks. A worker does not need them."""
    first = ["requests >= 50", "STEP step: mean == 1ms", "failures > 0", "/other: requests > 0", "p99.9 < 1s"]
    second = ["step: max <= 1ms abort after 1s", "generator: memory > 10MB"]
    tests = [{**aws.in_python, "live": True, "check": checks} for checks in (first, second)]
    own = {**aws.in_python, "live": True, **({"check": first} if knows else {})}
    receipts = library_fleet.receipts(tmp_path, aws, tests, own)
    results = [{check["expression"]: check["verdict"] for check in receipt["checks"]} for receipt in receipts]
    assert results[0] == dict(zip(first, ["passed", "passed", "failed", "undecided", "undecided"], strict=True))
    assert results[1] == dict.fromkeys(second, "passed")
    (counted, *_) = receipts[0]["checks"]
    assert 50 <= counted["measured"] <= receipts[0]["requests"]["observed"]
