"""What is to be told of a run while it goes on: one status for the whole, and one for each of its processes.

Made when somebody asks, from what the processes account for. Knows no clock and no Locust.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

from locust_cw import _core
from locust_cw._terminal.redaction import without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from locust_cw._core import Publisher

Mode: TypeAlias = Literal["live", "after the test", "dry run"]

Health: TypeAlias = Literal[
    "off", "trouble", "vanished", "loss", "recording", "waiting", "healthy", "draining", "undelivered", "complete"
]

MEANING: dict[Health, str] = {
    "off": "Nothing of this test is published.",
    "trouble": "CloudWatch does not take results at present. They wait on disk and are sent again.",
    "vanished": "A worker has not been heard of for a while. What it had recorded may wait on its disk.",
    "loss": "Some results will never arrive in CloudWatch.",
    "recording": "Results are recorded on disk.",
    "waiting": "The test runs, and nothing has been delivered yet.",
    "healthy": "CloudWatch takes what is sent.",
    "draining": "The test has stopped, and the rest is being sent.",
    "undelivered": "The end came before everything was sent. The rest waits on disk: locust-cw replay sends it.",
    "complete": "CloudWatch has everything.",
}
"""Health in one word, and what the word says."""

DATES_END = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
"""What is beyond cannot be shown as a date: seconds since the epoch."""

_HOUR_S = 3600.0
# Before that, a cost per hour would be a guess from a call or two.
_COST_AFTER_S = 10.0


@dataclass(frozen=True)
class Run:
    """What all processes of a run share.

    Attributes:
        run_id: Its id.
        mode: When it publishes.
        started: Seconds since the epoch.
        stopped: The same; None while the test runs.

    """

    run_id: str
    mode: Mode
    started: float
    stopped: float | None = None


@dataclass(frozen=True)
class Part:
    """What one process tells of its part in a run.

    Attributes:
        account: The text of its `Publisher.snapshot`, or of its receipt.
        failures: Why its calls fail at present.
        trouble_since: Since when, in seconds since the epoch; None while they do not.
        problem: What was last amiss, if anything was.
        problem_at: When that was noticed, in seconds since the epoch.
        delay_s: How old the newest delivered second is; None before the first.
        waiting_bytes: What its spool holds, and what is not in it yet.
        stopped: Whether the test is over there.
        ended: Whether it has drawn up its receipt.
        vanished: Whether it has not been heard of for too long.

    """

    account: str
    failures: tuple[str, ...] = ()
    trouble_since: float | None = None
    problem: str | None = None
    problem_at: float | None = None
    delay_s: float | None = None
    waiting_bytes: int = 0
    stopped: bool = False
    ended: bool = False
    vanished: bool = False

    @classmethod
    def of(
        cls,
        publisher: Publisher,
        now: float,
        *,
        problem: tuple[str, float] | None,
        stopped: bool,
        account: str | None = None,
    ) -> Self:
        """That of this process.

        Args:
            publisher: It publishes with this.
            now: Seconds since the epoch.
            problem: The last one, and when it was noticed.
            stopped: Whether the test is over.
            account: The last one, where the receipt is drawn up.

        """
        progress = publisher.progress()
        until = progress.delivered_until
        what, when = problem or (None, None)
        return cls(
            account=publisher.snapshot() if account is None else account,
            failures=tuple(progress.failures),
            trouble_since=progress.trouble_since,
            problem=what,
            problem_at=when,
            delay_s=None if until is None else max(now - until, 0.0),
            waiting_bytes=progress.waiting_bytes,
            stopped=stopped,
            ended=account is not None,
        )

    @property
    def told(self) -> dict[str, Any]:
        """As a worker tells it beside its account: plain data for msgpack."""
        return {name: value for name, value in asdict(self).items() if name not in ("account", "vanished")}

    @classmethod
    def heard(cls, account: str, told: Mapping[str, Any], age_s: float, *, vanished: bool) -> Self:
        """As a worker told it so many seconds ago; of one that vanished nobody knows the present."""
        known = {field.name for field in fields(cls)} - {"account", "vanished"}
        part = cls(account, **{name: value for name, value in told.items() if name in known}, vanished=vanished)
        if vanished:
            return replace(part, failures=(), trouble_since=None, delay_s=None)
        delay = None if part.delay_s is None else part.delay_s + age_s
        return replace(part, delay_s=delay, failures=tuple(part.failures))


@dataclass(frozen=True)
class Status:
    """What is told of a run or one of its processes.

    Attributes:
        process: The worker, or None for the whole run.
        run_id: The run; None if there is none.
        mode: When it publishes.
        health: In one word.
        problem: What is amiss or was last, since or at when, in plain words.
        observed: Requests that finished.
        delivered: Of these, those that CloudWatch has.
        waiting: Those on their way.
        lost: Those rejected or dropped.
        log_events_waiting: Log events on their way.
        log_events_lost: Those rejected or dropped.
        uncertain: Requests and log events of calls that got no answer, each time anew.
        delay_s: Between now and the newest delivered second; None before the first, and once nothing is left.
        api_calls: All that were made.
        retries: Of these, the repeated ones.
        spool_bytes: What is in the spool.
        cost_usd: So far, an estimate.
        cost_per_hour_usd: The same per hour; None at the very beginning.

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


def statuses(
    run: Run, own: Part, workers: Mapping[str, Part], now: float, *, receipt: str | None = None
) -> list[Status]:
    """That of the whole run, and those of its workers.

    Args:
        run: The run.
        own: What this process tells: the only one, or the master.
        workers: What the workers told, by their names.
        now: Seconds since the epoch.
        receipt: That of the whole run, where it is drawn up.

    """
    parts = [own, *workers.values()]
    whole = Part(
        receipt or _core.add_up([part.account for part in parts]),
        failures=tuple(dict.fromkeys(failure for part in parts for failure in part.failures)),
        trouble_since=min((part.trouble_since for part in parts if part.trouble_since is not None), default=None),
        delay_s=max((part.delay_s for part in parts if part.delay_s is not None), default=None),
        waiting_bytes=sum(part.waiting_bytes for part in parts),
        stopped=all(part.stopped or part.vanished for part in parts),
        ended=receipt is not None,
        vanished=any(part.vanished for part in parts),
        **_last_problem({"": own, **workers}),
    )
    held_back = sum(_held_back(run, json.loads(part.account)) for part in parts)
    rows = [_status(name, run, workers[name], now) for name in sorted(workers)]
    return [_status(None, run, whole, now, held_back=held_back), *rows]


def _held_back(run: Run, account: Mapping[str, Any]) -> int:
    """What waits and is not to be sent: that of a dry run, which may be one worker's alone."""
    dry_run = run.mode == "dry run" or account.get("dry_run", False)
    return account["requests"]["spooled"] + account["log_events"]["spooled"] if dry_run else 0


def off(problem: str, when: float) -> Status:
    """That of a test of which nothing is published."""
    return Status(None, None, None, "off", f"{_for_people(problem)} ({_clock(when)})")


def _for_people(text: str) -> str:
    """A message on one line, without secrets: AWS's own words are among them."""
    return without_secrets(" ".join(text.split()))


def _last_problem(parts: Mapping[str, Part]) -> dict[str, Any]:
    known = [(part.problem_at, name, part.problem) for name, part in parts.items() if part.problem_at is not None]
    if not known:
        return {}
    when, name, problem = max(known)
    return {"problem": f"{name}: {problem}" if name else problem, "problem_at": when}


def _status(process: str | None, run: Run, part: Part, now: float, *, held_back: int | None = None) -> Status:
    account = json.loads(part.account)
    held_back = _held_back(run, account) if held_back is None else held_back
    requests, log_events = account["requests"], account["log_events"]
    lost, log_events_lost = (group["rejected"] + group["dropped"] for group in (requests, log_events))
    waiting, log_events_waiting = requests["spooled"], log_events["spooled"]
    until = now if run.stopped is None else run.stopped
    shared, cost = account.get("metrics_cost_usd", 0.0), account["estimated_cost_usd"]
    left = waiting + log_events_waiting
    calls = account["api_calls"]
    return Status(
        process=process,
        run_id=run.run_id,
        mode=run.mode,
        health=_health(
            run, part, left=left, held_back=held_back, lost=lost + log_events_lost, delivered=requests["delivered"]
        ),
        problem=_problem(part),
        observed=requests["observed"],
        delivered=requests["delivered"],
        waiting=waiting,
        lost=lost,
        log_events_waiting=log_events_waiting,
        log_events_lost=log_events_lost,
        uncertain=account["uncertain"],
        delay_s=None if part.delay_s is None or (part.stopped and not left) else round(part.delay_s),
        api_calls=sum(calls.values()),
        retries=account["retries"],
        spool_bytes=part.waiting_bytes,
        cost_usd=cost,
        cost_per_hour_usd=_per_hour(shared, cost - shared, run.started, until),
    )


def _health(  # noqa: PLR0911, PLR0913 - a table
    run: Run, part: Part, *, left: int, held_back: int, lost: int, delivered: int
) -> Health:
    if part.trouble_since is not None and part.failures and not part.ended:
        return "trouble"
    if part.vanished:
        return "vanished"
    if lost:
        return "loss"
    if part.stopped or part.ended:
        if not left:
            return "complete"
        if left == held_back:
            return "recording"
        return "undelivered" if part.ended else "draining"
    if run.mode != "live" or (not delivered and 0 < left == held_back):
        return "recording"
    return "healthy" if delivered else "waiting"


def _problem(part: Part) -> str | None:
    if part.trouble_since is not None and part.failures and not part.ended:
        return f"{_for_people(part.failures[0])} (since {_clock(part.trouble_since)})"
    if part.problem is not None and part.problem_at is not None:
        return f"{_for_people(part.problem)} ({_clock(part.problem_at)})"
    return None


def _per_hour(shared: float, own: float, started: float, until: float) -> float | None:
    """Metrics cost by the clock hour with data, all else as it comes."""
    elapsed = until - started
    if elapsed < _COST_AFTER_S:
        return None
    clock_hours = until // _HOUR_S - started // _HOUR_S + 1
    return shared / clock_hours + own / (elapsed / _HOUR_S)


def _clock(when: float) -> str:
    return f"{datetime.fromtimestamp(when, UTC):%H:%M:%S} UTC"


# How it is shown.

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
"""Of the table: keys of a row, and titles. No key has an underscore, as Locust's pages rename those that have."""


def row(status: Status) -> dict[str, str | int | float | None]:
    """A row of the table: text and numbers, none of it to be read as markup."""
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
        "spool": _core.human_bytes(status.spool_bytes),
        "cost": round(status.cost_usd, 4),
        "hourly": None if status.cost_per_hour_usd is None else round(status.cost_per_hour_usd, 3),
    }
    return {
        "process": name,
        "health": status.health,
        "problem": status.problem,
        **{key: None if off_line else value for key, value in cells.items()},
    }


def records(told: Sequence[Status]) -> list[list[str | int | float | None]]:
    """The same for a spreadsheet: a line of heads, and one for each status."""
    heads: list[str | int | float | None] = [field.name for field in fields(Status)]
    return [heads, *([_cell(value) for value in asdict(status).values()] for status in told)]


def _cell(value: object) -> str | int | float | None:
    if isinstance(value, float):
        return round(value, 6)
    if value is None or isinstance(value, int):
        return value
    text = str(value)
    # What a spreadsheet would take for a formula is marked as text.
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text
