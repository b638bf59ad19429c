"""The record of a run: what it was and where it went, kept beside the spool for `verify` and `report`.

One JSON file per run, `<spool folder>/.records/<run id>.json`, written by the process that has the receipt.
"""

from __future__ import annotations

import json
import math
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any

from locust_cw import _core
from locust_cw._aws.account import OPTIONS
from locust_cw._aws.metric_data import LATE_S
from locust_cw._terminal.replay_command import replay_command

KEPT = 200
"""How many records are kept; the oldest go."""

_FORMS: dict[str, type | tuple[type, ...]] = {
    "run_id": str,
    "options": dict,
    "started": (int, float),
    "ramped_up": (int, float, NoneType),
    "stopped": (int, float, NoneType),
    "host": (str, NoneType),
    "targets": list,
    "dashboard": (str, NoneType),
    "receipt": dict,
    "series": list,
    "destination": dict,
    "replays": list,
}
_GROUPS = ("requests", "failures", "log_events")
_COUNTS = ("observed", "delivered", "spooled", "rejected", "dropped")
# Beyond what any number of the core's can be.
_TOO_LARGE = 2**64
_OF_REQUESTS = frozenset({"Request", "Method", "RunId"})

LOCAL_IS_GONE = (
    "The run went to a local CloudWatch (--cw-local), which ended with the test and kept nothing. For trials that last,"
    " start one yourself (BIND_HOST=127.0.0.1 GATEWAY_PORT=4566 ministack), and test with"
    " --cw-endpoint-url http://127.0.0.1:4566 --cw-region us-east-1, and any AWS_ACCESS_KEY_ID and"
    " AWS_SECRET_ACCESS_KEY."
)
_HOW_RECORDED = (
    ". A run is recorded when it ends, by the process that prints the receipt: ask on that machine, as the same user,"
    " and with --spool-dir if the test had --cw-spool-dir. One that was killed has no record"
)


class NoRecordError(LookupError):
    """There is no record of the run on this machine, or it cannot be read."""


@dataclass
class Record:
    """What is known of a run.

    Attributes:
        run_id: Its id.
        options: Those of the core that it was started with.
        started: Seconds since the epoch.
        ramped_up: When the last user was there; None if that never was.
        stopped: When the test stopped; None if that never was.
        host: The environment's host, else the one that its user classes share, where there was one.
        targets: The AWS resources under test, as `--cw-target` names them.
        dashboard: Name of its dashboard, if it has one.
        receipt: Its receipt, as `--cw-receipt` writes it.
        series: Requests and failures of each series, by its `dimensions`.
        destination: Where it published, as `Publisher.destination` says; empty if that is not known.
        replays: What replays on this machine have sent of it: `time`, `destination`, `requests` and `log_events`.

    """

    run_id: str
    options: dict[str, Any]
    started: float
    ramped_up: float | None = None
    stopped: float | None = None
    host: str | None = None
    targets: list[str] = field(default_factory=list)
    dashboard: str | None = None
    receipt: dict[str, Any] = field(default_factory=dict)
    series: list[dict[str, Any]] = field(default_factory=list)
    destination: dict[str, Any] = field(default_factory=dict)
    replays: list[dict[str, Any]] = field(default_factory=list)

    def option(self, name: str) -> Any:  # noqa: ANN401 - each option has its own type
        """The value of an option, its default included."""
        return self.options.get(name, _core.default_options().get(name))

    @property
    def roll_ups(self) -> list[dict[str, Any]]:
        """The series of whole hosts."""
        return [series for series in self.series if not _OF_REQUESTS & series["dimensions"].keys()]

    @property
    def account(self) -> dict[str, Any]:
        """The options that an `Account` takes beside the recorded destination, or instead of one."""
        names = (*OPTIONS, "local")
        if self.destination:
            names = ("role_arn", "external_id", *(("endpoint_url", "local") if self.local_url else ()))
        return {name: self.options[name] for name in names if self.options.get(name) is not None}

    @property
    def local_url(self) -> str | None:
        """The local CloudWatch that holds it; None if it is elsewhere."""
        url: str | None = self.option("endpoint_url")
        moved = self.destination and self.destination.get("cloudwatch_url") != url
        return url if self.option("local") and not moved else None

    @property
    def replay_command(self) -> str:
        """The command that sends what is left of it on this machine."""
        return replay_command(self.run_id, self.option("spool_dir"))

    @property
    def sent_elsewhere(self) -> list[dict[str, Any]]:
        """The replays that sent something to another destination than the run itself."""
        return [replay for replay in self.replays if _differs(self.destination, replay.get("destination"))]

    def add_replay(self, receipt: dict[str, Any], destination: dict[str, Any] | None, when: float) -> None:
        """Add what a replay has sent of the run, so that the receipt covers all of it."""
        if not any(receipt[group][fate] for group in _GROUPS for fate in ("delivered", "rejected", "dropped")):
            return
        nothing_sent = not any(self.receipt[group]["delivered"] for group in ("requests", "log_events"))
        if destination and nothing_sent and not self.replays:
            # All of it is where the replay sent it.
            self.destination = destination
        for group in _GROUPS:
            own, replayed = self.receipt[group], receipt[group]
            settled = {fate: replayed[fate] for fate in ("delivered", "rejected", "dropped")}
            left = sum(settled.values())
            # What was rejected is sent again where its files were put back.
            for fate in ("spooled", "rejected"):
                taken = min(own[fate], left)
                own[fate] -= taken
                left -= taken
            # The spool of a process that was killed may hold what its master's receipt knows nothing of.
            own["observed"] += left
            for fate, number in settled.items():
                own[fate] += number
        for key in ("retries", "uncertain", "bytes_sent"):
            self.receipt[key] = self.receipt.get(key, 0) + receipt[key]
        self.receipt["estimated_cost_usd"] = self.receipt.get("estimated_cost_usd", 0.0) + receipt["estimated_cost_usd"]
        calls = self.receipt.setdefault("api_calls", {})
        for operation, number in receipt["api_calls"].items():
            calls[operation] = calls.get(operation, 0) + number
        sent = {group: receipt[group]["delivered"] for group in ("requests", "log_events")}
        self.replays.append({"time": when, "destination": destination or {}, **sent})

    def write(self) -> None:
        """Write it, for its owner alone, and remove the oldest records.

        Raises:
            OSError: If the folder cannot be written.

        """
        folder = _folder(self.option("spool_dir"))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path, half = folder / f"{self.run_id}.json", folder / f"{self.run_id}.json.part"
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(self), file, indent=2)
        half.replace(path)
        for old in _by_age(folder)[:-KEPT]:
            old.unlink(missing_ok=True)

    @classmethod
    def read(cls, run_id: str, spool_dir: str | None = None) -> Record:
        """Read the record of a run.

        Raises:
            NoRecordError: If there is none on this machine, or it cannot be read.

        """
        path = _folder(spool_dir) / f"{run_id}.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            # Half a character, such as \ud800, is JSON, but no text.
            json.dumps(content, ensure_ascii=False).encode()
            record = cls(**content)
        except FileNotFoundError:
            raise NoRecordError(f"there is no record of a run {run_id} in {path.parent}{_HOW_RECORDED}") from None
        except (OSError, ValueError, TypeError) as error:
            raise NoRecordError(f"the record {path} cannot be read: {error}") from error
        if wrong := _what_is_wrong(record):
            raise NoRecordError(f"the record {path} cannot be read: {wrong}")
        # Its neighbours and what is left of it are where it was found, wherever that was when it was written.
        record.options["spool_dir"] = absolute(spool_dir)
        return record


def _what_is_wrong(record: Record) -> str | None:
    """What in a record is not what is written there, if anything is."""
    for name, form in _FORMS.items():
        if not isinstance(getattr(record, name), form):
            return f"{name} is something else"
    times = {name: getattr(record, name) for name in ("started", "ramped_up", "stopped")}
    good = {name: when is None or 0 <= when < _core.DATES_END for name, when in times.items()} | {
        "targets": all(isinstance(target, str) for target in record.targets),
        "receipt": not record.receipt or _is_receipt(record.receipt),
        "series": all(map(_is_series, record.series)),
        "destination": all(value is None or isinstance(value, str) for value in record.destination.values()),
        "replays": all(isinstance(replay, dict) for replay in record.replays),
    }
    if wrong := [name for name, is_good in good.items() if not is_good]:
        return f"{wrong[0]} is something else"
    known = _core.default_options().keys() & record.options.keys()
    try:
        _core.check_options({name: record.options[name] for name in known} | {"run_id": record.run_id})
    except _core.InvalidOptionError as error:
        return str(error)
    return None


_DESTINATION_KEYS = ("account_id", "region", "cloudwatch_url", "logs_url")


def _differs(one: dict[str, Any], other: Any) -> bool:  # noqa: ANN401 - as it was read
    """Whether two destinations differ, as far as both are known."""
    if not isinstance(other, dict):
        return False
    known = ((one.get(name), other.get(name)) for name in _DESTINATION_KEYS)
    return any(here != there for here, there in known if here and there)


def _is_receipt(receipt: dict[str, Any]) -> bool:
    groups = [receipt.get(name) for name in _GROUPS]
    cost = receipt.get("estimated_cost_usd", 0)
    return (
        all(isinstance(each, dict) and all(_is_count(each.get(key)) for key in _COUNTS) for each in groups)
        and _is_count(receipt.get("uncertain"))
        and isinstance(cost, int | float)
        and abs(cost) < _TOO_LARGE
    )


def _is_series(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("dimensions"), dict)
        and all(isinstance(text, str) for text in entry["dimensions"].values())
        # Whatever else it is made of, the series of a whole host has that.
        and bool(entry["dimensions"].keys() & {"Host", *_OF_REQUESTS})
        and all(_is_count(entry.get(key)) for key in ("requests", "failures"))
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < _TOO_LARGE


def span_of(record: Record, others: list[Record]) -> tuple[int, int]:
    """The seconds in which a run's requests ended, from one to before the other.

    A later run that publishes to the same series begins where that one begins; both are in the second in which this one
    ended and that one began.
    """
    start, stop = math.floor(record.started), math.ceil(record.stopped or time.time()) + LATE_S
    following = [math.floor(other.started) for other in others if other.started > (record.stopped or record.started)]
    return start, max(start + 1, math.ceil(record.stopped or record.started), min([stop, *following]))


def _dimensions(record: Record) -> set[frozenset[tuple[str, str]]]:
    """Those of its series."""
    return {frozenset(series["dimensions"].items()) for series in record.series}


def neighbours(record: Record) -> list[Record]:
    """Other runs on this machine that publish to the same series."""
    found, spool_dir, own = [], record.option("spool_dir"), _dimensions(record)
    for run_id in known_runs(spool_dir):
        try:
            other = Record.read(run_id, spool_dir)
        except NoRecordError:
            continue
        same = other.option("namespace") == record.option("namespace") and not other.option("dry_run")
        if other.run_id != record.run_id and same and not own.isdisjoint(_dimensions(other)):
            found.append(other)
    return found


def newest(spool_dir: str | None = None) -> str:
    """The id of the run recorded last.

    Raises:
        NoRecordError: If there is none on this machine.

    """
    known = known_runs(spool_dir)
    if not known:
        raise NoRecordError(f"there is no record of any run in {_folder(spool_dir)}{_HOW_RECORDED}")
    return known[-1]


def was_published(run_id: str, spool_dir: str | None = None) -> bool:
    """Whether there was a run of this id before that went to AWS, as far as is known on this machine."""
    try:
        record = Record.read(run_id, spool_dir)
    except NoRecordError:
        return False
    return not record.option("dry_run") and record.local_url is None


def known_runs(spool_dir: str | None = None) -> list[str]:
    """The ids of all runs recorded on this machine, the newest last."""
    return [path.stem for path in _by_age(_folder(spool_dir))]


def _by_age(folder: Path) -> list[Path]:
    found: list[tuple[float, Path]] = []
    for path in folder.glob("*.json"):
        # Another process may just have removed it, as one of the oldest.
        with suppress(OSError):
            found.append((path.stat().st_mtime, path))
    return [path for _, path in sorted(found)]


def absolute(spool_dir: str | None) -> str | None:
    """The same folder, wherever one is when it is looked for."""
    return None if spool_dir is None else str(Path(spool_dir).absolute())


def _folder(spool_dir: str | None) -> Path:
    return Path(_core.spool_root(spool_dir), ".records")
