"""`locust-cw replay`: when it stops, what it deletes, and what it lists."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from locust_cw import Publisher, _core
from locust_cw._cli.main import main
from locust_cw._cli.replay import sender
from locust_cw._runs.record import Record
from support.answering import answering
from support.servers import refused_url


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "eu-north-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def dead() -> Iterator[str]:
    """The URL of an endpoint without a server."""
    with refused_url() as url:
        yield url


def leave(run_id: str, url: str, requests: int = 3, **options: Any) -> None:
    """Make a run that delivers nothing, with its record."""
    # The run logs that its data cannot be delivered.
    logging.getLogger("locust_cw").setLevel(logging.CRITICAL)
    with Publisher(run_id=run_id, host="http://x", endpoint_url=url, drain_timeout=0, **options) as publisher:
        for _ in range(requests):
            publisher.record("GET", "/", 1.0)
        receipt = publisher.close()
    logging.getLogger("locust_cw").setLevel(logging.NOTSET)
    assert json.loads(receipt.json)["requests"]["spooled"] == requests


def replay(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    capsys.readouterr()
    try:
        code = main(["replay", *args])
    except SystemExit as end:
        code = int(end.code or 0)
    written = capsys.readouterr()
    return code, written.out, written.err


def left() -> list[str]:
    return [spool.run_id for spool in _core.pending_spools()]


def test_a_replay_ends_at_its_timeout(dead: str, capsys: pytest.CaptureFixture[str]) -> None:
    leave("stuck", dead)
    code, out, _ = replay(capsys, "stuck", "--account=any", "--timeout=0.5")
    assert code == 1
    assert "Stopped after the 0.5 s of --timeout. To send the rest, run the command again.\n" in out
    assert "CloudWatch receipt for run stuck" in out
    assert left() == ["stuck"]


def test_a_replay_ends_if_nothing_is_delivered(
    dead: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "STALLED_AFTER_S", 0.6)
    leave("stuck", dead)
    code, out, err = replay(capsys, "--all", "--account=any")
    assert code == 1
    assert "Stopped, because nothing was delivered for" in out, err
    assert "results are left of: stuck" in out
    assert left() == ["stuck"]


def test_a_replay_that_makes_progress_continues(
    dead: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each delivery restarts the time."""
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    limits = sender._Limits(None)  # noqa: SLF001 - the rule itself
    for settled in range(5):
        now += sender.STALLED_AFTER_S - 1
        limits.note(settled)
        assert limits.reason_to_stop() is None or settled == 0
    now += sender.STALLED_AFTER_S
    limits.note(settled)
    assert limits.reason_to_stop() == "Stopped, because nothing was delivered for 5 minutes."
    monkeypatch.undo()
    del dead, capsys


def test_discarded_data_is_deleted_and_counts_as_dropped(dead: str, capsys: pytest.CaptureFixture[str]) -> None:
    leave("one", dead)
    leave("two", dead, requests=5)
    code, out, _ = replay(capsys, "one", "--discard", "--dry-run")
    assert (code, out.startswith("Would discard 2 files, ")) == (0, True)
    assert sorted(left()) == ["one", "two"]
    code, out, _ = replay(capsys, "one", "--discard")
    assert (code, out.startswith("Discarded 2 files, ")) == (0, True)
    assert left() == ["two"]
    assert not (_core.spool_root() / "one").exists()
    counts = Record.read("one").receipt["requests"]
    assert counts == {"observed": 3, "delivered": 0, "spooled": 0, "rejected": 0, "dropped": 3}
    assert Record.read("two").receipt["requests"]["spooled"] == 5
    code, _, err = replay(capsys, "one", "--discard")
    assert (code, "there are no undelivered results of run one" in err) == (1, True)
    code, out, err = replay(capsys, "--discard")
    assert (code, "argument --discard: give the RUN to discard, or --all" in err) == (2, True)


def test_all_results_except_those_of_a_running_test_can_be_discarded(
    dead: str, capsys: pytest.CaptureFixture[str]
) -> None:
    leave("one", dead)
    leave("trial", dead, dry_run=True)
    running = Publisher(run_id="running", endpoint_url=dead, host="http://x", dry_run=True)
    running.record("GET", "/", 1.0)
    running.flush()
    try:
        code, out, err = replay(capsys, "--all", "--discard")
        assert (code, out.count("Discarded")) == (1, 2)
        assert "belongs to a test that is still running" in err
        assert left() == ["running"]
    finally:
        running.close()


def test_the_data_of_a_dry_run_is_not_listed_as_undelivered(dead: str, capsys: pytest.CaptureFixture[str]) -> None:
    leave("trial", dead, dry_run=True)
    code, out, _ = replay(capsys)
    assert code == 0
    assert "of a dry run, may be deleted" in out
    assert "Send them with" not in out
    assert "Delete them with: locust-cw replay RUN --discard" in out
    leave("real", dead)
    assert "Send them with: locust-cw replay RUN, or locust-cw replay --all" in replay(capsys)[1]


def test_a_replay_delivers_what_is_left(dead: str, capsys: pytest.CaptureFixture[str]) -> None:
    leave("one", dead)
    with answering() as aws:
        code, out, err = replay(capsys, "one", f"--endpoint-url={aws.url}", "--account=any", "--timeout=60")
    assert code == 0, out + err
    assert "all delivered" in out
    assert left() == []


def test_the_cost_of_a_replay_is_that_of_its_metrics_and_calls(dead: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In its receipt, and in the record of the run, which had delivered nothing."""
    leave("one", dead)
    before = Record.read("one").receipt["estimated_cost_usd"]
    assert before < 0.0001, "a call at most"
    with answering() as aws:
        _, out, _ = replay(capsys, "one", f"--endpoint-url={aws.url}", "--account=any", "--timeout=60")
    # Two series of three metrics, as the requests have no length, for an hour, and a call.
    least = _core.estimate_cost(metric_hours=6, calls=1, log_bytes=0)
    found = re.search(r"about \$([\d.]+)", out)
    assert found
    assert float(found[1]) == pytest.approx(sum(least), rel=0.05)
    assert Record.read("one").receipt["estimated_cost_usd"] == pytest.approx(before + sum(least), rel=0.05)


@pytest.mark.parametrize("given", ["0", "-1", "soon", "inf", "nan"])
def test_a_timeout_is_a_number_of_seconds(capsys: pytest.CaptureFixture[str], given: str) -> None:
    code, _, err = replay(capsys, "--all", f"--timeout={given}")
    assert code == 2
    assert f"argument --timeout: must be a number of seconds above 0, not '{given}'" in err
