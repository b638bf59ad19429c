"""The record of a run: its options, times, destination and receipt, stored next to the spool for `verify` and `report`.

Each run has one JSON file, `<spool folder>/.records/<run ID>.json`. The process that makes the receipt writes it.
"""

from __future__ import annotations

import json
import math
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any

from locust_cw import _core
from locust_cw._aws.account import OPTIONS
from locust_cw._aws.metric_data import LATE_S
from locust_cw._checks.results import recorded_results
from locust_cw._terminal.replay_command import replay_command

KEPT = 200
"""Most records in a folder. The oldest ones are deleted."""

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
    "summary": dict,
}
_GROUPS = ("requests", "failures", "log_events")
_COUNTS = ("observed", "delivered", "spooled", "rejected", "dropped")
# The core counts with 64 bits.
_TOO_LARGE = 2**64
_REQUEST_DIMENSIONS = frozenset({"Request", "Method", "RunId"})

LOCAL_IS_GONE = (
    "The run was published to a local CloudWatch (--cw-local), which stopped with the test and kept no data. To keep"
    " the data, start one yourself (BIND_HOST=127.0.0.1 GATEWAY_PORT=4566 ministack), and test with"
    " --cw-endpoint-url http://127.0.0.1:4566 --cw-region us-east-1, and any AWS_ACCESS_KEY_ID and"
    " AWS_SECRET_ACCESS_KEY."
)
_HOW_RECORDED = (
    ". A run is recorded when it ends, by the process that makes its receipt: run this command on that machine, as the"
    " same user, and with --spool-dir if the test had --cw-spool-dir. A run that was killed has no record"
)


class NoRecordError(LookupError):
    """This machine has no record of the run, or cannot read it."""


@dataclass
class Record:
    """The record of a run.

    Attributes:
        run_id: The run ID.
        options: The options of the core that the run was started with.
        started: The start, in seconds since the epoch.
        ramped_up: The time at which all users were spawned; None if that did not happen.
        stopped: The stop; None if the test did not stop.
        host: The environment's host, or else the host that its user classes share; None without one.
        targets: The AWS resources under test, in the form of `--cw-target`.
        dashboard: The name of the run's dashboard; None without one.
        receipt: The receipt, as `--cw-receipt` writes it.
        series: `requests` and `failures` of each series, with its `dimensions`.
        destination: The destination, as `destination` of the core's `Publisher` returns it; empty if it is unknown.
        replays: What replays on this machine have sent of the run: `time`, `destination`, `requests`, `log_events`.
        summary: The totals and distributions of the requests, as `_core.Summary.to_json` returns them; empty if the
            record has none.

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
    summary: dict[str, Any] = field(default_factory=dict)

    def option(self, name: str) -> Any:  # noqa: ANN401 - each option has its own type
        """The value of an option, or its default."""
        return self.options.get(name, _core.default_options().get(name))

    @property
    def roll_ups(self) -> list[dict[str, Any]]:
        """The series of whole hosts."""
        return [series for series in self.series if not _REQUEST_DIMENSIONS & series["dimensions"].keys()]

    @property
    def account(self) -> dict[str, Any]:
        """The options that an `Account` needs in addition to the recorded destination, or without one."""
        names = (*OPTIONS, "local")
        if self.destination:
            names = ("role_arn", "external_id", *(("endpoint_url", "local") if self.local_url else ()))
        return {name: self.options[name] for name in names if self.options.get(name) is not None}

    @property
    def local_url(self) -> str | None:
        """The URL of the local CloudWatch that the run was published to; None for any other destination."""
        url: str | None = self.option("endpoint_url")
        is_elsewhere = self.destination and self.destination.get("cloudwatch_url") != url
        return url if self.option("local") and not is_elsewhere else None

    @property
    def replay_command(self) -> str:
        """The command that sends the undelivered data of the run from this machine."""
        return replay_command(self.run_id, self.option("spool_dir"))

    @property
    def sent_elsewhere(self) -> list[dict[str, Any]]:
        """The replays that sent data to another destination than that of the run."""
        return [replay for replay in self.replays if differ(self.destination, replay.get("destination"))]

    def add_replay(self, receipt: dict[str, Any], destination: dict[str, Any] | None, when: float) -> None:
        """Add what a replay has sent of the run to its receipt."""
        if not any(receipt[group][fate] for group in _GROUPS for fate in ("delivered", "rejected", "dropped")):
            return
        nothing_sent = not any(self.receipt[group]["delivered"] for group in ("requests", "log_events"))
        if destination and nothing_sent and not self.replays:
            # All delivered data of the run is there.
            self.destination = destination
        for group in _GROUPS:
            own, replayed = self.receipt[group], receipt[group]
            settled = {fate: replayed[fate] for fate in ("delivered", "rejected", "dropped")}
            left = sum(settled.values())
            # A user can move files from the folder `rejected` back to the spool, to send them again.
            for fate in ("spooled", "rejected"):
                taken = min(own[fate], left)
                own[fate] -= taken
                left -= taken
            # The spool of a killed process may contain data that its master's receipt does not count.
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
        """Write the record, readable only by the user, and delete the oldest records.

        Raises:
            OSError: If the folder cannot be written.

        """
        folder = records_folder(self.option("spool_dir"))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path, part = folder / f"{self.run_id}.json", folder / f"{self.run_id}.json.part"
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            # In one call and without indentation: that is fast, and a summary can have megabytes.
            file.write(json.dumps(vars(self)))
        part.replace(path)
        for old in _by_age(folder)[:-KEPT]:
            old.unlink(missing_ok=True)

    @classmethod
    def read(cls, run_id: str, spool_dir: str | None = None) -> Record:
        """Read the record of a run.

        Raises:
            NoRecordError: If this machine has none, or it cannot be read.

        """
        path = records_folder(spool_dir) / f"{run_id}.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            # JSON can contain half a character, such as \ud800, which cannot be encoded.
            json.dumps(content, ensure_ascii=False).encode()
            record = cls(**content)
        except FileNotFoundError:
            raise NoRecordError(f"there is no record of a run {run_id} in {path.parent}{_HOW_RECORDED}") from None
        except (OSError, ValueError, TypeError) as error:
            raise NoRecordError(f"the record {path} cannot be read: {error}") from error
        if problem := _problem_of(record):
            raise NoRecordError(f"the record {path} cannot be read: {problem}")
        # The folder may have been moved since, together with the other records and the spools.
        record.options["spool_dir"] = absolute(spool_dir)
        return record


def _problem_of(record: Record) -> str | None:
    """Why a file is not a valid record; None if it is one."""
    for name, form in _FORMS.items():
        if not isinstance(getattr(record, name), form):
            return f"{name} has an invalid value"
    times = {name: getattr(record, name) for name in ("started", "ramped_up", "stopped")}
    valid = {name: when is None or 0 <= when < _core.DATES_END for name, when in times.items()} | {
        "targets": all(isinstance(target, str) for target in record.targets),
        "receipt": not record.receipt or _is_receipt(record.receipt),
        "series": all(map(_is_series, record.series)),
        "destination": all(value is None or isinstance(value, str) for value in record.destination.values()),
        "replays": all(isinstance(replay, dict) for replay in record.replays),
    }
    if invalid := [name for name, is_valid in valid.items() if not is_valid]:
        return f"{invalid[0]} has an invalid value"
    known = _core.default_options().keys() & record.options.keys()
    try:
        _core.check_options({name: record.options[name] for name in known} | {"run_id": record.run_id})
    except _core.InvalidOptionError as error:
        return str(error)
    return None


_DESTINATION_KEYS = ("account_id", "region", "cloudwatch_url", "logs_url")


def differ(one: dict[str, Any], other: Any) -> bool:  # noqa: ANN401 - as it was read
    """Whether two destinations differ, as far as both are known."""
    if not isinstance(other, dict):
        return False
    pairs = ((one.get(name), other.get(name)) for name in _DESTINATION_KEYS)
    return any(first != second for first, second in pairs if first and second)


def _is_receipt(receipt: dict[str, Any]) -> bool:
    groups = [receipt.get(name) for name in _GROUPS]
    cost = receipt.get("estimated_cost_usd", 0)
    return (
        all(isinstance(each, dict) and all(_is_count(each.get(key)) for key in _COUNTS) for each in groups)
        and _is_count(receipt.get("uncertain"))
        and isinstance(cost, int | float)
        and abs(cost) < _TOO_LARGE
        and _are_check_results(receipt.get("checks", []))
    )


def _are_check_results(entries: object) -> bool:
    if not isinstance(entries, list):
        return False
    try:
        recorded_results(entries)
    except ValueError:
        return False
    return True


def _is_series(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("dimensions"), dict)
        and all(isinstance(text, str) for text in entry["dimensions"].values())
        # Each series has one of these, the roll-up of a host included.
        and bool(entry["dimensions"].keys() & {"Host", *_REQUEST_DIMENSIONS})
        and all(_is_count(entry.get(key)) for key in ("requests", "failures"))
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < _TOO_LARGE


def span_of(record: Record, others: list[Record]) -> tuple[int, int]:
    """The first second in which requests of a run can have ended, and the second after the last one.

    The span ends where a later run of the same series starts. The second in which one stops and the other starts counts
    for both.
    """
    start, stop = math.floor(record.started), math.ceil(record.stopped or time.time()) + LATE_S
    following = [math.floor(other.started) for other in others if other.started > (record.stopped or record.started)]
    return start, max(start + 1, math.ceil(record.stopped or record.started), min([stop, *following]))


def _dimensions(record: Record) -> set[frozenset[tuple[str, str]]]:
    """The dimensions of each series."""
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
    """The ID of the newest run.

    Raises:
        NoRecordError: If this machine has no record.

    """
    known = known_runs(spool_dir)
    if not known:
        raise NoRecordError(f"there is no record of any run in {records_folder(spool_dir)}{_HOW_RECORDED}")
    return known[-1]


def was_published(run_id: str, spool_dir: str | None = None) -> bool:
    """Whether this machine has a record of an earlier run with this ID that was published to AWS."""
    try:
        record = Record.read(run_id, spool_dir)
    except NoRecordError:
        return False
    return not record.option("dry_run") and record.local_url is None


def known_runs(spool_dir: str | None = None) -> list[str]:
    """The IDs of all runs that this machine has recorded, the newest last."""
    return [path.stem for path in _by_age(records_folder(spool_dir))]


def _by_age(folder: Path) -> list[Path]:
    found: list[tuple[float, Path]] = []
    for path in folder.glob("*.json"):
        # Another process may delete it as one of the oldest.
        with suppress(OSError):
            found.append((path.stat().st_mtime, path))
    return [path for _, path in sorted(found)]


def absolute(spool_dir: str | None) -> str | None:
    """The absolute path of a spool folder, for a process with another working directory."""
    return None if spool_dir is None else str(Path(spool_dir).absolute())


def records_folder(spool_dir: str | None) -> Path:
    """The folder of the records."""
    return Path(_core.spool_root(spool_dir), ".records")
