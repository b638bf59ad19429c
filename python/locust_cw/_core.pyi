"""The Rust core: one run's queue, windows, batches, spool and AWS calls. Its threads never touch Python."""

from collections.abc import Awaitable
from pathlib import Path
from typing import Any, final

__all__ = [
    "EVENT_BYTES",
    "EVENT_OVERHEAD_BYTES",
    "GAUGES",
    "HOURS_PER_MONTH",
    "MAX_DATUMS",
    "MAX_DIMENSIONS",
    "MAX_METRICS_BYTES",
    "MAX_NAME_CHARS",
    "MAX_RUN_ID_CHARS",
    "MAX_VALUES_PER_DATUM",
    "MAX_VALUE_CHARS",
    "NO_HOST",
    "OTHER",
    "PRICES_AS_OF",
    "VERSION",
    "Account",
    "AwsError",
    "Call",
    "Flush",
    "InvalidOptionError",
    "Partition",
    "PendingSpool",
    "PlannedUsage",
    "Progress",
    "Publisher",
    "Receipt",
    "Replay",
    "add_up",
    "check_options",
    "default_options",
    "dimension_value",
    "estimate_cost",
    "estimate_usage",
    "human_bytes",
    "never_proxied",
    "new_run_id",
    "nothing_recorded",
    "origin_of",
    "partition_of",
    "pending_spools",
    "priced_regions",
    "public_host",
    "remove_empty_spools",
    "replay_command",
    "spool_root",
]

VERSION: str
"""This package's version."""

PRICES_AS_OF: str
"""When the prices of estimates were looked up."""

HOURS_PER_MONTH: int
"""Hours in the month over which metrics are charged by the hour: with data in each, one costs its monthly price."""

EVENT_BYTES: int
"""Bytes of the text of a JSON log event, as an estimate."""

GAUGES: int
"""Gauges of each process: `UserCount`, `GeneratorCpu_Percent` and `GeneratorMemory_Bytes`."""

MAX_RUN_ID_CHARS: int
"""Longest run id."""

NO_HOST: str
"""The host of gauges where a run has none."""

OTHER: str
"""The request name that those which are too many go under."""

MAX_DIMENSIONS: int
"""Most dimensions of one metric (PutMetricData)."""

MAX_NAME_CHARS: int
"""Longest name of a namespace, a metric or a dimension (PutMetricData)."""

MAX_VALUE_CHARS: int
"""Longest value of a dimension (PutMetricData)."""

MAX_VALUES_PER_DATUM: int
"""Most distinct values of one datum (PutMetricData)."""

MAX_DATUMS: int
"""Most datums of one call (PutMetricData)."""

MAX_METRICS_BYTES: int
"""Most bytes of the datums of one call (PutMetricData)."""

EVENT_OVERHEAD_BYTES: int
"""What a log event counts beside its text (PutLogEvents)."""

class AwsError(Exception):
    """A call that AWS refused, or that did not reach it.

    Its arguments are the message, which says what to do, and AWS's error code, such as `ResourceNotFound`, or else
    `NoAnswer`, `NotSent`, `NoCredentials` or `NoRegion`.
    """

class InvalidOptionError(ValueError):
    """An option that is not known, or whose value cannot be used. The message names it."""

@final
class Account:
    """Everything but publishing that is asked of the AWS account which options name.

    Nothing is looked up before the first call.

    Args:
        options: Those of a `Publisher`.
        recorded: The `destination` of an earlier run, which goes before the environment and the AWS configuration.
        account: The account that the credentials must belong to: 12 digits, or `any`. By default, the recorded one.

    Raises:
        InvalidOptionError: If one cannot be used.

    """

    def __new__(
        cls, options: dict[str, Any], *, recorded: dict[str, Any] | None = None, account: str | None = None
    ) -> Account: ...
    def call(self, operation: str, parameters: str) -> Call:
        """Begin an operation of AWS's, such as `GetDashboard`, with its parameters as JSON in AWS's names."""
    def region(self) -> Call:
        """Begin to find out the region as the SDK does; its result is JSON text."""

@final
class Call:
    """A call under way."""

    @property
    def done(self) -> bool:
        """Whether the result is there."""
    def result(self) -> str:
        """Wait for the output, JSON in AWS's names. To be asked once.

        Raises:
            AwsError: If AWS refused the call, or it did not reach it.
            ValueError: If the input is not what the operation takes.

        """

@final
class Flush:
    """A flush under way."""

    @property
    def settled(self) -> bool | None:
        """True when everything is done with, False where nothing more can be sent for now, else None."""

@final
class Progress:
    """How far a run's delivery has come."""

    @property
    def left(self) -> int:
        """Requests and log events that are on their way, whichever are more."""
    @property
    def settled(self) -> int:
        """Requests and log events, of the same kind, that were delivered, rejected or dropped."""
    @property
    def metrics_calls(self) -> int:
        """Calls of PutMetricData that succeeded."""
    @property
    def logs_calls(self) -> int:
        """Calls of PutLogEvents that succeeded."""
    @property
    def over(self) -> bool:
        """Whether nothing is left to wait for: all is settled, or nothing more can be sent."""
    @property
    def failures(self) -> list[str]:
        """Why calls fail at present."""
    @property
    def refusals(self) -> list[str]:
        """Those of them that do not pass by themselves."""
    @property
    def trouble_since(self) -> float | None:
        """Since when calls fail, in seconds since the epoch; None while they do not."""
    @property
    def delivered_until(self) -> float | None:
        """The newest second of which CloudWatch has metrics, in seconds since the epoch; None before the first."""
    @property
    def waiting_bytes(self) -> int:
        """What waits to be sent or is under way, on the disk or in memory."""

@final
class Receipt:
    """What happened to every sample of a run."""

    @property
    def text(self) -> str:
        """For the terminal: a few lines, with a line break at the end."""
    @property
    def colored_text(self) -> str:
        """The same with ANSI colours."""
    @property
    def json(self) -> str:
        """One JSON object."""
    @property
    def message(self) -> str:
        """The same with the totals of each series, for the master and the record of the run."""
    @property
    def complete(self) -> bool:
        """Whether CloudWatch has everything that was observed, and every process has told what that was."""
    @property
    def remarks(self) -> list[str]:
        """Lines of the text that say where the rest is, and why."""

@final
class Publisher:
    """One run: takes samples, publishes them, and accounts for them.

    No method waits for AWS, and none holds the GIL through anything that can wait. Those that begin something return
    at once; `progress` tells how far it has come.

    Args:
        options: By the names of `default_options`, those that differ from the default.
        run_id: Names the run.
        worker: Names this process within the run.
        host: The host under test; where it is None, each request's URL tells.
        fallback_host: Whose gauges are published where `host` is None.
        announces: Tell the user what earlier runs left.

    Raises:
        InvalidOptionError: If an option cannot be used.
        OSError: If no thread can be started.

    """

    def __new__(
        cls,
        options: dict[str, Any],
        *,
        run_id: str,
        worker: str,
        host: str | None = None,
        fallback_host: str | None = None,
        announces: bool = True,
    ) -> Publisher: ...
    def record(
        self,
        request_type: object = None,
        name: object = None,
        response_time: object = None,
        response_length: object = None,
        exception: object = None,
        context: object = None,
        response: object = None,
        start_time: object = None,
        url: object = None,
        status: object = None,
        **_other: object,
    ) -> None:
        """Take a finished request: the listener of Locust's `request` event.

        Copies what it needs and returns, in a few microseconds. Never raises, whatever the arguments are. Only where
        the queue is full does it wait, for at most 50 ms with the GIL released, before it counts the sample as dropped.

        Args:
            request_type: The method, such as GET.
            name: Groups requests.
            response_time: Milliseconds. None, NaN, infinite and negative ones are counted but not timed.
            response_length: Bytes of the answer.
            exception: True for a failed request, as in Locust.
            context: A dict, whose scalar entries are logged.
            response: Its `status_code` is logged.
            start_time: Seconds since the epoch. The sample's time is this plus `response_time`; now, if that is not
                known, more than a week ago, or more than an hour ahead.
            url: Tells the host where the run has none.
            status: HTTP status, where there is no response.
            **_other: Whatever else a client reports.

        """
    def gauge(self, metric: str, value: float, unit: str = "None", dimension: tuple[str, str] | None = None) -> None:
        """Take the present value of a gauge.

        Args:
            metric: Name of the metric.
            value: Finite and not negative.
            unit: One of CloudWatch's: Milliseconds, Seconds, Bytes, Count, Percent, None.
            dimension: Name and value of a dimension beside the host.

        Raises:
            ValueError: If the name is taken, or the value or unit cannot be published.

        """
    def event(self, name: str, fields: dict[str, Any] | None = None) -> None:
        """Log something that happened to the whole test, with the scalar ones of its fields.

        One that has the name of ours, such as `time`, gets a `_` behind it.
        """
    def set_users(self, users: int) -> None:
        """Tell how many users run in this process, for the log events."""
    def flush(self) -> Flush:
        """Begin to send everything taken so far."""
    def flush_async(self, timeout: float | None = None) -> Awaitable[bool]:
        """Send everything taken so far.

        Args:
            timeout: Seconds to wait at most; None for as long as it takes.

        Returns:
            Whether all of it is done with. It belongs to the running event loop; cancelled, it no longer waits.

        Raises:
            RuntimeError: If no event loop runs.
            ValueError: If the timeout is no number of seconds.

        """
    @property
    def has_room(self) -> bool:
        """Whether `record` would not wait."""
    def room_async(self) -> Awaitable[None]:
        """Wait until `record` would not, for at most as long as it would."""
    def close_async(self, timeout: float) -> Awaitable[Receipt]:
        """Send what is left, for at most so many seconds, take nothing more, and draw up the receipt.

        Raises:
            RuntimeError: If no event loop runs.
            ValueError: If the timeout is no number of seconds.

        """
    def drain(self) -> None:
        """Begin to send everything taken so far, and from now on everything at once."""
    def resume(self) -> None:
        """Go on as before a drain."""
    def seal(self) -> None:
        """Begin to send everything taken so far, and take nothing more."""
    def progress(self) -> Progress:
        """How far the delivery has come."""
    def diagnostics(self) -> list[tuple[int, str]]:
        """Take the messages that wait to be logged, each with `logging`'s number of its level."""
    def report(self, entry: object) -> None:
        """Take what a worker reported of one request name.

        Args:
            entry: Of Locust's statistics, as it is sent to the master. What is no such entry is passed over.

        """
    def snapshot(self) -> str:
        """The account so far, for the master of the run: what is on its way counts as spooled."""
    def finish(
        self,
        requests: int | None = None,
        failures: int | None = None,
        workers: list[str] = ...,
        lacks_accounts: bool = False,
        remarks: list[str] = ...,
        dashboard_url: str | None = None,
    ) -> Receipt:
        """End the run, whatever is left, and draw up its receipt. What was not delivered stays in the spool.

        Args:
            requests: Locust's own total, to reconcile the receipt with.
            failures: Locust's own total of failed requests.
            workers: The messages of other processes' receipts, which are added.
            lacks_accounts: Whether there are processes of the run that gave none.
            remarks: Lines to add to the text.
            dashboard_url: Where the run's dashboard is.

        Raises:
            ValueError: If a worker's receipt is none.

        """
    def destination(self) -> dict[str, Any] | None:
        """Where the data goes: `account_id`, `region`, `profile`, `cloudwatch_url`, `logs_url` and `sts_url`.

        Returns:
            What is known by now; None before the AWS configuration has been resolved, and in a dry run. `account_id` is
            None until STS has answered.

        """
    @property
    def run_id(self) -> str:
        """The run's id."""
    @property
    def drain_timeout(self) -> float:
        """Seconds to keep sending at the end."""
    @property
    def has_logs(self) -> bool:
        """Whether there are log events."""

@final
class PendingSpool:
    """The spool of a process, with something in it to be sent."""

    @property
    def run_id(self) -> str:
        """The run."""
    @property
    def worker(self) -> str:
        """The process's name within the run."""
    @property
    def folder(self) -> Path:
        """The folder."""
    @property
    def live(self) -> bool:
        """Whether its process still lives, and sends it."""
    @property
    def dry_run(self) -> bool:
        """Whether it was never meant to be sent."""
    @property
    def account_id(self) -> str | None:
        """The AWS account that its process published to, if that is recorded."""
    @property
    def local_url(self) -> str | None:
        """Where the local CloudWatch was that it was meant for; None where it was meant for AWS."""
    @property
    def files(self) -> int:
        """Files to be sent."""
    @property
    def bytes(self) -> int:
        """Their size."""

@final
class Replay:
    """Sends what an earlier process left in its spool, less what is over 14 days old.

    Args:
        folder: A leftover's folder.
        options: Those of an `Account` that replace the process's own: region, profile, role, endpoint.
        account: The account that the credentials must belong to: 12 digits, or `any`. By default, the recorded one.
        dry_run: Send nothing, and tell what would be sent.

    Raises:
        BlockingIOError: If the process whose spool it is still lives.
        InvalidOptionError: If an option cannot be used.
        OSError: If the folder cannot be read.

    """

    def __new__(
        cls,
        folder: Path,
        options: dict[str, Any],
        *,
        account: str | None = None,
        dry_run: bool = False,
    ) -> Replay: ...
    def destination(self) -> dict[str, Any] | None:
        """Where the data goes, as `Publisher.destination` does."""
    def progress(self) -> Progress:
        """How far it has come."""
    def diagnostics(self) -> list[tuple[int, str]]:
        """Take the messages that wait to be logged, each with `logging`'s number of its level."""
    def finish(self) -> Receipt:
        """End it, whatever is left, and draw up the account of what was in the spool."""

def add_up(accounts: list[str]) -> str:
    """The sum of the accounts that processes of one run gave, each the text of a `Publisher.snapshot`.

    Raises:
        ValueError: If there is none, or one cannot be read.

    """

def check_options(options: dict[str, Any]) -> None:
    """Check a dict of options and do nothing else.

    Raises:
        InvalidOptionError: If one cannot be used.

    """

def default_options() -> dict[str, Any]:
    """Every option of a `Publisher` with its default, by its name in Python form."""

def dimension_value(text: str) -> str:
    """The value of a dimension that a name or host becomes: ASCII, not blank, at most 1024 characters."""

def origin_of(url: str) -> str | None:
    """Scheme, host and port of a URL, without any credentials in it; None for what is no URL with a host."""

@final
class Partition:
    """A partition of AWS."""

    @property
    def name(self) -> str:
        """Its name in ARNs, such as `aws-cn`."""
    @property
    def console_domain(self) -> str:
        """The domain of its console. The console of a region is at `REGION.console.DOMAIN`."""

def partition_of(region: str) -> Partition:
    """The partition that a region belongs to; `aws` for a region that is not known."""

def public_host(host: str) -> str:
    """A host as it is published: without user and password, and without the values of a query."""

def estimate_cost(
    *, metric_hours: int, calls: int, log_bytes: int, log_class: str = "STANDARD", region: str | None = None
) -> tuple[float, float]:
    """What a usage costs in USD, by the one table of prices: the metrics themselves, and calls with log events.

    Args:
        metric_hours: Hours with data, summed up over all metrics.
        calls: Calls of `PutMetricData`.
        log_bytes: Bytes of log events, each with the 26 that CloudWatch adds.
        log_class: Class of the log group.
        region: AWS region; prices of us-east-1 where it is not in the table.

    Raises:
        InvalidOptionError: If there is no such class.

    """

@final
class PlannedUsage:
    """What a run of a planned test uses of CloudWatch."""

    @property
    def metrics(self) -> int:
        """Metrics with data."""
    @property
    def calls(self) -> int:
        """Calls of `PutMetricData`, over all processes."""
    @property
    def log_events(self) -> float:
        """Log events."""
    @property
    def log_bytes(self) -> float:
        """Bytes of the log events, as CloudWatch counts them."""

def estimate_usage(plan: dict[str, Any]) -> PlannedUsage:
    """Estimate what a run of a planned test uses of CloudWatch.

    Args:
        plan: The attributes of a `locust_cw._aws.cost.Load`.

    Raises:
        ValueError: If an attribute is missing or has the wrong type.

    """

def human_bytes(number: int) -> str:
    """A size for a reader, such as `1.5 MB`."""

def priced_regions() -> list[str]:
    """The regions whose own prices are in the table."""

def pending_spools(spool_dir: str | None = None) -> list[PendingSpool]:
    """Everything below a spool folder that is still to be sent, oldest run first."""

def remove_empty_spools(spool_dir: str | None = None) -> None:
    """Remove the empty folders that killed processes left below a spool folder."""

def spool_root(spool_dir: str | None = None) -> Path:
    """The folder that holds the spools of all runs: the given one, else the one in the user's state folder."""

def replay_command(run: str, spool_dir: str | None = None) -> str:
    """The command that sends what waits in a spool folder of a run, or with `--all` of all of them."""

def never_proxied(url: str) -> bool:
    """Whether requests to a URL never go through a proxy: those to this machine and to link-local addresses."""

def nothing_recorded(run_id: str, why: str) -> Receipt:
    """The receipt of a run of which nothing was recorded, with the line that says why."""

def new_run_id() -> str:
    """Make an id for a run that begins now, such as `20261122T110301Z-7f3a`."""
