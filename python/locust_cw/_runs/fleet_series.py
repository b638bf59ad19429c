"""The series of a run in a fleet, before the workers report theirs with their last receipts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from locust_cw import _core

if TYPE_CHECKING:
    from collections.abc import Mapping


def series_of(summary: _core.Summary, host: str | None, options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The series that follow from the requests of a summary, as a receipt has them.

    Args:
        summary: The summary of the run.
        host: The host of all requests. Without it, the series are unknown.
        options: The options of the core and the run ID.

    """
    if host is None:
        return []
    constant = dict(pair.partition("=")[::2] for pair in options.get("dimension") or ())
    shared = {"Host": _core.dimension_value(host)} | {
        name: _core.dimension_value(text) for name, text in constant.items()
    }
    wanted = options["dimensions"].split(",")
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for totals in summary.requests([]):
        values = {"Request": totals.name, "Method": totals.method, "RunId": options["run_id"]}
        own = {key: _core.dimension_value(values[key]) for key in wanted if key in values}
        for dimensions in (shared, shared | own):
            entry = found.setdefault(
                tuple(dimensions.values()), {"dimensions": dimensions, "requests": 0, "failures": 0}
            )
            entry["requests"] += totals.requests
            entry["failures"] += totals.failures
    return list(found.values())
