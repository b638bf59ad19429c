"""The messages between master and workers, apart from the status reports, which `_core.StatusReport` defines."""

from __future__ import annotations

from typing import Any


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


def refusal(message: dict[str, Any], run_id: str) -> str | None:
    """Why a worker did not start the test of a run; None if it did, or does not say."""
    reason = message.get("refusal") if message.get("run_id") == run_id else None
    return reason if isinstance(reason, str) else None
