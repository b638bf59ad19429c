"""The status of a run and of each of its processes, from their reports. It uses neither the clock nor Locust."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from locust_cw._distributed.reported_status import ReportedStatus
from locust_cw._terminal.quantities import human_bytes
from locust_cw._terminal.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from locust_cw._core import Receipt

Mode: TypeAlias = Literal["live", "after the test", "dry run"]

Health: TypeAlias = Literal[
    "off", "trouble", "vanished", "loss", "recording", "waiting", "healthy", "draining", "undelivered", "complete"
]

MEANING: dict[Health, str] = {
    "off": "locust-cw does not publish this test.",
    "trouble": "CloudWatch does not accept results at present. They wait on disk and are sent again.",
    "vanished": "A worker has not reported for some time. Undelivered results may still be on its disk.",
    "loss": "Some results will never arrive in CloudWatch.",
    "recording": "Results are recorded on disk.",
    "waiting": "The test runs, and nothing has been delivered yet.",
    "healthy": "CloudWatch accepts the results.",
    "draining": "The test has stopped, and the rest is being sent.",
    "undelivered": "The run ended before everything was sent. The rest is on disk: locust-cw replay sends it.",
    "complete": "CloudWatch has everything.",
}
"""The explanation of each word for health."""

_HOUR_S = 3600.0
# Before this time, the cost per hour would be based on one or two calls.
_COST_AFTER_S = 10.0


@dataclass(frozen=True)
class Run:
    """The properties of a run that all its processes share.

    Attributes:
        run_id: The run ID.
        mode: When the run publishes.
        started: The start, in seconds since the epoch.
        stopped: The stop; None while the test runs.

    """

    run_id: str
    mode: Mode
    started: float
    stopped: float | None = None


@dataclass(frozen=True)
class Status:
    """The status of a run or one of its processes.

    Attributes:
        process: The name of the worker; None for the whole run.
        run_id: The run ID; None without a run.
        mode: When the run publishes.
        health: The state of the delivery in one word.
        problem: The present problem or the last one, with its time.
        observed: Requests that finished.
        delivered: Requests that CloudWatch has confirmed.
        waiting: Requests that are still to be delivered.
        lost: Requests that were rejected or dropped.
        log_events_waiting: Log events that are still to be delivered.
        log_events_lost: Log events that were rejected or dropped.
        uncertain: Upper bound on duplicates: requests and log events in calls that got no response.
        delay_s: The age of the newest delivered second; None before the first one, and when nothing is left.
        api_calls: API calls, repeated ones included.
        retries: Repeated API calls.
        spool_bytes: The size of the data in the spool.
        cost_usd: The estimated cost so far.
        cost_per_hour_usd: The estimated cost per hour; None in the first seconds.

    """

    process: str | None
    run_id: str | None
    mode: Mode | None
    health: Health
    problem: str | None = None
    observed: int = 0
    delivered: int = 0
    waiting: int = 0
    lost: int = 0
    log_events_waiting: int = 0
    log_events_lost: int = 0
    uncertain: int = 0
    delay_s: int | None = None
    api_calls: int = 0
    retries: int = 0
    spool_bytes: int = 0
    cost_usd: float = 0.0
    cost_per_hour_usd: float | None = None


def statuses(run: Run, own: ReportedStatus, workers: Mapping[str, ReportedStatus], now: float) -> list[Status]:
    """The status of the whole run, and those of its workers.

    Args:
        run: The run.
        own: The report of this process, which is the only one or the master.
        workers: The reports of the workers, by name.
        now: The present time, in seconds since the epoch.

    """
    parts = [own, *workers.values()]
    whole = ReportedStatus(
        own.report.merge(*(part.report for part in workers.values())), vanished=any(part.vanished for part in parts)
    )
    held_back = sum(_held_back(run, part.report.receipt) for part in parts)
    shown = _status(None, run, whole, now, held_back=held_back, ended=own.report.is_final)
    rows = [_status(name, run, workers[name], now) for name in sorted(workers)]
    return [replace(shown, problem=_problem(whole, _last_problem(own, workers), ended=own.report.is_final)), *rows]


def _held_back(run: Run, receipt: Receipt) -> int:
    """Samples that are not sent because all processes, or one worker, make a dry run."""
    dry_run = run.mode == "dry run" or receipt.dry_run
    return receipt.requests.spooled + receipt.log_events.spooled if dry_run else 0


def off(problem: str, when: float) -> Status:
    """The status of a test that is not published."""
    return Status(None, None, None, "off", f"{_one_line(problem)} ({_clock(when)})")


def _one_line(text: str) -> str:
    """A message on one line and without secrets, because it may contain text from AWS."""
    return redact(" ".join(text.split()))


def _last_problem(own: ReportedStatus, workers: Mapping[str, ReportedStatus]) -> tuple[str, float] | None:
    """The last problem of all processes, with the name of the worker."""
    problems = {"": own.report.problem, **{name: part.report.problem for name, part in workers.items()}}
    known = [(when, name, what) for name, problem in problems.items() if problem for what, when in (problem,)]
    if not known:
        return None
    when, name, what = max(known)
    return f"{name}: {what}" if name else what, when


def _status(  # noqa: PLR0913 - what differs for the whole run
    process: str | None,
    run: Run,
    part: ReportedStatus,
    now: float,
    *,
    held_back: int | None = None,
    ended: bool | None = None,
) -> Status:
    report, receipt = part.report, part.report.receipt
    ended = report.is_final if ended is None else ended
    held_back = _held_back(run, receipt) if held_back is None else held_back
    requests, log_events = receipt.requests, receipt.log_events
    lost, log_events_lost = (counts.rejected + counts.dropped for counts in (requests, log_events))
    until = now if run.stopped is None else run.stopped
    shared, cost = receipt.metrics_cost_usd, receipt.estimated_cost_usd
    left = requests.spooled + log_events.spooled
    return Status(
        process=process,
        run_id=run.run_id,
        mode=run.mode,
        health=_health(
            run,
            part,
            left=left,
            held_back=held_back,
            lost=lost + log_events_lost,
            delivered=requests.delivered,
            ended=ended,
        ),
        problem=_problem(part, report.problem, ended=ended),
        observed=requests.observed,
        delivered=requests.delivered,
        waiting=requests.spooled,
        lost=lost,
        log_events_waiting=log_events.spooled,
        log_events_lost=log_events_lost,
        uncertain=receipt.uncertain,
        delay_s=None if report.delay_s is None or (report.stopped and not left) else round(report.delay_s),
        api_calls=receipt.put_metric_data_calls + receipt.put_log_events_calls,
        retries=receipt.retries,
        spool_bytes=report.waiting_bytes,
        cost_usd=cost,
        cost_per_hour_usd=_per_hour(shared, cost - shared, run.started, until),
    )


def _health(  # noqa: PLR0911, PLR0913 - a table
    run: Run, part: ReportedStatus, *, left: int, held_back: int, lost: int, delivered: int, ended: bool
) -> Health:
    if part.report.outage_since is not None and part.report.call_failures and not ended:
        return "trouble"
    if part.vanished:
        return "vanished"
    if lost:
        return "loss"
    if part.report.stopped or ended:
        if not left:
            return "complete"
        if left == held_back:
            return "recording"
        return "undelivered" if ended else "draining"
    if run.mode != "live" or (not delivered and 0 < left == held_back):
        return "recording"
    return "healthy" if delivered else "waiting"


def _problem(part: ReportedStatus, last: tuple[str, float] | None, *, ended: bool) -> str | None:
    report = part.report
    if report.outage_since is not None and report.call_failures and not ended:
        return f"{_one_line(report.call_failures[0])} (since {_clock(report.outage_since)})"
    if last is not None:
        what, when = last
        return f"{_one_line(what)} ({_clock(when)})"
    return None


def _per_hour(shared: float, own: float, started: float, until: float) -> float | None:
    """The cost per hour. AWS charges metrics for each clock hour with data, and everything else by use."""
    elapsed = until - started
    if elapsed < _COST_AFTER_S:
        return None
    clock_hours = until // _HOUR_S - started // _HOUR_S + 1
    return shared / clock_hours + own / (elapsed / _HOUR_S)


def _clock(when: float) -> str:
    return f"{datetime.fromtimestamp(when, UTC):%H:%M:%S} UTC"


# The table.

COLUMNS = (
    ("process", "Run, worker"),
    ("health", "Health"),
    ("observed", "Requests"),
    ("delivered", "Delivered"),
    ("waiting", "Waiting"),
    ("lost", "Lost"),
    ("uncertain", "Uncertain"),
    ("logs", "Logs waiting"),
    ("delay", "Delay (s)"),
    ("calls", "API calls"),
    ("retries", "Repeated"),
    ("spool", "In spool"),
    ("cost", "Cost (USD)"),
    ("hourly", "USD per hour"),
    ("problem", "Last problem"),
)
"""The keys and titles of the columns. Keys have no underscore, because Locust's page would rename them."""


def row(status: Status) -> dict[str, str | int | float | None]:
    """A row of the table: plain text and numbers, no markup."""
    name = status.process
    if name is None:
        name = "This test" if status.run_id is None else f"{status.run_id}, {status.mode}"
    off_line = status.health == "off"
    cells: dict[str, str | int | float | None] = {
        "observed": status.observed,
        "delivered": status.delivered,
        "waiting": status.waiting,
        "lost": status.lost,
        "uncertain": status.uncertain,
        "logs": status.log_events_waiting,
        "delay": status.delay_s,
        "calls": status.api_calls,
        "retries": status.retries,
        "spool": human_bytes(status.spool_bytes),
        "cost": round(status.cost_usd, 4),
        "hourly": None if status.cost_per_hour_usd is None else round(status.cost_per_hour_usd, 3),
    }
    return {
        "process": name,
        "health": status.health,
        "problem": status.problem,
        **{key: None if off_line else value for key, value in cells.items()},
    }


def records(shown: Sequence[Status]) -> list[list[str | int | float | None]]:
    """The rows for a spreadsheet, with a header."""
    heads: list[str | int | float | None] = [field.name for field in fields(Status)]
    return [heads, *([_cell(value) for value in asdict(status).values()] for status in shown)]


def _cell(value: object) -> str | int | float | None:
    if isinstance(value, float):
        return round(value, 6)
    if value is None or isinstance(value, int):
        return value
    text = str(value)
    # A spreadsheet would interpret the text as a formula.
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text
