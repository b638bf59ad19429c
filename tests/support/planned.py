"""Processes that ran `planned.py`: what they did, and the values of measures that follow from it, computed here."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from support.cloudwatch import nearest_rank
from support.fleet import Journal, journals
from support.in_process import run as command
from support.locust_run import LocustRun
from support.servers import wait_until

HOST = "http://planned.test"


def plan(*phases: dict[str, Any]) -> dict[str, str]:
    """The environment of processes with this plan."""
    return {"PLAN": json.dumps(phases)}


@dataclass(frozen=True)
class Fired:
    """A request: when it was fired at the earliest and at the latest, and what it was."""

    begun: float
    at: float
    method: str
    name: str
    ms: float
    failed: bool


class Load:
    """The requests of some processes."""

    def __init__(self, requests: Iterable[Fired]) -> None:
        self.requests = list(requests)

    @classmethod
    def planned(cls, users: int, *requests: list[Any]) -> Load:
        """What users fire in a phase that they go through once."""
        found = []
        for method, name, times, number, failed in requests:
            first, last = times if isinstance(times, list) else (times, times)
            for ms in range(first, last + 1):
                found += [Fired(0, 0, method, name.replace("{}", str(index)), ms, failed) for index in range(number)]
        return cls(found * users)

    @classmethod
    def of(cls, *processes: Journal) -> Load:
        return cls(Fired(at=line.at, **line.fields) for journal in processes for line in journal.of("fired"))

    def where(self, condition: Callable[[Fired], bool]) -> Load:
        return Load(request for request in self.requests if condition(request))

    @property
    def counts(self) -> Counter[tuple[str, str, float, bool]]:
        """How many requests there are of each."""
        return Counter((each.method, each.name, each.ms, each.failed) for each in self.requests)

    def named(self, text: str) -> Load:
        """Those with this name, or with this method and name."""
        return self.where(lambda each: text in (each.name, f"{each.method} {each.name}"))

    def __len__(self) -> int:
        return len(self.requests)

    @cached_property
    def times(self) -> Counter[float]:
        """The response times of successful requests."""
        return Counter(each.ms for each in self.requests if not each.failed)

    @property
    def successes(self) -> int:
        return self.times.total()

    @property
    def failures(self) -> int:
        return sum(each.failed for each in self.requests)

    @property
    def mean(self) -> float:
        return sum(ms * number for ms, number in self.times.items()) / self.successes

    def percentile(self, percent: float) -> float:
        return nearest_rank(self.times, percent)


class Planned:
    """The processes of a test."""

    def __init__(self, *runs: LocustRun) -> None:
        self.runs = runs

    def wait_for(self, what: str, number: int) -> None:
        """Return when there are so many such lines in the journals."""
        wait_until(lambda: self.count(what) >= number, f"{number} times {what}")

    def count(self, what: str) -> int:
        return sum(journal.count(what) for journal in self.journals)

    @property
    def journals(self) -> list[Journal]:
        return journals(self.runs)

    @property
    def head(self) -> Journal:
        """The process that starts and stops the test: the master, or the only one."""
        (head,) = [each for each in self.journals if not each.of("role")[0].fields["is_worker"]]
        return head

    @property
    def load(self) -> Load:
        return Load.of(*self.journals)

    @property
    def started(self) -> tuple[float, float]:
        """When the last test started, at the earliest and at the latest."""
        return self.head.of("starting")[-1].at, self.head.of("started")[-1].at

    @property
    def ended(self) -> tuple[float, float]:
        """When Locust began to stop the users of the last test, at the earliest and at the latest.

        A master may fire `test_stopping` again when its last worker quits.
        """
        started, _ = self.started
        return self.head.of("ending", since=started)[0].at, self.head.of("ended", since=started)[0].at

    def measured(self, load: Load, start: float = 0) -> tuple[Load, Load]:
        """The requests of a load that are measured for certain, and those that may be.

        These are the requests that end in the seconds from `start` to the one in which Locust begins to stop its users.
        """
        first, last = (int(end) for end in self.ended)
        certain = load.where(lambda each: start <= each.begun and int(each.at) <= first)
        return certain, load.where(lambda each: start <= each.at and int(each.begun) <= last)

    @property
    def seconds(self) -> tuple[float, float]:
        """How long the test took, at least and at most."""
        return self.ended[0] - self.started[1], self.ended[1] - self.started[0]

    @property
    def most_memory(self) -> float:
        """The most memory that a process has used, in bytes, as far as it has noted its usage."""
        lines = [line for each in self.journals for what in ("started", "usage", "ended") for line in each.of(what)]
        return max(float(line.fields["memory_bytes"]) for line in lines)

    def lateness(self, begin: float, end: float) -> float:
        """For how long a process had no turn at most in a period, as the machine was busy."""
        late = [line for each in self.journals for line in each.of("late", since=begin)]
        return max([0.0, *(line.at - float(line.fields["since"]) for line in late if line.fields["since"] < end)])


def record_of(run: LocustRun) -> dict[str, Any]:
    """The record of the only test of a process."""
    (path,) = (run.folder / "state" / "locust-cw" / ".records").glob("*.json")
    record: dict[str, Any] = json.loads(path.read_text())
    return record


@dataclass(frozen=True)
class Expected:
    """The expected result of a check: its verdict, and the lowest and the highest measured value, or its reason."""

    expression: str
    verdict: str
    measured: tuple[float, float] | str

    def check(self, result: dict[str, Any]) -> None:
        assert (result["expression"], result["verdict"]) == (self.expression, self.verdict), result
        if isinstance(self.measured, str):
            assert result["measured"] is None
            assert self.measured in result["reason"], result
        else:
            lowest, highest = self.measured
            tolerance = result["measured"] * 1e-9
            assert lowest - tolerance <= result["measured"] <= highest + tolerance, (self, result)


def undecided(expression: str, reason: str) -> Expected:
    return Expected(expression, "undecided", reason)


def exact(value: float) -> tuple[float, float]:
    return value, value


ALL_OPERATORS = "< <= > >= =="
OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
    "==": lambda value, limit: value == limit,
}


def around(
    measure: str, limits: Sequence[float], unit: str, value: tuple[float, float], operators: str
) -> list[Expected]:
    """Checks that compare a measure with each limit, and their verdicts."""
    found = []
    for limit in limits:
        for operator in operators.split():
            verdicts = {OPERATORS[operator](bound, limit) for bound in value}
            assert len(verdicts) == 1, f"the verdict of {measure} {operator} {limit} is not known"
            verdict = "passed" if verdicts.pop() else "failed"
            found.append(Expected(f"{measure} {operator} {limit:.15g}{unit}", verdict, value))
    return found


def judge_around(run: LocustRun, measure: str, value: float, unit: str) -> None:
    """Judge a run again, with limits just below and just above a value that was not known before the test."""
    limits = [round(math.floor(value * 1e5) / 1e5 - 1e-5, 5), round(math.ceil(value * 1e5) / 1e5 + 1e-5, 5)]
    expected = around(measure, limits, unit, exact(value), ALL_OPERATORS)
    expressions = [each.expression for each in expected]
    answer = json.loads(command(run.folder, "check", run.receipt["run_id"], *expressions, "--json", code=3))
    for each, result in zip(expected, answer["checks"], strict=True):
        each.check(result)


def rounded(ms: float) -> float:
    """A response time as Locust's workers report it."""
    digits = 0 if ms < 100 else 1 - math.floor(math.log10(ms))
    return round(ms, digits)
