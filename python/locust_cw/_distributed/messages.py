"""The messages between master and workers, apart from the status reports, which `_core.StatusReport` defines."""

from __future__ import annotations

import time
from typing import Any

from locust_cw import _core

INCREMENTS = "increments"
"""The key of the increments of a worker's summary in its report."""

CLOCK = "clock"
"""The key of the time at which a process sent a message, in seconds since the epoch by its own clock."""


CUSTOM = "custom"
"""The key of the custom metrics and marks of a worker whose master publishes."""


def custom_report(run_id: str, report: bytes) -> dict[str, Any]:
    """A worker whose master publishes has recorded custom metrics and marks of a run."""
    return {"run_id": run_id, CUSTOM: report, CLOCK: time.time()}


def opt_out(run_id: str, option: str) -> dict[str, Any]:
    """A worker publishes nothing of a run, because of an option of its own."""
    return {"run_id": run_id, "opted_out": option}


def acknowledgement(run_id: str) -> dict[str, Any]:
    """The master has a worker's last report of a run, and shows it in its receipt."""
    return {"run_id": run_id, "received": True}


def acknowledged_run(message: object) -> str | None:
    """The run of an acknowledgement; None for any other message."""
    run_id = message.get("run_id") if isinstance(message, dict) and message.get("received") is True else None
    return run_id if isinstance(run_id, str) else None


def received_increments(run_id: str, sequences: list[int]) -> dict[str, Any]:
    """The master has these increments of a worker's summary."""
    return {"run_id": run_id, "increments": sequences}


def acknowledged_increments(message: object) -> tuple[str, list[int]] | None:
    """The run and the increments that the master has; None for any other message."""
    if not isinstance(message, dict) or "received" in message:
        return None
    run_id, sequences = message.get("run_id"), message.get("increments")
    if not isinstance(run_id, str) or not isinstance(sequences, list):
        return None
    return run_id, [sequence for sequence in sequences if isinstance(sequence, int) and sequence >= 0]


def request_names(run_id: str, names: list[str]) -> dict[str, Any]:
    """The workers publish no other request names of a run than these."""
    return {"run_id": run_id, "request_names": names}


def allowed_request_names(message: object) -> tuple[str, list[str]] | None:
    """The run and its request names; None for any other message."""
    names = message.get("request_names") if isinstance(message, dict) else None
    run_id = message.get("run_id") if isinstance(message, dict) else None
    if not isinstance(run_id, str) or not isinstance(names, list):
        return None
    return run_id, [name for name in names if isinstance(name, str)]


def take_increments(message: dict[str, Any]) -> list[bytes]:
    """Remove the increments of a worker's summary from its report."""
    increments = message.pop(INCREMENTS, None)
    return [each for each in increments if isinstance(each, bytes)] if isinstance(increments, list) else []


def take_clock(message: dict[str, Any]) -> float | None:
    """Remove the time of sending from a report; None if it has none."""
    sent_at = message.pop(CLOCK, None)
    return sent_at if isinstance(sent_at, float) and 0 <= sent_at < _core.DATES_END else None


def refusal(message: dict[str, Any], run_id: str) -> str | None:
    """Why a worker did not start the test of a run; None if it did, or does not say."""
    reason = message.get("refusal") if message.get("run_id") == run_id else None
    return reason if isinstance(reason, str) else None
