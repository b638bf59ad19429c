"""Master and workers: what a master tells its workers, and what each of them tells of what became of its samples.

Both go along with Locust's own messages.
"""

from __future__ import annotations

import argparse
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from locust_cw._core import StatusReport
from locust_cw._webui.status import ProcessStatus

if TYPE_CHECKING:
    from locust.env import Environment
    from locust.runners import WorkerNodes

logger = logging.getLogger("locust_cw")

MESSAGE = "locust_cw"
"""The type of the messages, and the key in Locust's reports: every three seconds a worker's account goes along."""

_TOLD = "cw_master_"
# Longer than two of Locust's reports take, as one may come late from a busy machine.
_VANISHED_AFTER_S = 8.0
# Locust's names of states.
_MISSING = "missing"
_BEGINNING = ("ready", "spawning")
_RUNNING = "running"
_AT_WORK = ("spawning", _RUNNING)


def is_master(environment: Environment | None) -> bool:
    """Whether an environment's runner has workers."""
    return _runner(environment) == "MasterRunner"


def is_worker(environment: Environment | None) -> bool:
    """Whether an environment's runner has a master."""
    return _runner(environment) == "WorkerRunner"


def _runner(environment: Environment | None) -> str:
    return type(getattr(environment, "runner", None)).__name__


class _NoCommandLine(argparse.Namespace):
    """Stands for a command line that there is not: whatever Locust looks for was not given."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


def has_command_line(environment: Environment | None) -> bool:
    """Whether it is one of Locust's own, and no program's."""
    options = getattr(environment, "parsed_options", None)
    return options is not None and not isinstance(options, _NoCommandLine)


def send_to_workers(environment: Environment, **told: bool | str | None) -> None:
    """Have Locust send this to the workers, with the options of the master's command line.

    Under names of its own: what the user gave there is to hold for the next test, too.
    """
    if environment.parsed_options is None:
        # Locust would send nothing at all.
        environment.parsed_options = _NoCommandLine()
    for name, value in told.items():
        setattr(environment.parsed_options, f"{_TOLD}{name}", value)


def sent_by_master(environment: Environment, name: str) -> Any:  # noqa: ANN401 - whatever was told
    """What a worker was last told by that name; None if nothing."""
    return getattr(environment.parsed_options, f"{_TOLD}{name}", None)


def opt_out(run_id: str, option: str) -> dict[str, Any]:
    """What a worker tells of a run that it keeps out of, with the option that it set itself."""
    return {"run_id": run_id, "opted_out": option}


def send_to_master(environment: Environment, message: dict[str, Any]) -> None:
    """Send a message of ours to the master. Locust's next report brings the same, so a failure does not matter."""
    with suppress(Exception):
        environment.runner.send_message(MESSAGE, message)  # type: ignore[union-attr]


def refusal(message: dict[str, Any], run_id: str) -> str | None:
    """Why the worker that tells this did not start the test of that run; None if it did, or does not say."""
    why = message.get("refusal") if message.get("run_id") == run_id else None
    return why if isinstance(why, str) else None


@dataclass
class _Worker:
    """What is known of one worker's part in a run."""

    report: StatusReport
    heard_at: float

    @property
    def age_s(self) -> float:
        return time.monotonic() - self.heard_at

    @property
    def vanished(self) -> bool:
        return not self.report.is_final and self.age_s > _VANISHED_AFTER_S

    @property
    def trouble(self) -> str | None:
        """Why its calls fail, empty where that is not known; None where they do not."""
        return None if self.report.trouble_since is None else "".join(self.report.failures[:1])

    @property
    def part(self) -> ProcessStatus:
        vanished = self.vanished
        return ProcessStatus(
            self.report.without_present() if vanished else self.report.aged(self.age_s), vanished=vanished
        )


@dataclass
class _Run:
    """What is known of the workers' parts in one run."""

    workers: dict[str, _Worker] = field(default_factory=dict)
    # Those that Locust misses; it forgets them after a minute.
    missing: set[str] = field(default_factory=set)
    # Those that were told to begin and may not have begun, and when that was seen.
    beginning: set[str] = field(default_factory=set)
    beginning_seen_at: float = 0.0
    # Those that made requests of their own, or were about to, and those that had begun, as far as Locust knows.
    at_work: set[str] = field(default_factory=set)
    begun: set[str] = field(default_factory=set)
    # Those whose account cannot be read.
    unread: set[str] = field(default_factory=set)
    # Those that keep out of it, with the option that says so.
    opted_out: dict[str, str] = field(default_factory=dict)

    @property
    def unheard(self) -> set[str]:
        """Who was told to begin shortly before the end, and has not said so."""
        return self.beginning - self.begun - self.workers.keys() - self.opted_out.keys()

    @property
    def is_complete(self) -> bool:
        """Whether every worker has given its last account, or has not been heard of for a while."""
        if self.unheard and time.monotonic() - self.beginning_seen_at <= _VANISHED_AFTER_S:
            return False
        return all(worker.report.is_final or worker.vanished for worker in self.workers.values())


class WorkerRegistry:
    """The master's book of all workers' accounts."""

    def __init__(self) -> None:
        """Nobody is known yet."""
        self._runs: dict[str, _Run] = {}
        # The run that each worker tells of at present, beside how an earlier one ended.
        self._current: dict[str, str] = {}
        self._complained: set[str] = set()

    def update(self, client_id: str, message: dict[str, Any]) -> None:
        """Take down what a worker tells; nothing after its last account, nor what cannot be read."""
        run_id = message.get("run_id") if isinstance(message, dict) else None
        if not isinstance(run_id, str):
            self._warn_unreadable(client_id)
            return
        run = self._runs.setdefault(run_id, _Run())
        if isinstance(option := message.get("opted_out"), str):
            run.opted_out[client_id] = option
            return
        try:
            report = StatusReport.from_message(message)
        except ValueError as error:
            logger.debug("Worker %s: %s", client_id, error)
            run.unread.add(client_id)
            self._warn_unreadable(client_id)
            return
        run.unread.discard(client_id)
        if not report.is_final:
            self._current[client_id] = run_id
        known = run.workers.get(client_id)
        if known is None or not known.report.is_final:
            run.workers[client_id] = _Worker(report, time.monotonic())

    def _warn_unreadable(self, client_id: str) -> None:
        if client_id not in self._complained:
            self._complained.add(client_id)
            logger.warning(
                "What worker %s tells of its results cannot be read, and is left out. Install the same version of "
                "locust-cw on all machines.",
                client_id,
            )

    def observe(self, run_id: str, clients: WorkerNodes, *, publishing: bool) -> None:
        """Note which workers Locust misses, which have yet to begin, and which work. Of none need there be an account.

        One that is slow to begin may do so when the test is over, and publish then, if the workers are `publishing`
        their own requests. One that works tells of it when it begins, unless it cannot publish.
        """
        run = self._runs.setdefault(run_id, _Run())
        for client in clients.all:
            (run.missing.add if client.state == _MISSING else run.missing.discard)(client.id)
        if publishing:
            run.beginning = {client.id for client in clients.all if client.state in _BEGINNING}
            run.beginning_seen_at = time.monotonic()
            run.at_work |= {client.id for client in clients.all if client.state in _AT_WORK}
            run.begun |= {client.id for client in clients.all if client.state == _RUNNING}

    def _run(self, run_id: str) -> _Run:
        return self._runs.get(run_id) or _Run()

    def progress(self, run_id: str) -> tuple[int, int]:
        """Samples that all workers still have to deliver, and those that are done with."""
        reports = [worker.report for worker in self._run(run_id).workers.values()]
        return sum(report.left for report in reports), sum(report.settled for report in reports)

    def parts(self, run_id: str) -> dict[str, ProcessStatus]:
        """What each worker told of its part in a run."""
        return {client_id: worker.part for client_id, worker in self._run(run_id).workers.items()}

    def troubles(self, run_id: str) -> dict[str, str | None]:
        """Why each worker's calls fail, empty where that is not known; None where they do not.

        Without those that vanished, or tell of another run by now: nobody knows the present of these.
        """
        return {
            client_id: worker.trouble
            for client_id, worker in self._run(run_id).workers.items()
            if not worker.vanished and self._current.get(client_id, run_id) == run_id
        }

    def has_opted_out(self, client_id: str, run_id: str) -> bool:
        """Whether a worker keeps out of a run."""
        return client_id in self._run(run_id).opted_out

    def is_complete(self, run_id: str) -> bool:
        """Whether every worker has given its last account, or has not been heard of for a while."""
        return self._run(run_id).is_complete

    def reports(self, run_id: str, *, publishing: bool) -> tuple[list[StatusReport], list[str], bool]:
        """All workers' reports, the remarks on them, and whether they are all there is.

        Args:
            run_id: The run, which is forgotten with this.
            publishing: Whether the workers published their own requests.

        """
        run = self._runs.pop(run_id, _Run())
        reports, remarks, complete = [], [], True
        for client_id, worker in sorted(run.workers.items()):
            report = worker.report
            reports.append(report)
            remarks += [f"{client_id}: {remark}" for remark in report.remarks]
            if not report.is_final:
                complete = False
                requests = report.receipt.requests
                settled = max(requests.observed - requests.spooled, 0)
                remarks.append(
                    f"{client_id}: vanished before its receipt came; as far as it told, {settled:,} of "
                    f"{requests.observed:,} requests were settled, and the rest may wait in its spool"
                )
        opted_out = run.opted_out.keys() - run.workers.keys() - run.unread
        remarks += [
            f"{client_id}: opted out with {run.opted_out[client_id]}: Locust counts its requests, and none of them is "
            "published"
            for client_id in sorted(opted_out)
        ]
        vanished = (run.missing | run.unheard) - run.workers.keys() - run.unread - opted_out
        remarks += [f"{client_id}: its account cannot be read, and is left out" for client_id in sorted(run.unread)]
        rest = "what it had recorded may wait in its spool" if publishing else "what it had not reported is lost"
        remarks += [f"{client_id}: vanished; {rest}" for client_id in sorted(vanished)]
        silent = run.at_work - run.workers.keys() - run.unread - opted_out - vanished
        remarks += [
            f"{client_id}: gave no account of its results; as far as is known, it published none"
            for client_id in sorted(silent)
        ]
        return reports, remarks, complete and not (opted_out or vanished or run.unread or silent)
