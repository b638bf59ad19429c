"""Output that cannot be written, or does not fit, changes neither delivery nor receipt nor exit code."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path

import pytest

from locust_cw._terminal import progress as _progress
from locust_cw._terminal.progress import ProgressBar
from support.fixtures import Aws
from support.locust_run import Receipt, clean_environment
from support.paced import PACED
from support.paths import LOCUSTFILES
from support.proxy import error
from support.servers import ending
from support.terminal import SGR, locust_in_terminal
from support.users_python import USERS_PYTHON

AWAY = error("ServiceUnavailable", 503)


@pytest.mark.parametrize("buffered", [True, False], ids=["buffered", "unbuffered"])
def test_a_pipe_without_a_reader_hides_no_loss(aws: Aws, tmp_path: Path, *, buffered: bool) -> None:
    """The drain takes its time, although its first line cannot be written. Receipt file and exit code show the loss."""
    aws.proxy.on("*", AWAY)
    locustfile, *options = PACED
    command = [USERS_PYTHON, "-m", "locust", "-f", str(LOCUSTFILES / locustfile), *options, "--headless"]
    command += ["-u1", "-t1", *aws.options, "--cw-drain-timeout=4", "--cw-fail-on-loss"]
    command += [f"--cw-receipt={tmp_path / 'receipt.json'}"]
    env = clean_environment(tmp_path, RATE="50", PYTHONUNBUFFERED=None if buffered else "1")
    reader, writer = os.pipe()
    os.close(reader)
    silent = subprocess.DEVNULL
    with ending(
        subprocess.Popen(command, cwd=tmp_path, env=env, stdin=silent, stdout=silent, stderr=writer)
    ) as process:
        os.close(writer)
        assert process.wait(60) != 0
    receipt = Receipt((tmp_path / "receipt.json").read_text()).check()
    assert receipt["requests"]["spooled"] == receipt["requests"]["observed"] > 0


def test_a_terminal_without_room_for_the_bar_has_the_receipt(aws: Aws, tmp_path: Path) -> None:
    aws.proxy.on("*", AWAY)
    options = (*aws.options, "-u1", "-t1", "--cw-drain-timeout=3", "--cw-fail-on-loss")
    with locust_in_terminal(tmp_path, *PACED, *options, columns=6, env={"RATE": "50"}) as screen:
        assert screen.exit_code == 1
        assert "CloudWatch receipt for run" in screen.text
    receipt = Receipt((tmp_path / "receipt.json").read_text()).check()
    assert receipt["requests"]["spooled"] == receipt["requests"]["observed"] > 0


@pytest.mark.parametrize("columns", range(1, 30))
def test_the_bar_fits_any_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that is too long would wrap, and could not be overwritten."""
    shown = io.StringIO()
    monkeypatch.setattr(shown, "isatty", lambda: True)
    monkeypatch.setattr(_progress, "width", lambda _: columns)
    monkeypatch.setattr(_progress, "_SHOW_AFTER_S", 0)
    ProgressBar(shown).show(1234567, 0, ["PutLogEvents was refused"], seconds_to_wait=30)
    assert all(len(row) < columns for row in SGR.sub("", shown.getvalue()).split("\n"))
    assert bool(shown.getvalue()) == (columns >= 15)


def test_the_bar_is_replaced_in_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader sees either the old or the new bar, with all of its rows."""
    written: list[str] = []
    shown = io.StringIO()
    monkeypatch.setattr(shown, "isatty", lambda: True)
    monkeypatch.setattr(shown, "write", written.append)
    monkeypatch.setattr(_progress, "_SHOW_AFTER_S", 0)
    bar = ProgressBar(shown)
    for left in (20, 10):
        bar.show(left, 20 - left, ["PutLogEvents was refused"])
    bar.clear()
    first, second, cleared = written
    assert first.count("\n") == second.count("\n") == 1
    assert second.startswith(cleared)
    assert "10 results left" in second
