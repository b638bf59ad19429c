"""An entry of the list of runs: what `locust-cw runs` shows of a run, without its summary."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from locust_cw import _core
from locust_cw._checks.results import CHECK_VERDICTS, CheckVerdict, overall, recorded_results
from locust_cw._runs.record import STALE_S, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

State: TypeAlias = Literal["running", "finished", "killed"]


@dataclass(frozen=True)
class Entry:
    """A run in the list.

    Attributes:
        run_id: The run ID.
        started: The start, in seconds since the epoch.
        stopped: The stop; None if the test did not stop.
        updated: The last update of the record; None if it is unknown.
        requests: The number of requests.
        failures: How many of them failed.
        p95_ms: The 95th percentile of the response times of successful requests; None if it is unknown.
        users: The largest number of users; None if it is unknown.
        tags: The tags, by name.
        checks: The verdict on all checks; None without checks.

    """

    run_id: str
    started: float
    stopped: float | None = None
    updated: float | None = None
    requests: int = 0
    failures: int = 0
    p95_ms: float | None = None
    users: int | None = None
    tags: dict[str, str] = field(default_factory=dict)
    checks: CheckVerdict | None = None

    @classmethod
    def of(cls, record: Record) -> Entry:
        """The entry of a record."""
        counts = {name: record.receipt.get(name, {}).get("observed", 0) for name in ("requests", "failures")}
        results = recorded_results(record.receipt.get("checks", []))
        return cls(
            run_id=record.run_id,
            started=record.started,
            stopped=record.stopped,
            updated=record.updated,
            p95_ms=record.p95_ms,
            users=record.users,
            tags=record.tags,
            checks=overall([result.verdict for result in results]),
            **counts,
        )

    @classmethod
    def from_fields(cls, values: Mapping[str, Any]) -> Entry | None:
        """Read what `as_fields` has written; None if it is not an entry."""
        try:
            entry = cls(**{name: values[name] for name in _NAMES if name in values})
        except TypeError:
            return None
        return entry if entry._is_valid else None

    def as_fields(self) -> dict[str, Any]:
        """The entry as JSON."""
        return asdict(self)

    @property
    def _is_valid(self) -> bool:
        times = (self.started, 0 if self.stopped is None else self.stopped, 0 if self.updated is None else self.updated)
        numbers = (self.requests, self.failures, self.users or 0, self.p95_ms or 0)
        return (
            isinstance(self.run_id, str)
            and all(_is_number(time) and 0 <= time < _core.DATES_END for time in times)
            and all(map(_is_number, numbers))
            and isinstance(self.tags, dict)
            and all(isinstance(value, str) for value in self.tags.values())
            and (self.checks is None or self.checks in CHECK_VERDICTS)
        )

    def state(self, now: float) -> State:
        """Whether the run is under way, has stopped, or was killed."""
        # A record without the time of its update is that of a run that has ended.
        if self.stopped is not None or self.updated is None:
            return "finished"
        return "killed" if now - self.updated > STALE_S else "running"

    def has_tags(self, wanted: Mapping[str, str]) -> bool:
        """Whether the run has all these tags."""
        return all(self.tags.get(name) == value for name, value in wanted.items())

    def as_json(self, now: float) -> dict[str, Any]:
        """What `locust-cw runs --json` prints."""
        return {
            "run_id": self.run_id,
            "started": self.started,
            "stopped": self.stopped,
            "state": self.state(now),
            "requests": self.requests,
            "failures": self.failures,
            "p95_ms": self.p95_ms,
            "users": self.users,
            "tags": self.tags,
            "checks": self.checks,
        }


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_NAMES = tuple(each.name for each in fields(Entry))
