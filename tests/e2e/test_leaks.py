"""A process that runs many tests does not accumulate resources.

With LOCUST_CW_LONG_TESTS=1, there are more tests.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from support.fixtures import Aws
from support.locust_run import run_python
from support.paced import LONG
from support.paths import SCRIPTS

SCRIPT = SCRIPTS / "cycles.py"
CYCLES = 100 if LONG else 24
# Pooled connections and threads vary with the load of the machine. A leak of one file per test would add 16 files
# between the second and the last measurement.
SLACK = {"files": 5, "threads": 2, "greenlets": 0, "listeners": 0, "ours": 0}
# In each third of the time: a leak of 200 KB a test is more. So may be what a busy moment takes, but not every time.
SLACK_BYTES = 5e5


@pytest.mark.parametrize("what", ["tests", "environments", "publishers"])
def test_start_and_stop_leave_nothing_behind(aws: Aws, tmp_path: Path, what: str) -> None:
    """No file, thread, greenlet, listener, object, spool or memory."""
    done = run_python(
        *(tmp_path, SCRIPT, what, json.dumps(aws.in_python), str(CYCLES)), timeout=250, env={"MALLOC_ARENA_MAX": "1"}
    )
    assert done.returncode == 0, done.stderr
    held = [json.loads(line) for line in done.stdout.splitlines()]
    for each in held:
        each["ours"] = sum(each["ours"].values())
    _, early, _, end = held
    grown = {name: end[name] - early[name] for name, slack in SLACK.items() if end[name] - early[name] > slack}
    assert not grown, held
    assert min(later["bytes"] - earlier["bytes"] for earlier, later in pairwise(held)) <= SLACK_BYTES, held
    assert done.stderr.count("all delivered") == (0 if what == "publishers" else CYCLES)
    assert [path.name for path in (tmp_path / "state" / "locust-cw").iterdir()] in ([], [".records"])
