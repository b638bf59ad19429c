"""`compare_runs`: the boundary. The tests of the method are those of the core."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest

from locust_cw import _core


def summary_of(folder: Path, *, median_ms: float = 20, seconds: int = 60, failed: float = 0.0) -> _core.Summary:
    """The summary of a run with 40 requests per second."""
    started = time.time() // 1 - 300
    settings = {"dry_run": True, "spool_dir": str(folder)}
    publisher = _core.Publisher(settings, run_id="r", worker="w", host="http://shop.test", measured_from=started)
    randomness = random.Random(7)
    for number in range(40 * seconds):
        ms = median_ms * randomness.lognormvariate(0, 0.2)
        error = OSError("no") if randomness.random() < failed else None
        publisher.record("GET", "/", ms, 10, exception=error, start_time=started + number / 40 - ms / 1000)
    publisher.finish()
    return publisher.statistics.summary()


def row_of(comparison: _core.Comparison, request: str | None, measure: str) -> _core.ComparisonRow:
    (row,) = (row for row in comparison.rows if (row.request, row.measure) == (request, measure))
    return row


def test_a_comparison_has_the_values_of_both_runs_and_the_verdicts(tmp_path: Path) -> None:
    base, run = (summary_of(tmp_path / str(ms), median_ms=ms) for ms in (20, 26))
    comparison = _core.compare_runs(base, 60, run, 60)
    assert (comparison.verdict, comparison.reasons) == ("slower", [])
    assert [row.request for row in comparison.rows] == [None] * 5 + ["GET /"] * 5
    median = row_of(comparison, "GET /", "p50")
    assert median.base == pytest.approx(20, rel=0.05)
    assert median.run == pytest.approx(26, rel=0.05)
    assert median.change == pytest.approx(0.3, abs=0.05)
    low, high = median.interval or (0, 0)
    assert 0.05 < low < (median.change or 0) < high < 0.6
    assert (median.unit, median.verdict, median.reasons) == ("ms", "slower", [])
    rate = row_of(comparison, None, "requests_per_second")
    assert (rate.base, rate.run, rate.unit, rate.verdict) == (40, 40, "1/s", None)
    failures = row_of(comparison, None, "failure_rate")
    assert (failures.base, failures.run, failures.unit, failures.change) == (0, 0, "%", 0)
    assert json.loads(json.dumps(median.fields)) == {
        "request": "GET /",
        "measure": "p50",
        "base": median.base,
        "run": median.run,
        "unit": "ms",
        "change": median.change,
        "interval": [low, high],
        "verdict": "slower",
        "why": None,
    }


def test_a_failure_rate_changes_in_percentage_points(tmp_path: Path) -> None:
    base, run = (summary_of(tmp_path / str(failed), failed=failed) for failed in (0, 0.1))
    failures = row_of(_core.compare_runs(base, 60, run, 60), None, "failure_rate")
    assert failures.base == 0
    assert failures.run == pytest.approx(10, abs=3)
    assert failures.change == pytest.approx(0.1, abs=0.03)
    assert failures.verdict == "slower"


def test_runs_that_are_too_short_have_no_verdict(tmp_path: Path) -> None:
    base, run = (summary_of(tmp_path / str(ms), median_ms=ms, seconds=20) for ms in (20, 40))
    comparison = _core.compare_runs(base, 20, run, 20)
    assert comparison.verdict == "undecided"
    (reason,) = comparison.reasons
    assert reason.startswith("The measured time of the base is 20 s")
    assert row_of(comparison, None, "p95").reasons == [reason]
    assert row_of(comparison, None, "p95").fields["why"] == reason


def test_the_tolerance_and_the_requests_can_be_chosen(tmp_path: Path) -> None:
    base, run = (summary_of(tmp_path / str(ms), median_ms=ms) for ms in (20, 26))
    comparison = _core.compare_runs(base, 60, run, 60, tolerance=0.6, requests=["/"])
    assert comparison.verdict == "same"
    with pytest.raises(ValueError, match='neither run has a request "/cart"'):
        _core.compare_runs(base, 60, run, 60, requests=["/cart"])
    with pytest.raises(ValueError, match="the tolerance must be more than 0, not -1"):
        _core.compare_runs(base, 60, run, 60, tolerance=-1)
