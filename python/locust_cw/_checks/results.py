"""The results of a run's checks, with what a reader needs to know about the run."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from locust_cw import _core
from locust_cw._checks.wording import one_line, quantity, utc

if TYPE_CHECKING:
    from collections.abc import Sequence

CheckVerdict: TypeAlias = Literal["passed", "failed", "undecided"]

CHECK_VERDICTS: tuple[CheckVerdict, ...] = ("passed", "failed", "undecided")

NOT_PASSED = 3
"""The exit code of a test or a command if a check has not passed."""

_MAX_ERROR_OF_REPORTS = "5%"


@dataclass(frozen=True)
class RecordedResult:
    """The result of a check in the record of a run."""

    expression: str
    verdict: CheckVerdict
    measured: float | None
    limit: float
    unit: str = ""
    first_breach: float | None = None
    reason: str | None = None


Result: TypeAlias = "_core.CheckResult | RecordedResult"
"""The result of a check, from the core or from a record."""


@dataclass(frozen=True)
class CheckedRun:
    """A run and the results of its checks.

    Attributes:
        run_id: The run ID.
        host: The host under test, if it is known.
        started: The start of the test, in seconds since the epoch.
        seconds: The seconds that the checks cover: those of the test without the warm-up.
        warmup_s: The seconds of the warm-up.
        is_approximate: Whether response times are from the reports of workers (`--cw-source master`).
        results: The results, in the order of the checks.
        lacks_requests: Whether a process of the run has not reported all of its requests.

    """

    run_id: str
    host: str | None
    started: float
    seconds: float
    warmup_s: float
    is_approximate: bool
    results: Sequence[Result]
    lacks_requests: bool = False

    @property
    def verdict(self) -> CheckVerdict | None:
        """The verdict on all checks: failed if one has failed, else undecided if one is; None without checks."""
        return overall([result.verdict for result in self.results])

    @property
    def counts(self) -> str:
        """The number of checks with each verdict, such as `2 passed, 1 failed`."""
        return counts_of(self.results)

    @property
    def notes(self) -> list[str]:
        """What limits the results."""
        notes = []
        if self.lacks_requests:
            notes.append(
                "The checks do not cover all requests: a worker was lost, opted out or did not report all results; see"
                " the receipt."
            )
        if self.warmup_s:
            notes.append(f"The first {self.warmup_s:g} s of the test do not count (--cw-warmup).")
        if self.is_approximate:
            notes.append(
                "With --cw-source master, response times are rounded to two significant digits (an error of up to"
                f" {_MAX_ERROR_OF_REPORTS}) and include those of failed requests."
            )
        return notes


def overall(verdicts: Sequence[CheckVerdict]) -> CheckVerdict | None:
    """The verdict on several checks: failed if one has failed, else undecided if one is; None without checks."""
    return next((verdict for verdict in ("failed", "undecided", "passed") if verdict in verdicts), None)


def counts_of(results: Sequence[Result]) -> str:
    """The number of checks with each verdict, such as `2 passed, 1 failed`."""
    numbers = Counter(result.verdict for result in results)
    return ", ".join(f"{numbers[verdict]} {verdict}" for verdict in CHECK_VERDICTS if numbers[verdict])


def measured(result: Result) -> str:
    """The measured value with its unit; a dash if there is none."""
    return "-" if result.measured is None else quantity(result.measured, result.unit, result.limit)


def explanation(result: Result) -> str:
    """Why a check has not passed, as far as the value does not say it, and its first breach; empty for a passed one."""
    reason = one_line(result.reason) if result.reason else ""
    breach = "" if result.first_breach is None else f"first breach at {utc(result.first_breach)}"
    return "; ".join(filter(None, (reason, breach)))


def recorded_results(entries: Sequence[Any]) -> list[RecordedResult]:
    """Read the results in a receipt as JSON.

    Raises:
        ValueError: If an entry is not a result.

    """
    return [_recorded_result(entry) for entry in entries]


def _recorded_result(entry: Any) -> RecordedResult:  # noqa: ANN401 - as it was read
    if not isinstance(entry, dict):
        raise ValueError(f"not the result of a check: {entry!r}")  # noqa: TRY004 - the file is invalid, not the call
    expression, verdict, limit = entry.get("expression"), entry.get("verdict"), entry.get("limit")
    value, unit, reason = entry.get("measured"), entry.get("unit", ""), entry.get("reason")
    first_breach = entry.get("first_breach")
    is_result = (
        isinstance(expression, str)
        and verdict in CHECK_VERDICTS
        and _is_number(limit)
        and (value is None or _is_number(value))
        and isinstance(unit, str)
        and (reason is None or isinstance(reason, str))
        and (first_breach is None or isinstance(first_breach, str))
    )
    if not is_result:
        raise ValueError(f"not the result of a check: {entry!r}")
    time = None if first_breach is None else _time(first_breach)
    return RecordedResult(expression, verdict, value, limit, unit, time, reason)  # type: ignore[arg-type]


def _is_number(value: object) -> bool:
    # Neither NaN nor an integer that is no float.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _time(text: str) -> float:
    time = datetime.fromisoformat(text)
    seconds = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    if not 0 <= seconds < _core.DATES_END:
        raise ValueError(f"not a time of a run: {text}")
    return seconds
