"""The results of a comparison, with what a reader needs to know about both runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from locust_cw._checks.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

ComparisonVerdict: TypeAlias = Literal["slower", "faster", "same", "undecided"]

COMPARISON_VERDICTS: tuple[ComparisonVerdict, ...] = ("slower", "faster", "undecided", "same")
"""The verdicts, the most relevant one first."""

ALL_REQUESTS = "All requests"

_MAY_BE_UNDECIDED = "p99"

LABELS = {"requests_per_second": "requests/s", "failure_rate": "failures"}
"""The measures that outputs name differently from JSON."""


class Row(Protocol):
    """A row of a comparison, as `_core.ComparisonRow` is one."""

    @property
    def request(self) -> str | None:
        """The request as Locust lists it; None for all requests."""

    @property
    def measure(self) -> str:
        """What is compared."""

    @property
    def base(self) -> float | None:
        """The value of the base in `unit`."""

    @property
    def run(self) -> float | None:
        """The value of the run."""

    @property
    def unit(self) -> str:
        """The unit of both."""

    @property
    def change(self) -> float | None:
        """The change as a share of the base; of a failure rate, the difference of the shares."""

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the change."""

    @property
    def verdict(self) -> ComparisonVerdict | None:
        """The verdict; None for a measure without one."""

    @property
    def reasons(self) -> Sequence[str]:
        """Why the verdict is undecided: sentences."""

    @property
    def fields(self) -> dict[str, Any]:
        """The row as JSON."""


@dataclass(frozen=True)
class Side:
    """One of the runs.

    Attributes:
        run_id: The run ID.
        started: The start of the test, in seconds since the epoch.
        seconds: The seconds that are compared: those of the test without the warm-up.
        requests: The number of requests.
        host: The host under test, if it is known.
        users: The largest number of users; None if it is unknown.
        warmup_s: The seconds of the warm-up.
        is_approximate: Whether response times are from the reports of workers (`--cw-source master`).

    """

    run_id: str
    started: float
    seconds: float
    requests: int
    host: str | None = None
    users: int | None = None
    warmup_s: float = 0.0
    is_approximate: bool = False


@dataclass(frozen=True)
class Group:
    """The rows of one request.

    Attributes:
        request: The request as Locust lists it; None for all requests.
        rows: Its rows.

    """

    request: str | None
    rows: tuple[Row, ...]

    @property
    def name(self) -> str:
        """The request on one line."""
        return ALL_REQUESTS if self.request is None else one_line(self.request)

    @property
    def verdict(self) -> ComparisonVerdict | None:
        """The most relevant verdict of its rows, by the rule for the whole run; None without any."""
        # A p99 for which there are too few requests is no reason to doubt the others.
        found = {row.verdict for row in self.rows if row.measure != _MAY_BE_UNDECIDED or row.verdict != "undecided"}
        return next((verdict for verdict in COMPARISON_VERDICTS if verdict in found), None)

    @property
    def reasons(self) -> list[str]:
        """Why rows are undecided, each reason once."""
        return list(dict.fromkeys(one_line(reason) for row in self.rows for reason in row.reasons))

    @property
    def _relevance(self) -> tuple[int, float]:
        verdict = self.verdict
        changes = [abs(row.change) for row in self.rows if row.verdict == verdict and row.change is not None]
        return COMPARISON_VERDICTS.index(verdict) if verdict is not None else len(COMPARISON_VERDICTS), -max(
            changes, default=0.0
        )


@dataclass(frozen=True)
class ComparedRuns:
    """Two runs and how they compare.

    Attributes:
        base: The run that the other one is compared with.
        run: The other one.
        baseline: The name of the baseline, if the base was given by one.
        tolerance: The change up to which both count as the same, as a share.
        verdict: The verdict on the run as a whole.
        reasons_of_run: Why there is no verdict on response times; empty if there is one.
        rows: The rows.

    """

    base: Side
    run: Side
    baseline: str | None
    tolerance: float
    verdict: ComparisonVerdict
    reasons_of_run: Sequence[str]
    rows: Sequence[Row]

    @property
    def base_name(self) -> str:
        """The baseline with its run, or the run alone."""
        return self.base.run_id if self.baseline is None else f"{one_line(self.baseline)} ({self.base.run_id})"

    @property
    def groups(self) -> list[Group]:
        """The rows by request: first those of all requests, and then the requests with the most relevant changes."""
        by_request: dict[str | None, list[Row]] = {}
        for row in self.rows:
            by_request.setdefault(row.request, []).append(row)
        groups = [Group(request, tuple(rows)) for request, rows in by_request.items()]
        return sorted(groups, key=lambda group: (group.request is not None, *group._relevance))  # noqa: SLF001 - of this module

    @property
    def counts(self) -> str:
        """The number of requests with each verdict, such as `1 slower, 19 same`; empty without any."""
        return counts_of([group for group in self.groups if group.request is not None])

    @property
    def notes(self) -> list[str]:
        """What limits the results, or differs between the runs apart from the load."""
        notes = [one_line(reason) for reason in self.reasons_of_run]
        base, run = self.base, self.run
        if base.host and run.host and base.host != run.host:
            notes.append(f"The hosts differ: {one_line(base.host)} and {one_line(run.host)}.")
        if base.warmup_s != run.warmup_s:
            notes.append(f"The warm-up differs: {base.warmup_s:g} s and {run.warmup_s:g} s.")
        if base.is_approximate != run.is_approximate:
            notes.append(
                "Response times of one run are from reports of workers (--cw-source master), which are rounded and"
                " include those of failed requests."
            )
        return notes

    @property
    def reasons(self) -> list[str]:
        """Why rows are undecided, apart from the reasons of the run: each reason with the number of its rows."""
        numbers = Counter(one_line(reason) for row in self.rows for reason in row.reasons)
        known = set(map(one_line, self.reasons_of_run))
        return [f"undecided ({number}): {reason}" for reason, number in numbers.items() if reason not in known]

    def as_json(self) -> dict[str, Any]:
        """What `locust-cw compare --json` prints."""
        return {
            "base": self.base.run_id,
            "run": self.run.run_id,
            "verdict": self.verdict,
            "rows": [row.fields for row in self.rows],
        }


def counts_of(groups: Sequence[Group]) -> str:
    """The number of requests with each verdict, such as `1 slower, 19 same`; empty without any."""
    numbers = Counter(group.verdict for group in groups)
    return ", ".join(f"{numbers[verdict]} {verdict}" for verdict in COMPARISON_VERDICTS if numbers[verdict])
