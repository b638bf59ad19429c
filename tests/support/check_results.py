"""Results of checks as the core has them, for tests of what shows them."""

from __future__ import annotations

from typing import Any

from locust_cw._checks.results import CheckedRun, RecordedResult

STARTED = 1_795_345_381.0  # 2026-11-22 11:03:01 UTC

PASSED = RecordedResult("p95 < 300ms", "passed", 212.4, 300.0, "ms")
FAILED = RecordedResult("failures < 1%", "failed", 2.345, 1.0, "%", STARTED + 90)
UNDECIDED = RecordedResult(
    "POST /checkout: p99 <= 0.8s", "undecided", None, 800.0, "ms", None, "fewer than 10 requests are slower than p99"
)


def checked_run(*results: RecordedResult, **changes: Any) -> CheckedRun:
    """A run of ten minutes with these results; by default, one of each verdict."""
    facts: dict[str, Any] = {
        "run_id": "20261122T110301Z-7f3a",
        "host": "https://shop.example",
        "started": STARTED,
        "seconds": 600.0,
        "warmup_s": 0.0,
        "is_approximate": False,
        "results": results or (PASSED, FAILED, UNDECIDED),
    }
    return CheckedRun(**facts | changes)


def of_request(name: str, verdict: Any = "failed") -> RecordedResult:
    """The result of a check of the request with this name."""
    return RecordedResult(f"{name}: p95 < 300ms", verdict, 312.0, 300.0, "ms", reason=name)
