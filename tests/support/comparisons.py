"""Comparisons as the core has them, for tests of what shows them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from locust_cw._comparison.results import ComparedRuns, Side
from support.check_results import STARTED

BASE = Side("20261121T170544Z-01bc", STARTED - 64_637, 600.0, 303_121, "https://shop.example", 50)
RUN = Side("20261122T110301Z-7f3a", STARTED, 600.0, 304_007, "https://shop.example", 50)


@dataclass(frozen=True)
class PlainRow:
    """A row with given values."""

    request: str | None
    measure: str
    base: float | None
    run: float | None
    unit: str
    change: float | None
    interval: tuple[float, float] | None
    verdict: Any
    reasons: tuple[str, ...] = ()

    @property
    def fields(self) -> dict[str, Any]:
        """The row as JSON."""
        shown = {name: value for name, value in asdict(self).items() if name not in ("unit", "reasons")}
        return shown | {"why": " ".join(self.reasons) or None}


def rows_of(request: str | None, verdict: Any = "same", change: float = 0.01, *reasons: str) -> list[PlainRow]:
    """The five rows of a request, of which p95 has this verdict and change."""
    return [
        PlainRow(request, "requests_per_second", 505.2, 506.7, "1/s", 0.003, None, None),
        PlainRow(request, "failure_rate", 0.2, 0.2, "%", 0.0, (-0.0004, 0.0004), "same"),
        PlainRow(request, "p50", 81.4, 82.0, "ms", 0.007, (-0.002, 0.015), "same"),
        PlainRow(
            request, "p95", 212.0, 212.0 * (1 + change), "ms", change, (change - 0.04, change + 0.04), verdict, reasons
        ),
        PlainRow(request, "p99", 400.0, 404.0, "ms", 0.01, None, "undecided", ("fewer than 10 requests are slower",)),
    ]


def compared_runs(*groups: list[PlainRow], **changes: Any) -> ComparedRuns:
    """A comparison with these rows; by default, one name is slower and one the same."""
    given = groups or (
        rows_of(None, "slower", 0.15),
        rows_of("GET /", "same", 0.01),
        rows_of("POST /checkout", "slower", 0.31),
    )
    facts: dict[str, Any] = {
        "base": BASE,
        "run": RUN,
        "baseline": "main",
        "tolerance": 0.05,
        "verdict": "slower",
        "reasons_of_run": (),
        "rows": [row for rows in given for row in rows],
    }
    return ComparedRuns(**facts | changes)
