"""The local CloudWatch of `--cw-local` finds a port, or gives the reason why it cannot start, and leaves no file."""

from __future__ import annotations

import socket
import sys
import tempfile
from pathlib import Path

import pytest

from locust_cw._aws import local as _local
from support.servers import free_port


@pytest.mark.skipif(
    sys.platform == "win32",
    reason="there MiniStack may bind a port that is taken (SO_REUSEADDR)",
)
def test_another_port_is_used_if_one_is_taken_at_the_last_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a limited number of attempts."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        ports = [taken, free_port(), taken, taken, taken]
        monkeypatch.setattr(_local, "_free_port", lambda: ports.pop(0))
        with _local.LocalCloudWatch() as running:
            assert not running.endpoint_url.endswith(f":{taken}")
        with pytest.raises(_local.LocalCloudWatchError, match="already in use"):
            _local.LocalCloudWatch()
    assert ports == []


def test_a_local_cloudwatch_that_cannot_be_started_raises_an_error_and_leaves_no_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(_local.LocalCloudWatchError, match="could not be started"):
        _local.LocalCloudWatch()
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(_local.LocalCloudWatchError, match="could not be started"):
        _local.LocalCloudWatch()
