"""Master and workers: each worker tells the master, with Locust's own messages, what became of its samples."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from types import NoneType
from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._status import DATES_END, Part

if TYPE_CHECKING:
    from locust.env import Environment
    from locust.runners import WorkerNodes

    from locust_cw._core import Publisher, Receipt

logger = logging.getLogger("locust_cw")

MESSAGE = "locust_cw"
"""The type of the messages, and the key in Locust's reports: every three seconds a worker's account goes along."""

_VANISHED_AFTER_S = 5.0
# Locust's names of states.
_MISSING = "missing"
_BEGINNING = ("ready", "spawning")


def is_master(environment: Environment | None) -> bool:
    """Whether an environment's runner has workers."""
    return _runner(environment) == "MasterRunner"


def is_worker(environment: Environment | None) -> bool:
    """Whether an environment's runner has a master."""
    return _runner(environment) == "WorkerRunner"


def _runner(environment: Environment | None) -> str:
    return type(getattr(environment, "runner", None)).__name__


def account(publisher: Publisher, part: Part, receipt: Receipt | None = None) -> dict[str, Any]:
    """What a worker tells of a run: its account so far, or, with its receipt, the last one.

    Args:
        publisher: It publishes with this.
        part: Its part in the run, with the account.
        receipt: Its receipt, once there is one.

    Returns:
        Plain data for msgpack.

    """
    progress = publisher.progress()
    return {
        "run_id": publisher.run_id,
        "receipt": part.account,
        "remarks": [] if receipt is None else receipt.remarks,
        "final": receipt is not None,
        "left": progress.left,
        "settled": progress.settled,
        "status": part.told,
    }


_FORMS: dict[str, type] = {"receipt": str, "remarks": list, "final": bool, "left": int, "settled": int}
_SECONDS = ("trouble_since", "problem_at", "delay_s")
_MAX_BYTES = 2**50  # more than any spool holds
_STATUS_FORMS: dict[str, type | tuple[type, ...]] = {
    "failures": (list, tuple),
    "trouble_since": (int, float, NoneType),
    "problem": (str, NoneType),
    "problem_at": (int, float, NoneType),
    "delay_s": (int, float, NoneType),
    "waiting_bytes": int,
    "stopped": bool,
    "ended": bool,
}


def _is_readable(message: dict[str, Any]) -> bool:
    """Whether a message is what `account` makes: a worker may have another version of locust-cw."""
    status = message.get("status") or {}
    if not (
        isinstance(status, dict)
        and all(isinstance(message.get(key), form) for key, form in _FORMS.items())
        and all(isinstance(status[key], form) for key, form in _STATUS_FORMS.items() if key in status)
        and all(isinstance(text, str) for text in (*message["remarks"], *status.get("failures", ())))
        and all(0 <= status[key] < DATES_END for key in _SECONDS if status.get(key) is not None)
        and 0 <= status.get("waiting_bytes", 0) < _MAX_BYTES
    ):
        return False
    try:
        _core.add_up([message["receipt"]])
    except ValueError:
        return False
    # The core takes lists for objects, too.
    receipt = json.loads(message["receipt"])
    return isinstance(receipt, dict) and isinstance(receipt["requests"], dict)


@dataclass
class _Worker:
    """What is known of one worker's part in a run."""

    account: dict[str, Any]
    heard_at: float

    @property
    def age_s(self) -> float:
        return time.monotonic() - self.heard_at

    @property
    def vanished(self) -> bool:
        return not self.account["final"] and self.age_s > _VANISHED_AFTER_S

    @property
    def trouble(self) -> str | None:
        """Why its calls fail, empty where that is not known; None where they do not."""
        told = self.account.get("status") or {}
        return None if told.get("trouble_since") is None else "".join(told.get("failures", ())[:1])

    @property
    def part(self) -> Part:
        told = self.account.get("status") or {}
        return Part.heard(self.account["receipt"], told, self.age_s, vanished=self.vanished)


class Fleet:
    """The master's book of all workers' accounts."""

    def __init__(self) -> None:
        """Nobody is known yet."""
        self._runs: dict[str, dict[str, _Worker]] = {}
        # The run that each worker tells of at present, beside how an earlier one ended.
        self._current: dict[str, str] = {}
        self._missing: dict[str, set[str]] = {}
        # Who was told to begin, and when that was seen.
        self._beginning: dict[str, tuple[set[str], float]] = {}
        self._unread: dict[str, set[str]] = {}
        self._complained: set[str] = set()

    def hear(self, client_id: str, message: dict[str, Any]) -> None:
        """Take down what a worker tells; nothing after its last account, nor what cannot be read."""
        run_id = message.get("run_id") if isinstance(message, dict) else None
        if not isinstance(run_id, str):
            self._complain(client_id)
            return
        if not _is_readable(message):
            self._unread.setdefault(run_id, set()).add(client_id)
            self._complain(client_id)
            return
        self._unread.get(run_id, set()).discard(client_id)
        workers = self._runs.setdefault(run_id, {})
        known = workers.get(client_id)
        if not message["final"]:
            self._current[client_id] = run_id
        if known is None or not known.account["final"]:
            workers[client_id] = _Worker(message, time.monotonic())

    def _complain(self, client_id: str) -> None:
        if client_id not in self._complained:
            self._complained.add(client_id)
            logger.warning(
                "What worker %s tells of its results cannot be read, and is left out. Install the same version of "
                "locust-cw on all machines.",
                client_id,
            )

    def look_at(self, run_id: str, clients: WorkerNodes, *, publishing: bool) -> None:
        """Note which workers Locust misses, and which have yet to begin. There may be no account of either.

        It forgets those that it misses after a minute. One that is slow to begin may do so when the test is over, and
        publish then, if the workers are `publishing` their own requests.
        """
        missing = self._missing.setdefault(run_id, set())
        for client in clients.all:
            (missing.add if client.state == _MISSING else missing.discard)(client.id)
        if publishing:
            beginning = {client.id for client in clients.all if client.state in _BEGINNING}
            self._beginning[run_id] = beginning, time.monotonic()

    def _unheard(self, run_id: str) -> set[str]:
        """Who was told to begin shortly before the end, and has not said so."""
        beginning, _ = self._beginning.get(run_id, (set(), 0.0))
        return beginning - self._runs.get(run_id, {}).keys()

    def progress(self, run_id: str) -> tuple[int, int]:
        """Samples that all workers still have to deliver, and those that are done with."""
        accounts = [worker.account for worker in self._runs.get(run_id, {}).values()]
        return sum(told["left"] for told in accounts), sum(told["settled"] for told in accounts)

    def parts(self, run_id: str) -> dict[str, Part]:
        """What each worker told of its part in a run."""
        return {client_id: worker.part for client_id, worker in self._runs.get(run_id, {}).items()}

    def troubles(self, run_id: str) -> dict[str, str | None]:
        """Why each worker's calls fail, empty where that is not known; None where they do not.

        Without those that vanished, or tell of another run by now: nobody knows the present of these.
        """
        return {
            client_id: worker.trouble
            for client_id, worker in self._runs.get(run_id, {}).items()
            if not worker.vanished and self._current.get(client_id, run_id) == run_id
        }

    def is_complete(self, run_id: str) -> bool:
        """Whether every worker has given its last account, or has not been heard of for a while."""
        _, seen_at = self._beginning.get(run_id, (set(), 0.0))
        if self._unheard(run_id) and time.monotonic() - seen_at <= _VANISHED_AFTER_S:
            return False
        return all(worker.account["final"] or worker.vanished for worker in self._runs.get(run_id, {}).values())

    def receipts(self, run_id: str, *, publishing: bool) -> tuple[list[str], list[str], bool]:
        """All workers' receipts, as they told them, the remarks on them, and whether they are all there is.

        Args:
            run_id: The run, which is forgotten with this.
            publishing: Whether the workers published their own requests.

        """
        receipts, remarks, complete = [], [], True
        missing = self._missing.pop(run_id, set()) | self._unheard(run_id)
        self._beginning.pop(run_id, None)
        unread = self._unread.pop(run_id, set())
        for client_id, worker in sorted(self._runs.pop(run_id, {}).items()):
            told = worker.account
            receipts.append(told["receipt"])
            remarks += [f"{client_id}: {remark}" for remark in told["remarks"]]
            if not told["final"]:
                complete = False
                requests = json.loads(told["receipt"])["requests"]
                settled = max(requests["observed"] - requests["spooled"], 0)
                remarks.append(
                    f"{client_id}: vanished before its receipt came; as far as it told, {settled:,} of "
                    f"{requests['observed']:,} requests were settled, and the rest may wait in its spool"
                )
            missing.discard(client_id)
        missing -= unread
        remarks += [f"{client_id}: its account cannot be read, and is left out" for client_id in sorted(unread)]
        rest = "what it had recorded may wait in its spool" if publishing else "what it had not reported is lost"
        remarks += [f"{client_id}: vanished; {rest}" for client_id in sorted(missing)]
        return receipts, remarks, complete and not missing and not unread
