"""What a report says about a run, before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locust_cw import _core
    from locust_cw._report.saturation import Saturation
    from locust_cw._report.series import Series
    from locust_cw._runs.record import Record

PERCENTILES = ("p50", "p95", "p99")

Latency: TypeAlias = Literal["mean", "median"]
"""Which response time stands for those of a period."""


@dataclass(frozen=True)
class Line:
    """A line of a chart."""

    label: str
    series: Series


@dataclass(frozen=True)
class Panel:
    """Lines with the same unit.

    Attributes:
        title: What the lines show.
        unit: The unit of their values, as CloudWatch names it or as readers know it.
        lines: At least one line with values.
        limit: A value to mark, and its meaning.

    """

    title: str
    unit: str
    lines: tuple[Line, ...]
    limit: tuple[float, str] | None = None


@dataclass(frozen=True)
class Group:
    """The panels of the load, or of a target."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Row:
    """A row of the table of requests.

    Attributes:
        name: The name of the request; empty for all requests of a host.
        method: The method; empty if it is unknown, or if there are several.
        host: The host; empty if series have none.
        requests: The number of requests that the run counted.
        failures: The number of failed requests.
        requests_per_s: Mean over the run.
        mean: Mean response time of successful requests in milliseconds; None if CloudWatch has none.
        percentiles: Their percentiles, in the order of `PERCENTILES`.
        methods: A row for each method, if the series of the name has several.

    """

    name: str
    method: str
    host: str
    requests: int
    failures: int
    requests_per_s: float
    mean: float | None
    percentiles: tuple[float | None, ...]
    methods: tuple[Row, ...] = ()


@dataclass
class Findings:
    """What a report says.

    Attributes:
        record: The record of the run.
        read_at: The time as of which this holds, in seconds since the epoch.
        started: The start.
        ramped_up: The time at which the number of users first reached its maximum; None if it is unknown.
        stopped: The stop.
        ended: The end of the last request, which may be after the stop.
        period: Seconds of a period in the charts.
        groups: The panels of the load, followed by those of the targets.
        saturation: The load at which the target saturates.
        total: All requests.
        rows: With several hosts, the rows of the hosts; then a row for each name, the most requested first.
        names: The panels of the main names: for each, requests/s and response times.
        errors: Failures by type, the most frequent first.
        slowest: The slowest successful requests.
        resources: Sentences on the use of resources, and which of them reached its limit first.
        latency_is: Which response time stands for those of a period.
        links: Pages in the AWS console, by title.
        highest_rate: Requests/s in the busiest period.
        highest_users: The maximum number of users.
        workers: The maximum number of workers; 0 for a run without workers.
        notes: What readers need to know about the numbers.

    """

    record: Record
    read_at: float
    started: float
    ramped_up: float | None
    stopped: float
    ended: float
    period: int
    groups: list[Group]
    saturation: Saturation
    total: Row
    rows: list[Row]
    highest_rate: float
    highest_users: float
    workers: int
    notes: list[str]
    names: list[Group] = field(default_factory=list)
    errors: Sequence[_core.ErrorTotals] = ()
    slowest: Sequence[_core.SingleRequest] = ()
    resources: str = ""
    latency_is: Latency = "mean"
    links: dict[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """The duration of the run."""
        return self.stopped - self.started

    @property
    def verdict(self) -> str:
        """The load at which the target saturates, in one sentence."""
        found = self.saturation
        if found.users is None or found.requests_per_s is None:
            state = "not reached" if found.state == "not_reached" else "unknown"
            return f"Saturation {state}: {found.reason}."
        slower = ""
        if found.latency_before and found.latency_after and found.latency_after > found.latency_before:
            before, after = f"{found.latency_before:,.0f}", f"{found.latency_after:,.0f}"
            slower = f"; {self.latency_is} response times grow from {before} to {after} ms"
        if found.state == "from_start":
            return (
                f"The target is saturated from the start: {found.requests_per_s:,.0f} requests/s with"
                f" {found.users:,.0f} users, the lowest load of the test{slower}."
            )
        return f"The target saturates at {found.requests_per_s:,.0f} requests/s, with {found.users:,.0f} users{slower}."
