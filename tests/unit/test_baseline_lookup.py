"""`--cw-baseline`: what the base of a comparison is, and that a failed lookup holds nothing up."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from locust_cw._extensions import baseline, baseline_lookup
from locust_cw._extensions.baseline_lookup import Found, Missing, NotSet, Unreadable, look_up
from support.recorded_runs import recorded_run

RUN = "20261122T110301Z-7f3a"


def options(folder: Path) -> Any:
    return {"dry_run": True, "local": False, "log_group": "LocustTests", "spool_dir": str(folder)}


def test_a_name_is_a_run_a_baseline_that_is_not_set_or_a_missing_run(tmp_path: Path) -> None:
    """Only an ID that locust-cw has generated must exist."""
    recorded_run(tmp_path, "mine", seconds=1)
    found = look_up("mine", options(tmp_path))
    assert isinstance(found, Found)
    assert (found.record.run_id, found.baseline) == ("mine", None)
    assert look_up("main", options(tmp_path)) == NotSet()
    missing = look_up(RUN, options(tmp_path))
    assert isinstance(missing, Missing)
    assert RUN in missing.reason


def test_an_unexpected_error_does_not_end_the_test(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("as planned")

    monkeypatch.setattr(baseline_lookup, "find_baseline", fail)
    assert look_up("main", options(tmp_path)) == Unreadable("ZeroDivisionError: as planned")


def test_an_interrupted_lookup_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C goes on to Locust, and the receipt does not wait for the record."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(baseline, "look_up", interrupt)
    monkeypatch.setattr(baseline, "spawn", lambda function, *args: function(*args))
    extension = baseline.Baseline("main", 0.05)
    run: Any = SimpleNamespace(options={}, is_under_way=False)
    assert extension.is_busy
    with pytest.raises(KeyboardInterrupt):
        extension.on_start(run)
    assert not extension.is_busy
