"""Status reports of processes, as they send them to their master."""

from __future__ import annotations

from typing import Any

from locust_cw._core import StatusReport

NOTHING = dict.fromkeys(("observed", "delivered", "spooled", "rejected", "dropped"), 0)


def receipt(run_id: str = "r", *, requests: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """The receipt in a report: nothing but these requests, unless `changes` say otherwise."""
    return {
        "run_id": run_id,
        "requests": {**NOTHING, **(requests or {})},
        "failures": NOTHING,
        "log_events": NOTHING,
        "api_calls": {"PutMetricData": 3, "PutLogEvents": 4},
        "retries": 1,
        "uncertain": 2,
        "bytes_sent": 5,
        "estimated_cost_usd": 0.5,
        "metrics_cost_usd": 0.3,
        "locust": None,
        "reconciled": None,
        "dashboard_url": None,
        "series": [],
        "dry_run": False,
        **changes,
    }


def message(run_id: str = "r", *, status: Any = None, **changes: Any) -> dict[str, Any]:
    """A report as it is sent; `changes` are keys of it."""
    return {
        "run_id": run_id,
        "receipt": receipt(run_id),
        "remarks": [],
        "final": False,
        "left": 0,
        "settled": 0,
        "status": status or {},
        "refusal": None,
        **changes,
    }


def status_report(run_id: str = "r", **changes: Any) -> StatusReport:
    """The same, as the core reads it."""
    return StatusReport.from_message(message(run_id, **changes))
