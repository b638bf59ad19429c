"""The Rust core: one run's queue, windows, batches, spool and AWS calls. Its threads never touch Python."""

from collections.abc import Awaitable
from pathlib import Path
from typing import Any, final

from locust_cw._errors import AwsError, InvalidOptionError

__all__ = [
    "DATES_END",
    "EVENT_BYTES",
    "EVENT_OVERHEAD_BYTES",
    "GAUGES",
    "HOURS_PER_MONTH",
    "MAX_DATUMS",
    "MAX_DIMENSIONS",
    "MAX_METRICS_BYTES",
    "MAX_NAME_CHARS",
    "MAX_RUN_ID_CHARS",
    "MAX_SERIES_PER_REQUEST",
    "MAX_VALUES_PER_DATUM",
    "MAX_VALUE_CHARS",
    "NO_HOST",
    "OTHER",
    "PRICES_AS_OF",
    "VERSION",
    "Account",
    "AwsError",
    "Call",
    "CallFailure",
    "DeliveryCounts",
    "Flush",
    "InvalidOptionError",
    "LogMessage",
    "Partition",
    "PendingSpool",
    "PendingSpoolSearch",
    "PlannedUsage",
    "Progress",
    "Publisher",
    "Receipt",
    "Replay",
    "StatusReport",
    "check_options",
    "default_options",
    "dimension_value",
    "empty_receipt",
    "estimate_cost",
    "estimate_usage",
    "find_pending_spools",
    "never_proxied",
    "new_run_id",
    "option_choices",
    "origin_of",
    "partition_of",
    "pending_spools",
    "priced_regions",
    "public_host",
    "remove_empty_spools",
    "spool_root",
]

VERSION: str
"""This package's version."""

PRICES_AS_OF: str
"""The date of the prices of estimates."""

HOURS_PER_MONTH: int
"""Hours of a month: metrics are charged by the hour, and one with data in each hour costs its monthly price."""

DATES_END: float
"""Points in time at or after this cannot be shown as a date: seconds since the epoch."""

EVENT_BYTES: int
"""Bytes of the text of a JSON log event, as an estimate."""

GAUGES: int
"""Gauges of each process: `UserCount`, `GeneratorCpu_Percent` and `GeneratorMemory_Bytes`."""

MAX_RUN_ID_CHARS: int
"""Longest run id."""

NO_HOST: str
"""The host of gauges in a run without a host."""

OTHER: str
MAX_SERIES_PER_REQUEST: int
"""The request name that stands for all beyond the maximum."""

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

@final
class Account:
    """The AWS account that options name, for everything but publishing.

    Nothing is looked up before the first call.

    Args:
        options: Those of a `Publisher`.
        recorded: The `destination` of an earlier run, which takes precedence over the environment and the AWS
            configuration.
        account: The account that the credentials must belong to: 12 digits, or `any`. By default, the recorded one.

    Raises:
        InvalidOptionError: If one cannot be used.

    """

    def __new__(
        cls, options: dict[str, Any], *, recorded: dict[str, Any] | None = None, account: str | None = None
    ) -> Account: ...
    def call(self, operation: str, parameters: dict[str, Any]) -> Call:
        """Begin an operation of AWS, such as `GetDashboard`, with its parameters in AWS's names."""
    def destination(self) -> Call:
        """Begin to resolve region, profile and endpoints as the SDK does.

        The result has the keys of `Publisher.destination`, and `is_custom_cloudwatch_url` and `is_custom_logs_url`:
        whether these endpoints are others than AWS's own. STS is not called, so `account_id` may be None. Only an
        instance's region needs the network. Without a region, the result is an `AwsError` of the kind `no_region`.
        """

@final
class Call:
    """A call under way."""

    @property
    def done(self) -> bool:
        """Whether `result` would not wait."""
    def result(self) -> Any:  # noqa: ANN401 - each operation has its own
        """Wait for the output, in AWS's names. It can be taken once.

        Raises:
            AwsError: If AWS refused the call, or it did not reach AWS.
            ValueError: If the operation does not take these parameters.

        """

@final
class CallFailure:
    """Why a call to AWS failed."""

    @property
    def operation(self) -> str:
        """The operation, such as `PutMetricData`."""
    @property
    def resource(self) -> str:
        """What the call was about."""
    @property
    def code(self) -> str:
        """AWS's error code, or `NoAnswer`, `NotSent`, `NotAws`, `NoCredentials`, `NoRegion` or `OtherAccount`."""
    @property
    def message(self) -> str:
        """What happened, and what to do."""
    @property
    def topic(self) -> str:
        """The topic of the messages about it."""
    @property
    def needs_action(self) -> bool:
        """Whether only the user can resolve it."""

@final
class LogMessage:
    """A message for the log."""

    @property
    def level(self) -> int:
        """Its level, as a number of `logging`."""
    @property
    def topic(self) -> str:
        """What it is about."""
    @property
    def text(self) -> str:
        """The text."""

@final
class Flush:
    """A flush under way."""

    @property
    def settled(self) -> bool | None:
        """True when everything is settled, False where nothing more can be sent for now, else None."""

@final
class Progress:
    """How far a delivery has come."""

    @property
    def left(self) -> int:
        """Requests or log events that are still to be delivered, whichever are more."""
    @property
    def settled(self) -> int:
        """Requests or log events, of the same kind, that were delivered, rejected or dropped."""
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
    def failures(self) -> list[CallFailure]:
        """Why calls fail at present."""

@final
class DeliveryCounts:
    """What happened to the requests, the failures or the log events of a run."""

    @property
    def observed(self) -> int:
        """All of them: the sum of the others."""
    @property
    def delivered(self) -> int:
        """CloudWatch has confirmed them."""
    @property
    def spooled(self) -> int:
        """They are on disk, and can be sent later."""
    @property
    def rejected(self) -> int:
        """CloudWatch refused them."""
    @property
    def dropped(self) -> int:
        """They are lost."""

@final
class Receipt:
    """The numbers of a receipt, and facts about what was not delivered. `_terminal.receipt` makes its text."""

    @property
    def run_id(self) -> str:
        """The run."""
    @property
    def requests(self) -> DeliveryCounts:
        """Finished requests, failed ones included."""
    @property
    def failures(self) -> DeliveryCounts:
        """Failed requests."""
    @property
    def log_events(self) -> DeliveryCounts:
        """Log events."""
    @property
    def put_metric_data_calls(self) -> int:
        """Calls of PutMetricData, repeated ones included."""
    @property
    def put_log_events_calls(self) -> int:
        """Calls of PutLogEvents, repeated ones included."""
    @property
    def retries(self) -> int:
        """Calls that were repeated."""
    @property
    def uncertain(self) -> int:
        """Upper bound on duplicates: requests and log events in calls that got no response."""
    @property
    def bytes_sent(self) -> int:
        """Bytes of request bodies."""
    @property
    def estimated_cost_usd(self) -> float:
        """An estimate."""
    @property
    def metrics_cost_usd(self) -> float:
        """The part of the estimate that the processes of a run share."""
    @property
    def locust(self) -> tuple[int, int] | None:
        """Locust's own totals of requests and failures, if there are any."""
    @property
    def reconciled(self) -> bool | None:
        """Whether `observed` equals Locust's own totals."""
    @property
    def user_errors(self) -> int:
        """Exceptions in tasks."""
    @property
    def dashboard_url(self) -> str | None:
        """The URL of the run's dashboard."""
    @property
    def series(self) -> list[dict[str, Any]]:
        """`dimensions`, `requests` and `failures` of each series."""
    @property
    def dry_run(self) -> bool:
        """Whether nothing was sent: calls, bytes and cost are what they would have been."""
    @property
    def lacks_reports(self) -> bool:
        """Whether some processes of the run have not reported."""
    @property
    def complete(self) -> bool:
        """Whether CloudWatch has everything that was observed, and every process has reported."""
    @property
    def json(self) -> str:
        """The receipt for the user, as one JSON object."""
    @property
    def spool_folder(self) -> Path | None:
        """The folder of what was not delivered, if there is anything."""
    @property
    def rejected_folder(self) -> Path | None:
        """The folder of what CloudWatch rejected, if there is anything."""
    @property
    def call_failures(self) -> list[CallFailure]:
        """Why calls failed, if they still did at the end."""
    @property
    def destination(self) -> dict[str, Any] | None:
        """The destination of the data, as `Publisher.destination` gives it."""

@final
class StatusReport:
    """What a process reports to its master: its receipt so far, what is left to deliver, and its present trouble."""

    @staticmethod
    def from_message(message: object) -> StatusReport:
        """Read a message.

        Raises:
            ValueError: If it is not a report, or one of another version.

        """
    def to_message(self) -> dict[str, Any]:
        """The report as plain data, for msgpack."""
    def merge(self, *others: StatusReport) -> StatusReport:
        """The sum of this report and those of other processes of the same run."""
    def aged(self, seconds: float) -> StatusReport:
        """The report as it is some seconds after it was made."""
    def without_present(self) -> StatusReport:
        """The report of a process that has vanished: nothing is known of its present state."""
    @property
    def run_id(self) -> str:
        """The run."""
    @property
    def receipt(self) -> Receipt:
        """The receipt so far: what is being sent counts as spooled."""
    @property
    def remarks(self) -> list[str]:
        """Lines for the text of the receipt."""
    @property
    def is_final(self) -> bool:
        """Whether the process has ended its part in the run."""
    @property
    def left(self) -> int:
        """Requests or log events that are still to be delivered, whichever are more; 0 in a dry run."""
    @property
    def settled(self) -> int:
        """Requests or log events, of the same kind, that were delivered, rejected or dropped."""
    @property
    def failures(self) -> list[str]:
        """Why calls fail at present."""
    @property
    def trouble_since(self) -> float | None:
        """Since when calls fail, in seconds since the epoch; None while they do not."""
    @property
    def problem(self) -> tuple[str, float] | None:
        """The last problem that was logged, and when."""
    @property
    def delay_s(self) -> float | None:
        """Age of the newest second of which CloudWatch has metrics; None before the first."""
    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait to be sent or are being sent, on disk or in memory."""
    @property
    def stopped(self) -> bool:
        """Whether the test has stopped in this process."""
    @property
    def refusal(self) -> str | None:
        """Why the process did not start the test, if it did not."""

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
    def user_error(self, fields: dict[str, Any]) -> None:
        """Count an exception in a task. The first 1,000 of a process are log events `user_error` with these fields."""
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
    def diagnostics(self) -> list[LogMessage]:
        """Take the messages for the log."""
    def report(self, entry: object) -> None:
        """Take what a worker reported of one request name.

        Args:
            entry: Of Locust's statistics, as it is sent to the master. What is no such entry is passed over.

        """
    def status_report(
        self,
        *,
        stopped: bool = False,
        problem: tuple[str, float] | None = None,
        refusal: str | None = None,
        remarks: list[str] = ...,
    ) -> StatusReport:
        """What this process reports to its master.

        Args:
            stopped: Whether the test has stopped in this process.
            problem: The last problem that was logged, and when, in seconds since the epoch.
            refusal: Why this process did not start the test, if it did not.
            remarks: Lines for the text of the receipt.

        """
    def finish(
        self,
        *,
        locust_totals: tuple[int, int] | None = None,
        workers: list[StatusReport] = ...,
        lacks_reports: bool = False,
        dashboard_url: str | None = None,
        stop_reason: str | None = None,
    ) -> Receipt:
        """End the run, whatever is left, and make its receipt. What was not delivered stays in the spool.

        Args:
            locust_totals: Locust's own totals of requests and failures, to reconcile the receipt with.
            workers: The reports of other processes, whose receipts are added.
            lacks_reports: Whether some processes of the run have not reported.
            dashboard_url: The URL of the run's dashboard.
            stop_reason: Why locust-cw stopped the test, if it did.

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
class PendingSpoolSearch:
    """A search for pending spools, in a thread of its own."""

    @property
    def found(self) -> list[PendingSpool] | None:
        """What was found, oldest run first; None before the search has ended."""

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
    def diagnostics(self) -> list[LogMessage]:
        """Take the messages for the log."""
    def finish(self) -> Receipt:
        """End it, whatever is left, and draw up the account of what was in the spool."""

def check_options(options: dict[str, Any]) -> None:
    """Check a dict of options and do nothing else.

    Raises:
        InvalidOptionError: If one cannot be used.

    """

def default_options() -> dict[str, Any]:
    """Every option of a `Publisher` with its default, by its name in Python form."""

def option_choices(option: str) -> list[str]:
    """The values that an option can have; none for an option that is free text, a number or a flag."""

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

def priced_regions() -> list[str]:
    """The regions whose own prices are in the table."""

def pending_spools(spool_dir: str | None = None) -> list[PendingSpool]:
    """Everything below a spool folder that is still to be sent, oldest run first."""

def find_pending_spools(spool_dir: str | None = None) -> PendingSpoolSearch:
    """Begin to remove the empty folders that killed processes left, and to find what is still to be sent.

    Raises:
        OSError: If no thread can be started.

    """

def remove_empty_spools(spool_dir: str | None = None) -> None:
    """Remove the empty folders that killed processes left below a spool folder."""

def spool_root(spool_dir: str | None = None) -> Path:
    """The folder that holds the spools of all runs: the given one, else the one in the user's state folder."""

def never_proxied(url: str) -> bool:
    """Whether requests to a URL never go through a proxy: those to this machine and to link-local addresses."""

def empty_receipt(run_id: str) -> Receipt:
    """The receipt of a run of which nothing was recorded."""

def new_run_id() -> str:
    """Make an id for a run that begins now, such as `20261122T110301Z-7f3a`."""
