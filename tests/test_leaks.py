"""A process that makes load all day holds no more in the evening than in the morning.

With LOCUST_CW_LONG_TESTS=1 the day is longer.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Aws
from support.locust_run import clean_environment
from support.outages import LONG

SCRIPT = Path(__file__).with_name("scripts") / "cycles.py"
CYCLES = 100 if LONG else 30
# What comes and goes: a connection kept for the next call, a thread of a pool.
SLACK = {"files": 2, "threads": 2, "greenlets": 0, "listeners": 0, "ours": 0, "bytes": 8e6}


@pytest.mark.parametrize("what", ["tests", "environments", "publishers"])
def test_start_and_stop_leave_nothing_behind(aws: Aws, tmp_path: Path, what: str) -> None:
    """No file, thread, greenlet, listener or object of ours, no spool, and no memory."""
    options = {
        "endpoint_url": aws.proxy.url,
        "namespace": aws.cloudwatch.namespace,
        "log_group": aws.cloudwatch.log_group,
    }
    done = subprocess.run(
        [sys.executable, SCRIPT, what, json.dumps(options), str(CYCLES)],
        cwd=tmp_path,
        env=clean_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    early, half, end = (json.loads(line) for line in done.stdout.splitlines())
    ours = [sum(held.pop("ours").values()) for held in (early, half, end)]
    early["ours"], half["ours"], end["ours"] = ours
    grown = {name: end[name] - half[name] for name, slack in SLACK.items() if end[name] - half[name] > slack}
    assert not grown, (early, half, end)
    assert done.stderr.count("all delivered") == (0 if what == "publishers" else CYCLES)
    assert [path.name for path in (tmp_path / "state" / "locust-cw").iterdir()] in ([], [".records"])
