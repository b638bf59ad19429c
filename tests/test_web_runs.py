"""Tests one after another in one process: each is a run of its own, and none costs anything once it is delivered."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from conftest import Locust
from support.locust_run import clean_environment
from support.outages import HOST, PACED
from support.servers import get, wait_until
from test_event_orders import Web

SCRIPT = Path(__file__).with_name("scripts") / "sessions.py"
LOCUSTFILE, *OPTIONS = PACED


def run_script(folder: Path, what: str, **options: object) -> tuple[Any, str]:
    """What `scripts/sessions.py` told, and its standard error."""
    done = subprocess.run(
        [sys.executable, SCRIPT, what, json.dumps(options)],
        cwd=folder,
        env=clean_environment(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def whole_run(web: Web) -> dict[str, Any]:
    """The row of the CloudWatch tab that tells of the whole last run; empty before the first."""
    rows = json.loads(get(f"{web.url}/cloudwatch/status"))["rows"]
    return dict(rows[0]) if rows else {}


# Names


def test_a_longest_run_id_has_room_for_the_number_of_the_test(locust: Locust) -> None:
    web = Web(locust, LOCUSTFILE, "--cw-dry-run", f"--cw-run-id={'x' * 64}", *OPTIONS)
    for run_id in ("x" * 64, "x" * 62 + "-2", "x" * 62 + "-3"):
        web.swarm(1, HOST)
        wait_until(lambda: whole_run(web).get("observed"), "requests are observed")
        assert whole_run(web)["process"] == f"{run_id}, dry run"
        web.run.wait_for(f"Run {run_id}, a dry run")
        get(f"{web.url}/stop", b"")
    web.run.signal(signal.SIGINT)
    assert web.run.exit_code == 0
    assert web.run.complaints() == []


def test_a_name_that_is_made_twice_is_made_again(tmp_path: Path) -> None:
    assert run_script(tmp_path, "names", dry_run=True)[0] == ["one", "two"]


def test_what_cannot_be_published_is_lost(locust: Locust) -> None:
    """A run id was typed that cannot be one: the exit code says that nothing of the test was delivered."""
    web = Web(locust, LOCUSTFILE, "--cw-fail-on-loss", *OPTIONS)
    web.swarm(1, HOST, cw_run_id="bad id")
    web.run.wait_for("Nothing of this test is published: .*bad id")
    assert whole_run(web)["health"] == "off"
    get(f"{web.url}/stop", b"")
    web.run.signal(signal.SIGINT)
    assert web.run.exit_code == 1
    assert "exit code 1, as --cw-fail-on-loss asks" in web.run.err


# Ctrl-C


def test_ctrl_c_ends_one_waiting_and_not_those_to_come(tmp_path: Path) -> None:
    """And after a moment it is what it was before."""
    where = {"endpoint_url": "http://127.0.0.1:9", "drain_timeout": 3, "region": "eu-north-1"}
    told, err = run_script(tmp_path, "closes", **where)
    waited = [close["seconds"] for close in told["closes"]]
    assert waited[0] < 2.5
    assert waited[1] > 2.9
    assert waited[2] < 2.5
    assert all(len(close["run_ids"]) == 1 for close in told["closes"])
    assert told["default"]
    assert "Traceback" not in err


def test_ctrl_c_while_the_exit_handler_delivers_shows_no_traceback(tmp_path: Path) -> None:
    assert "Traceback" not in run_script(tmp_path, "interrupted", dry_run=True)[1]
