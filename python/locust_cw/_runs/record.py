"""The record of a run: its options, times, destination, receipt and summary, for the commands that read past runs.

Each run has one JSON file, `<spool folder>/.records/<run ID>.json`. The process that makes the receipt writes it. The
first line has everything but the summary, which can have megabytes and which most readers do not need. Log events with
the same text make the run known to other machines (`shared_records`).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, fields
from typing import Any

from locust_cw import _core
from locust_cw._aws.account import OPTIONS
from locust_cw._runs.folder import absolute, delete_oldest, records_folder
from locust_cw._runs.public_url import public_url
from locust_cw._runs.validity import GROUPS, REQUEST_DIMENSIONS, problem_of
from locust_cw._terminal.replay_command import replay_command

FORMAT = 2
"""The version of the format. A reader accepts older ones, and ignores unknown fields of newer ones."""

STALE_S = 180.0
"""A run that did not stop was killed if its record is older. Records are updated each minute."""

_SUMMARY_KEY = ',\n"summary": '

LOCAL_IS_GONE = (
    "The run was published to a local CloudWatch (--cw-local), which stopped with the test and kept no data. To keep"
    " the data, start one yourself (BIND_HOST=127.0.0.1 GATEWAY_PORT=4566 ministack), and test with"
    " --cw-endpoint-url http://127.0.0.1:4566 --cw-region us-east-1, and any AWS_ACCESS_KEY_ID and"
    " AWS_SECRET_ACCESS_KEY."
)
HOW_RECORDED = (
    ". The process that prints the receipt records a run: run this command on that machine, as the same user, and with"
    " --spool-dir if the test had --cw-spool-dir"
)


class NoRecordError(LookupError):
    """There is no record of the run, or it cannot be read."""


@dataclass
class Record:
    """The record of a run.

    Attributes:
        run_id: The run ID.
        options: The options of the core that the run was started with.
        started: The start, in seconds since the epoch.
        ramped_up: The time at which all users were spawned; None if that did not happen.
        stopped: The stop; None if the test did not stop.
        updated: The last update of the record, in seconds since the epoch; None if an older version wrote it.
        host: The environment's host, or else the host that its user classes share; None without one.
        targets: The AWS resources under test, in the form of `--cw-target`.
        checks: The checks, in the form of `--cw-check`. The receipt has their results.
        tags: The tags, by name.
        users: The largest number of users so far; None if it is unknown.
        p95_ms: The 95th percentile of the response times of successful requests, in milliseconds; None if unknown.
        dashboard: The name of the run's dashboard; None without one.
        receipt: The receipt, as `--cw-receipt` writes it.
        series: `requests` and `failures` of each series, with its `dimensions`.
        destination: The destination, as `destination` of the core's `Publisher` returns it; empty if it is unknown.
        replays: What replays on this machine have sent of the run: `time`, `destination`, `requests`, `log_events`.
        summary: The totals and distributions of the requests, as `_core.Summary.to_json` returns them; empty if the
            record has none, or if it was read without it.
        setup: How Locust was set up, as far as it is known: versions, user classes, shape, users, spawn rate, run time.
        measured_from: The end of the warm-up; None if an older version wrote the record.
        measured_until: The time at which Locust began to stop the test; None if it did not.
        lacks_reports: Whether a process of the run has not reported all of its requests.
        marks: The marks of users, oldest first: seconds since the epoch, and the text.
        custom_metrics: The custom metrics: `name`, `kind`, `unit`, and the names of the `dimensions`.

    """

    run_id: str
    options: dict[str, Any]
    started: float
    ramped_up: float | None = None
    stopped: float | None = None
    updated: float | None = None
    host: str | None = None
    targets: list[str] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    users: int | None = None
    p95_ms: float | None = None
    dashboard: str | None = None
    receipt: dict[str, Any] = field(default_factory=dict)
    series: list[dict[str, Any]] = field(default_factory=list)
    destination: dict[str, Any] = field(default_factory=dict)
    replays: list[dict[str, Any]] = field(default_factory=list)
    summary: str = ""
    measured_from: float | None = None
    measured_until: float | None = None
    setup: dict[str, Any] = field(default_factory=dict)
    lacks_reports: bool = False
    marks: list[list[Any]] = field(default_factory=list)
    custom_metrics: list[dict[str, Any]] = field(default_factory=list)

    def option(self, name: str) -> Any:  # noqa: ANN401 - each option has its own type
        """The value of an option, or its default."""
        return self.options.get(name, _core.default_options().get(name))

    @property
    def roll_ups(self) -> list[dict[str, Any]]:
        """The series of whole hosts."""
        return [series for series in self.series if not REQUEST_DIMENSIONS & series["dimensions"].keys()]

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
        if not any(receipt[group][fate] for group in GROUPS for fate in ("delivered", "rejected", "dropped")):
            return
        nothing_sent = not any(self.receipt[group]["delivered"] for group in ("requests", "log_events"))
        if destination and nothing_sent and not self.replays:
            # All delivered data of the run is there.
            self.destination = destination
        for group in GROUPS:
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

    def end(self, now: float) -> float:
        """The stop; of a run that was killed, the last update of the record; of a run under way, `now`."""
        if self.stopped is not None:
            return self.stopped
        return now if self.updated is None or now - self.updated <= STALE_S else self.updated

    def measured_time(self, now: float) -> tuple[float, float]:
        """The begin and the end of the time that checks and comparisons cover. `now` is the end of a run under way."""
        begin = self.started + self.option("warmup") if self.measured_from is None else self.measured_from
        end = self.end(now) if self.measured_until is None else self.measured_until
        return min(begin, end), end

    def load_summary(self) -> _core.Summary:
        """The summary.

        Raises:
            NoRecordError: If the record has none, or it cannot be read.

        """
        if not self.summary:
            raise NoRecordError(
                f"the record of run {self.run_id} has no summary: an older version of locust-cw made it"
            )
        try:
            return _core.Summary.from_json(self.summary)
        except ValueError as error:
            raise NoRecordError(f"the summary of run {self.run_id} cannot be read: {error}") from error

    # Its text.

    def to_text(self) -> str:
        """The record as JSON. Its first line has everything but the summary."""
        values = {name: value for name, value in vars(self).items() if name != "summary"}
        # Without indentation, the first line ends at the summary. Its text is not parsed, which would take long.
        return f"{json.dumps({'format': FORMAT} | values)[:-1]}{_SUMMARY_KEY}{self.summary or '{}'}}}\n"

    @classmethod
    def from_text(cls, text: str, source: str) -> Record:
        """Read what `to_text` has written, or only its first line.

        Args:
            text: The text.
            source: Where it is from, for the message of an error.

        Raises:
            NoRecordError: If it is not a record.

        """
        first_line, _, rest = text.partition("\n")
        try:
            content = json.loads(first_line.removesuffix(",") + "}" if first_line.endswith(",") else text)
            # JSON can contain half a character, such as \ud800, which cannot be encoded.
            json.dumps(content, ensure_ascii=False).encode()
            values = {name: value for name, value in content.items() if name in _NAMES}
            summary = values.pop("summary", {})
            if not isinstance(summary, dict):
                raise TypeError("summary has an invalid value")  # noqa: TRY301 - handled like the errors above
            record = cls(**values)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise NoRecordError(f"the record {source} cannot be read: {error}") from error
        if problem := problem_of(vars(record)):
            raise NoRecordError(f"the record {source} cannot be read: {problem}")
        if first_line.endswith(","):
            record.summary = rest.removeprefix(_SUMMARY_KEY[2:]).rstrip().removesuffix("}")
        elif summary:
            record.summary = json.dumps(summary)
        if record.summary == "{}":
            record.summary = ""
        return record

    def for_other_machines(self) -> Record:
        """The record without secrets, and without what is only of use on this machine."""
        options = {name: value for name, value in self.options.items() if name not in ("external_id", "spool_dir")}
        if options.get("endpoint_url"):
            options["endpoint_url"] = public_url(options["endpoint_url"])
        destination = {name: value and public_url(value) for name, value in self.destination.items()}
        return Record(**(vars(self) | {"options": options, "destination": destination}))

    # Its file.

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
            file.write(self.to_text())
        part.replace(path)
        delete_oldest(folder)

    @classmethod
    def read(cls, run_id: str, spool_dir: str | None = None, *, with_summary: bool = True) -> Record:
        """Read the record of a run on this machine.

        Args:
            run_id: The run ID.
            spool_dir: The spool folder of the test.
            with_summary: Read the summary as well, which takes longer.

        Raises:
            NoRecordError: If this machine has none, or it cannot be read.

        """
        path = records_folder(spool_dir) / f"{run_id}.json"
        try:
            with path.open(encoding="utf-8", newline="") as file:
                text = file.read() if with_summary else file.readline()
                if not with_summary and not text.endswith(",\n"):
                    # An older version wrote it, as one line or with indentation.
                    text += file.read()
        except FileNotFoundError:
            raise NoRecordError(f"there is no record of a run {run_id} in {path.parent}{HOW_RECORDED}") from None
        except (OSError, ValueError) as error:
            raise NoRecordError(f"the record {path} cannot be read: {error}") from error
        record = cls.from_text(text, str(path))
        if not with_summary:
            record.summary = ""
        # The folder may have been moved since, together with the other records and the spools.
        record.options["spool_dir"] = absolute(spool_dir)
        return record


_NAMES = frozenset(each.name for each in fields(Record))


_DESTINATION_KEYS = ("account_id", "region", "cloudwatch_url", "logs_url")


def differ(one: dict[str, Any], other: Any) -> bool:  # noqa: ANN401 - as it was read
    """Whether two destinations differ, as far as both are known."""
    if not isinstance(other, dict):
        return False
    pairs = ((one.get(name), other.get(name)) for name in _DESTINATION_KEYS)
    return any(first != second for first, second in pairs if first and second)
