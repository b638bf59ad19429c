"""The Rust core: queue, windows, batches, spool and AWS calls of a run. Its threads do not use Python."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, final

from locust_cw._errors import AwsError, InvalidOptionError

__all__ = [
    "COMPACT_EVENT_BYTES",
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
    "METRIC_READ_USD",
    "NO_HOST",
    "OTHER",
    "PRICES_AS_OF",
    "VERSION",
    "Account",
    "AwsError",
    "Call",
    "CallFailure",
    "Check",
    "CheckResult",
    "Comparison",
    "ComparisonRow",
    "CustomCollector",
    "CustomMetric",
    "DeliveryCounts",
    "ErrorTotals",
    "Flush",
    "InvalidOptionError",
    "LoadTimeline",
    "LogMessage",
    "Partition",
    "PendingSpool",
    "PendingSpoolSearch",
    "PlannedUsage",
    "Progress",
    "Publisher",
    "Receipt",
    "Replay",
    "RequestTimeline",
    "RequestTotals",
    "RunStatistics",
    "SingleRequest",
    "StatusReport",
    "Summary",
    "check_options",
    "compare_runs",
    "default_options",
    "dimension_value",
    "empty_receipt",
    "estimate_cost",
    "estimate_usage",
    "find_pending_spools",
    "merge_marks",
    "never_proxied",
    "new_run_id",
    "option_choices",
    "origin_of",
    "parse_check",
    "parse_checks",
    "partition_of",
    "pending_spools",
    "priced_regions",
    "public_host",
    "remove_empty_spools",
    "spool_root",
]

VERSION: str
"""The version of the package."""

PRICES_AS_OF: str
"""The date of the prices of estimates."""

METRIC_READ_USD: float
"""The price of reading a metric with `GetMetricData`, in USD."""

HOURS_PER_MONTH: int
"""Hours of a month. CloudWatch charges metrics by the hour; one with data in each hour costs its monthly price."""

DATES_END: float
"""The first point in time that cannot be shown as a date, in seconds since the epoch."""

EVENT_BYTES: int
"""Estimated size of the text of a JSON log event, in bytes."""

COMPACT_EVENT_BYTES: int
"""The same for a compact log event."""

GAUGES: int
"""Gauges of each process: `UserCount`, `GeneratorCpu_Percent` and `GeneratorMemory_Bytes`."""

MAX_RUN_ID_CHARS: int
"""Maximum length of a run ID."""

NO_HOST: str
"""The host of gauges in a run without a host."""

OTHER: str
"""The request name of all requests beyond the maximum number of names."""

MAX_SERIES_PER_REQUEST: int
"""Maximum number of series for each request name."""

MAX_DIMENSIONS: int
"""Maximum number of dimensions of a metric (PutMetricData)."""

MAX_NAME_CHARS: int
"""Maximum length of the name of a namespace, metric or dimension (PutMetricData)."""

MAX_VALUE_CHARS: int
"""Maximum length of the value of a dimension (PutMetricData)."""

MAX_VALUES_PER_DATUM: int
"""Maximum number of distinct values of a datum (PutMetricData)."""

MAX_DATUMS: int
"""Maximum number of datums of a call (PutMetricData)."""

MAX_METRICS_BYTES: int
"""Maximum size of the datums of a call, in bytes (PutMetricData)."""

EVENT_OVERHEAD_BYTES: int
"""Bytes that CloudWatch Logs adds to the text of each log event (PutLogEvents)."""

@final
class Account:
    """The AWS account of the options, for all calls other than those that publish data.

    The first call resolves the configuration.

    Args:
        options: The options of a `Publisher`.
        recorded: The `destination` of an earlier run, which takes precedence over the environment and the AWS
            configuration.
        account: The account that the credentials must belong to: 12 digits, or `any`. By default, the recorded one.

    Raises:
        InvalidOptionError: If an option is invalid.

    """

    def __new__(
        cls, options: dict[str, Any], *, recorded: dict[str, Any] | None = None, account: str | None = None
    ) -> Account: ...
    def call(self, operation: str, parameters: dict[str, Any]) -> Call:
        """Start an operation of AWS, such as `GetDashboard`, with parameters by their names in the AWS API."""
    @property
    def waits_for_credentials(self) -> str | None:
        """What delays the credentials at present, such as a program. None if they are not being loaded."""

    def destination(self) -> Call:
        """Start to resolve region, profile and endpoints as the SDK does.

        The result has the keys of `Publisher.destination`, `is_custom_cloudwatch_url` and `is_custom_logs_url`, which
        are True for an endpoint that is not one of AWS, and `ca_bundle`, the certificate authorities that the user
        names: None, or a dict with `path`, `named_by` and `replaces`, which is True if they replace those of the
        machine. STS is not called, so `account_id` may be None. Only the region of an instance needs the network.
        Without a region, `result` raises an `AwsError` of the kind `no_region`.
        """

@final
class Call:
    """A call in progress."""

    @property
    def done(self) -> bool:
        """Whether `result` returns without waiting."""
    def result(self) -> Any:  # noqa: ANN401 - each operation has its own type
        """Wait for the output, and return it with the names of the AWS API. It can be called once.

        Raises:
            AwsError: If AWS refused the call, or the call did not reach AWS.
            ValueError: If the operation does not accept these parameters.

        """

@final
class CallFailure:
    """Why a call to AWS failed."""

    @property
    def operation(self) -> str:
        """The operation, such as `PutMetricData`."""
    @property
    def resource(self) -> str:
        """The resource of the call, such as `namespace Locust`."""
    @property
    def code(self) -> str:
        """AWS's error code, or the name of the cause, as `AwsError.code`."""
    @property
    def message(self) -> str:
        """The problem, and how to resolve it."""
    @property
    def topic(self) -> str:
        """The topic of the log messages about the failure."""
    @property
    def needs_action(self) -> bool:
        """Whether only the user can resolve it."""

@final
class LogMessage:
    """A message for the log."""

    @property
    def level(self) -> int:
        """The level, as a number of `logging`."""
    @property
    def topic(self) -> str:
        """The topic."""
    @property
    def text(self) -> str:
        """The text."""

@final
class Flush:
    """A flush in progress."""

    @property
    def settled(self) -> bool | None:
        """True if all of the data is settled, False if nothing more can be sent at present, else None."""

@final
class Progress:
    """The progress of a delivery."""

    @property
    def left(self) -> int:
        """The larger of the numbers of requests and of log events that are not settled yet."""
    @property
    def settled(self) -> int:
        """The number of those, requests or log events, that were delivered, rejected or dropped."""
    @property
    def metrics_calls(self) -> int:
        """Successful calls of PutMetricData."""
    @property
    def logs_calls(self) -> int:
        """Successful calls of PutLogEvents."""
    @property
    def over(self) -> bool:
        """Whether waiting longer cannot help: all data is settled, or nothing more can be sent."""
    @property
    def call_failures(self) -> list[CallFailure]:
        """The current failures of calls."""

@final
class DeliveryCounts:
    """The outcome of the requests, the failures or the log events of a run."""

    @property
    def observed(self) -> int:
        """All items: the sum of the other counts."""
    @property
    def delivered(self) -> int:
        """Items that CloudWatch has accepted."""
    @property
    def spooled(self) -> int:
        """Items that are on disk, and can be sent later."""
    @property
    def rejected(self) -> int:
        """Items that CloudWatch refused."""
    @property
    def dropped(self) -> int:
        """Items that are lost."""

@final
class Check:
    """A condition that a run must meet."""

    @property
    def text(self) -> str:
        """The expression as it was given."""
    @property
    def scope(self) -> Literal["all", "request", "generator", "target"]:
        """What the check is about."""
    @property
    def name(self) -> str | None:
        """The request or the target; None for all requests and the load generator."""
    @property
    def measure(self) -> str:
        """The measure, such as `p95` or `failures`. For a target, its metric and statistic."""
    @property
    def metric(self) -> str | None:
        """The name of the metric of a target."""
    @property
    def statistic(self) -> str | None:
        """The statistic of the metric of a target."""
    @property
    def operator(self) -> str:
        """The operator, such as `<=`."""
    @property
    def limit(self) -> float:
        """The limit, in the unit."""
    @property
    def unit(self) -> str:
        """The unit: `ms`, `%`, `1/s`, `count`, `MB`, or empty for the metric of a target."""
    @property
    def abort_after_s(self) -> float | None:
        """Seconds of breach after which the test is stopped; None if it is not."""

def parse_check(text: str) -> Check:
    """Parse the expression of a check.

    Raises:
        InvalidOptionError: If it is malformed. The text shows the position.

    """

def parse_checks(expressions: Sequence[str]) -> list[Check]:
    """Parse the checks of a run.

    Raises:
        InvalidOptionError: If one is malformed, if two are the same condition, or if there are too many.

    """

@final
class CheckResult:
    """The result of a check."""

    @property
    def expression(self) -> str:
        """The expression as it was given."""
    @property
    def verdict(self) -> Literal["passed", "failed", "undecided"]:
        """The verdict. An undecided check counts as not passed."""
    @property
    def measured(self) -> float | None:
        """The value, in the unit; None if there is none."""
    @property
    def limit(self) -> float:
        """The limit, in the unit."""
    @property
    def unit(self) -> str:
        """The unit of `Check.unit`."""
    @property
    def first_breach(self) -> float | None:
        """When single seconds breached the limit for the first time, in seconds since the epoch; None if it passed."""
    @property
    def reason(self) -> str | None:
        """Why the check is undecided."""
    @property
    def fields(self) -> dict[str, Any]:
        """The keys of the receipt's JSON, with plain values."""

@final
class RequestTotals:
    """The totals of the requests with one method and name."""

    @property
    def method(self) -> str:
        """The method, such as GET."""
    @property
    def name(self) -> str:
        """The name, as Locust has it."""
    @property
    def requests(self) -> int:
        """Finished requests, failed ones included."""
    @property
    def failures(self) -> int:
        """Failed requests."""
    @property
    def mean_ms(self) -> float | None:
        """The mean response time of successful requests; None without one."""
    @property
    def quantiles_ms(self) -> list[float | None]:
        """The quantiles of the response times of successful requests, within 1%; None without one."""

@final
class RequestTimeline:
    """The requests of one method and name, or all, by time: lists of values for periods in ascending order.

    Periods without requests are omitted. The warm-up, and the time after the stop, are not part of it.
    """

    @property
    def method(self) -> str | None:
        """The method; None for all requests."""
    @property
    def name(self) -> str | None:
        """The name, as Locust has it; None for all requests."""
    @property
    def period_s(self) -> int:
        """Seconds of a period: a power of two, with which there are at most 120."""
    @property
    def starts(self) -> list[int]:
        """The start of each period, in seconds since the epoch: a multiple of its length."""
    @property
    def requests(self) -> list[int]:
        """Finished requests, failed ones included."""
    @property
    def failures(self) -> list[int]:
        """Failed requests."""
    @property
    def quantiles_ms(self) -> list[list[float | None]]:
        """For each quantile, the response times of successful requests, approximately; None without one."""

@final
class LoadTimeline:
    """The highest load by time: a list of values for each, for periods in ascending order. None where it is unknown."""

    @property
    def period_s(self) -> int:
        """Seconds of a period: a power of two, with which there are at most 120."""
    @property
    def starts(self) -> list[int]:
        """The start of each period, in seconds since the epoch: a multiple of its length."""
    @property
    def users(self) -> list[int | None]:
        """Users in the whole test."""
    @property
    def cpu_percent(self) -> list[float | None]:
        """CPU usage of the busiest process over 10 seconds, in percent of one core. The warm-up has none."""
    @property
    def memory_bytes(self) -> list[float | None]:
        """Memory of the largest process."""

@final
class SingleRequest:
    """A single request."""

    @property
    def time(self) -> float:
        """When it completed, in seconds since the epoch."""
    @property
    def method(self) -> str:
        """The method, such as GET."""
    @property
    def name(self) -> str:
        """The name, as Locust has it."""
    @property
    def response_ms(self) -> float | None:
        """The response time, if it is known."""
    @property
    def error(self) -> str | None:
        """The text of the error of a failed request, without the values of URLs."""
    @property
    def status(self) -> int | None:
        """The HTTP status, if there is one."""
    @property
    def users(self) -> int:
        """Users in the process."""
    @property
    def context(self) -> list[tuple[str, str]]:
        """The first entries of Locust's request `context` as text."""

@final
class ErrorTotals:
    """The failures of a run with one type of error."""

    @property
    def error_type(self) -> str | None:
        """The type, such as HTTPError; None if it is unknown, as in Locust's reports of workers."""
    @property
    def failures(self) -> int:
        """Their number."""
    @property
    def requests(self) -> list[tuple[str, str, int]]:
        """Method, name and failures of the requests with them, the most frequent first."""
    @property
    def first(self) -> SingleRequest | None:
        """The first of them, if it is known."""

@final
class Summary:
    """The totals and distributions of a run: for each request, and for all of them."""

    @staticmethod
    def from_json(text: str) -> Summary:
        """Read what `to_json` has written.

        Raises:
            ValueError: If it is not a summary of this version.

        """
    def to_json(self) -> str:
        """The summary as a JSON object, from which `from_json` creates an equal one."""
    def merge(self, other: Summary) -> Summary:
        """The sum of this summary and that of another part of the run."""
    def quantile_ms(self, quantile: float) -> float | None:
        """A quantile of the response times of successful requests after the warm-up, in milliseconds; None without any.

        Args:
            quantile: From 0 to 1, such as 0.95.

        """
    def check(self, expressions: Sequence[str], seconds: float, targets: dict[str, float | str]) -> list[CheckResult]:
        """Judge the requests.

        Args:
            expressions: The checks.
            seconds: The duration of the run after the warm-up, for the measure `rps`.
            targets: As for `RunStatistics.check_results`.

        Raises:
            InvalidOptionError: If an expression is malformed.

        """
    def requests(self, quantiles: Sequence[float]) -> list[RequestTotals]:
        """The totals of each method and name over the whole run, by name and method.

        Args:
            quantiles: The quantiles of `RequestTotals.quantiles_ms`, from 0 to 1.

        """
    def all_requests(self, quantiles: Sequence[float]) -> RequestTotals:
        """The same of all requests. Method and name are empty."""
    def other_requests(self, quantiles: Sequence[float]) -> RequestTotals | None:
        """The same of the requests beyond `--cw-max-requests`, if there are any. Method and name are empty."""
    def timelines(self, quantiles: Sequence[float]) -> list[RequestTimeline]:
        """All measured requests by time, and then those of each method and name."""
    def load(self) -> LoadTimeline:
        """The load by time."""
    def errors(self) -> list[ErrorTotals]:
        """The failures of the whole run by type, the most frequent first, and then those without a known type."""
    def slowest(self) -> list[SingleRequest]:
        """The ten slowest successful requests, slowest first."""
    @property
    def is_approximate(self) -> bool:
        """Whether response times are from the reports of workers: rounded, and including failed requests."""

@final
class ComparisonRow:
    """One measure of one request, or of all requests, in two runs."""

    @property
    def request(self) -> str | None:
        """Method and name as Locust lists them, such as `GET /`; None for all requests."""
    @property
    def measure(self) -> Literal["requests_per_second", "failure_rate", "p50", "p95", "p99"]:
        """What is compared. Percentiles are those of the successful response times."""
    @property
    def base(self) -> float | None:
        """The value of the base in `unit`; None if there is none."""
    @property
    def run(self) -> float | None:
        """The value of the run in `unit`."""
    @property
    def unit(self) -> Literal["1/s", "%", "ms"]:
        """The unit of both values."""
    @property
    def change(self) -> float | None:
        """The relative change: 0.1 if the value of the run is 10 % higher.

        Of the failure rate, it is the difference: 0.01 for one percentage point.
        """
    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the change; None if there is too little data."""
    @property
    def verdict(self) -> Literal["slower", "faster", "same", "undecided"] | None:
        """The verdict; None for requests per second. A failure rate that rose is `slower`."""
    @property
    def reasons(self) -> list[str]:
        """Why the verdict is undecided: sentences."""
    @property
    def fields(self) -> dict[str, Any]:
        """The row in the JSON of the command `compare`."""

@final
class Comparison:
    """The comparison of a run with a base."""

    @property
    def verdict(self) -> Literal["slower", "faster", "same", "undecided"]:
        """The verdict on the run: `slower` if any row is, else `faster` if any row is.

        It is `same` if failure rate, p50 and p95 of all requests are.
        """
    @property
    def reasons(self) -> list[str]:
        """Why there is no verdict on times: sentences."""
    @property
    def rows(self) -> list[ComparisonRow]:
        """The five measures of all requests, and then those of each request, by name and method."""

def compare_runs(
    base: Summary,
    base_seconds: float,
    run: Summary,
    run_seconds: float,
    *,
    tolerance: float = 0.05,
    requests: Sequence[str] | None = None,
) -> Comparison:
    """Compare a run with a base.

    Args:
        base: The summary of the run to compare with.
        base_seconds: Its measured time.
        run: The summary of the other run.
        run_seconds: Its measured time.
        tolerance: The largest relative change that counts as the same. For the failure rate, it is a tenth of this, in
            percentage points.
        requests: Names of requests, with or without their methods; None for all. All requests
            together always have rows.

    Raises:
        ValueError: If the tolerance is not positive, or neither run has one of the requests.

    """

@final
class RunStatistics:
    """The statistics of a run while it is under way: its summary, and the state of its checks."""

    @property
    def measured_from(self) -> float:
        """The end of the warm-up, in seconds since the epoch. Requests before it do not count for checks."""
    @property
    def may_abort(self) -> bool:
        """Whether a check may stop the test."""
    @property
    def open_second(self) -> int:
        """The first second, since the epoch, to which this process may still add requests."""
    @property
    def observed(self) -> int:
        """The number of requests so far, including those that are not measured."""
    def has_all_requests(self, time: float) -> bool:
        """Whether the requests that ended before a point in time are counted, here and by workers that report."""
    def check_results(self, until: float, targets: dict[str, float | str] | None = None) -> list[CheckResult]:
        """The results of all checks.

        Args:
            until: The end of the run, or the present time, in seconds since the epoch.
            targets: The values of target checks by their texts, or the reasons why there are none.

        """
    def begin(self, time: float) -> None:
        """Restart the warm-up: the users start now, and not when the publisher was created."""
    @property
    def measured_until(self) -> float | None:
        """The end of the measured time, in seconds since the epoch; None before it."""
    def undecided_results(self, reason: str) -> list[CheckResult]:
        """All checks, undecided for this reason."""
    def end_measured_time(self, time: float) -> None:
        """Note the end of the measured time, in seconds since the epoch. Later calls have no effect."""
    def take_abort(self) -> Check | None:
        """The check that has to stop the test now, if there is one. It is recorded as the reason for the stop."""
    def observe_target(self, text: str, minute: float, value: float) -> None:
        """Take the value of a target check in the minute that starts at `minute`, in seconds since the epoch."""
    def take_increments(self) -> list[bytes]:
        """The changes of a worker's summary that its master has not acknowledged, as far as they are to be sent now."""
    def take_last_increments(self) -> list[bytes]:
        """All changes of a worker's summary that its master has not acknowledged, for the last report."""
    def acknowledge(self, sequence: int) -> None:
        """The master has an increment."""
    def expect_workers(self, names: list[str]) -> None:
        """Seconds are complete when these workers have reported them, or are late. Replaces earlier names."""
    def expect_reports(self) -> None:
        """Locust's reports say what the workers did: every few seconds, for several seconds."""
    def add_increment(self, worker: str, increment: bytes, clock_offset: int = 0) -> int:
        """Add an increment of a worker, unless it was added before.

        Args:
            worker: The name of the worker.
            increment: The increment.
            clock_offset: How many seconds the clock of the worker is behind that of this process.

        Returns:
            The number that the worker waits for.

        Raises:
            ValueError: If the increment cannot be read.

        """
    def watch(self) -> None:
        """Keep the values of seconds for a live view, if they are not kept already."""
    def unwatch(self) -> None:
        """Forget the values that only a live view needs."""
    def live(self, since: int | None = None) -> str | None:
        """The complete seconds that have changed since a revision, or the last hour if it is None or unknown.

        Returns:
            A JSON object with `revision`; `is_whole`, whether it replaces earlier values; and the arrays `seconds`,
            `requests`, `failures`, `p50`, `p95`, `p99` and `users`, with a value per second. None if the values are
            not kept.

        """
    @property
    def live_changes(self) -> int:
        """How often a second was changed for a live view: 0 unless there was one."""
    def request_names(self) -> list[str] | None:
        """The request names of the run, if it has had more than `max_requests`; otherwise None."""
    @property
    def marks(self) -> list[tuple[float, str]]:
        """The marks of users in all processes so far, oldest first: seconds since the epoch, and the text.

        Marks of several processes with the same text within five seconds are one.
        """
    @property
    def custom_metrics(self) -> list[CustomMetric]:
        """The custom metrics of all processes so far, by name."""
    def summary(self) -> Summary:
        """The summary so far."""

@final
class CustomCollector:
    """Collects custom metrics and marks in a worker whose master publishes.

    Args:
        options: The options that differ from their defaults, as for `Publisher`.

    Raises:
        InvalidOptionError: If an option is invalid.

    """

    def __new__(cls, options: dict[str, Any]) -> CustomCollector: ...
    def custom(
        self,
        kind: str,
        metric: str,
        value: float,
        unit: str,
        dimensions: Mapping[str, str | float],
        *,
        in_test: bool,
    ) -> None:
        """Record a value of a custom metric, as `Publisher.custom` does."""
    def mark(self, text: str, *, in_test: bool) -> None:
        """Record a mark, as `Publisher.mark` does."""
    def take_report(self) -> bytes | None:
        """Take what was recorded since the last report; None if nothing was recorded."""
    def take_messages(self) -> list[LogMessage]:
        """Take the pending messages for the log."""

@final
class CustomMetric:
    """A custom metric of a run."""

    @property
    def name(self) -> str:
        """The name of the metric."""
    @property
    def kind(self) -> Literal["gauge", "count"]:
        """How its values are combined."""
    @property
    def unit(self) -> str:
        """Its unit."""
    @property
    def dimensions(self) -> list[str]:
        """The names of its dimensions, in addition to those of all metrics."""

@final
class Receipt:
    """The numbers of a receipt, and the state of the delivery at the end. `_terminal.receipt` creates its text."""

    @property
    def run_id(self) -> str:
        """The run ID."""
    @property
    def requests(self) -> DeliveryCounts:
        """Finished requests, including failed ones."""
    @property
    def failures(self) -> DeliveryCounts:
        """Failed requests."""
    @property
    def log_events(self) -> DeliveryCounts:
        """Log events."""
    @property
    def put_metric_data_calls(self) -> int:
        """Calls of PutMetricData, including repeated ones."""
    @property
    def put_log_events_calls(self) -> int:
        """Calls of PutLogEvents, including repeated ones."""
    @property
    def retries(self) -> int:
        """Calls that repeated a failed one."""
    @property
    def uncertain(self) -> int:
        """Upper bound on duplicates: requests and log events in calls that got no response."""
    @property
    def bytes_sent(self) -> int:
        """Bytes of request bodies."""
    @property
    def estimated_cost_usd(self) -> float:
        """The estimated cost in USD."""
    @property
    def metrics_cost_usd(self) -> float:
        """The part of the estimated cost that is for metrics, which the processes of a run share."""
    @property
    def locust(self) -> tuple[int, int] | None:
        """Locust's totals of requests and failures, if they are known."""
    @property
    def reconciled(self) -> bool | None:
        """Whether `observed` equals Locust's totals; None if those are not known."""
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
        """Whether the run was a dry run: nothing was sent, and calls, bytes and cost are estimates."""
    @property
    def lacks_reports(self) -> bool:
        """Whether some processes of the run have not reported."""
    @property
    def complete(self) -> bool:
        """Whether CloudWatch has accepted all observed data, and all processes have reported."""
    @property
    def checks(self) -> list[CheckResult]:
        """The results of the checks."""
    @property
    def passed(self) -> bool:
        """Whether all checks have passed."""
    @property
    def json(self) -> str:
        """The receipt as a JSON object."""
    @property
    def spool_folder(self) -> Path | None:
        """The folder with undelivered data, if there is any."""
    @property
    def rejected_folder(self) -> Path | None:
        """The folder with data that CloudWatch rejected, if there is any."""
    @property
    def call_failures(self) -> list[CallFailure]:
        """The failures of calls that persisted at the end."""
    @property
    def destination(self) -> dict[str, Any] | None:
        """The destination of the data, as `Publisher.destination` returns it."""

@final
class StatusReport:
    """The report of a process to its master: its receipt so far, undelivered data, and current problems."""

    @staticmethod
    def from_message(message: object) -> StatusReport:
        """Read a message.

        Raises:
            ValueError: If it is not a report of this version.

        """
    def to_message(self) -> dict[str, Any]:
        """The report as plain data, for msgpack."""
    def merge(self, *others: StatusReport) -> StatusReport:
        """The sum of this report and those of other processes of the same run."""
    def aged(self, seconds: float) -> StatusReport:
        """The report some seconds after it was created."""
    def without_present(self) -> StatusReport:
        """The report without the current state of its process, which is missing."""
    @property
    def run_id(self) -> str:
        """The run ID."""
    @property
    def receipt(self) -> Receipt:
        """The receipt so far. Data in calls in flight counts as spooled."""
    @property
    def remarks(self) -> list[str]:
        """Lines for the text of the receipt."""
    @property
    def is_final(self) -> bool:
        """Whether this is the last report of the process."""
    @property
    def left(self) -> int:
        """The larger of the numbers of requests and of log events that are not settled yet; 0 in a dry run."""
    @property
    def settled(self) -> int:
        """The number of those, requests or log events, that were delivered, rejected or dropped."""
    @property
    def call_failures(self) -> list[str]:
        """The current failures of calls."""
    @property
    def outage_since(self) -> float | None:
        """When calls began to fail, in seconds since the epoch; None if they succeed."""
    @property
    def problem(self) -> tuple[str, float] | None:
        """The last problem that was logged, and when."""
    @property
    def delay_s(self) -> float | None:
        """Age of the newest second whose metrics CloudWatch has accepted, in seconds; None before the first."""
    @property
    def waiting_bytes(self) -> int:
        """Bytes that are not sent yet or are in flight, on disk or in memory."""
    @property
    def stopped(self) -> bool:
        """Whether the test has stopped in this process."""
    @property
    def refusal(self) -> str | None:
        """Why the process did not start the test, if it did not."""

@final
class Publisher:
    """A run: records samples, publishes them, and counts them.

    No method waits for AWS, and none holds the GIL during an operation that can block. Methods that start an operation
    return at once; `progress` returns its progress.

    Args:
        options: The options that differ from their defaults, by the names of `default_options`.
        run_id: The run ID.
        worker: The name of this process within the run.
        host: The host under test. If it is None, the URL of each request determines the host.
        fallback_host: The host of gauges if `host` is None.
        measured_from: The end of the warm-up, in seconds since the epoch, if another process has determined it.

    Raises:
        InvalidOptionError: If an option is invalid.
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
        measured_from: float | None = None,
    ) -> Publisher: ...
    def request_listener(self) -> Callable[..., None]:
        """A listener for Locust's `request` event, which records each finished request as `record` does.

        It converts the texts and numbers of up to 64 requests together. `set_users` converts the pending ones, as do
        all methods that read or send the data. The listener keeps no reference to a response, context or exception.

        Of a successful request that is not logged and not among the slowest so far, it reads neither the status nor the
        context, and it reads the URL only if the run has no host.
        """

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
        """Record a finished request, with the arguments of Locust's `request` event.

        It copies its arguments and returns within a few microseconds, and never raises an exception. Only if the queue
        is full does it wait, for up to 50 ms with the GIL released; then the sample counts as dropped.

        Args:
            request_type: The method, such as GET.
            name: The name that groups requests.
            response_time: Milliseconds. None, NaN, infinite and negative values count the request without a time.
            response_length: Size of the response in bytes.
            exception: A true value for a failed request, as in Locust.
            context: A dict, whose scalar entries are logged.
            response: The response, whose `status_code` is logged.
            start_time: Seconds since the epoch. The time of the sample is this plus `response_time`; or the current
                time, if it is unknown, more than a week ago, or more than an hour in the future.
            url: The URL, which determines the host in a run without one.
            status: HTTP status, if there is no response.
            **_other: Further arguments of a client.

        """
    def gauge(self, metric: str, value: float, unit: str = "None", dimension: tuple[str, str] | None = None) -> None:
        """Record the current value of a gauge of locust-cw: `custom` is for those of users.

        Args:
            metric: Name of the metric.
            value: A finite and non-negative number.
            unit: A unit of CloudWatch.
            dimension: Name and value of a dimension in addition to the host.

        Raises:
            ValueError: If there is no such unit.

        """
    def custom(
        self,
        kind: str,
        metric: str,
        value: float,
        unit: str,
        dimensions: Mapping[str, str | float],
        *,
        in_test: bool,
    ) -> None:
        """Record a value of a custom metric at the present time.

        Args:
            kind: `gauge` or `count`.
            metric: Name of the metric.
            value: Number from 0 to 2^360.
            unit: A unit of CloudWatch.
            dimensions: Dimensions in addition to those of all metrics.
            in_test: Whether a test with Locust calls: an invalid argument is logged and counted, and raises nothing.

        Raises:
            TypeError: If an argument has another type.
            ValueError: If CloudWatch would not accept an argument, or the name is that of a metric of locust-cw.

        """
    def mark(self, text: str, *, in_test: bool) -> None:
        """Record a mark at the present time.

        Args:
            text: The text, which becomes one line of up to 256 characters.
            in_test: Whether a test with Locust calls, as for `custom`.

        Raises:
            TypeError: If it is not text.
            ValueError: If it is blank.

        """
    def add_custom_report(self, worker: str, report: bytes, clock_offset: int) -> None:
        """Record the custom metrics and marks of a worker for which this process publishes.

        Args:
            worker: The name of the worker.
            report: What `CustomCollector.take_report` returned in the worker.
            clock_offset: How many seconds the worker's clock is behind that of this process.

        Raises:
            ValueError: If the report cannot be read.

        """
    @property
    def ignored(self) -> int:
        """How many values of custom metrics and marks were not recorded: they were invalid, or too many."""
    def event(self, name: str, fields: dict[str, Any] | None = None) -> None:
        """Record an event of the whole test as a log event, with its scalar fields.

        A field with the name of a field of locust-cw, such as `time`, gets the suffix `_`.
        """
    def user_error(self, fields: dict[str, Any]) -> None:
        """Count an exception in a task. The first 1,000 of a process are log events `user_error` with these fields."""
    def set_users(self, users: int) -> None:
        """Set the number of users in this process, for log events."""
    def flush(self) -> Flush:
        """Start to send all data recorded so far."""
    def flush_async(self, timeout: float | None = None) -> Awaitable[bool]:
        """Send all data recorded so far.

        Args:
            timeout: Maximum number of seconds to wait; None for no limit.

        Returns:
            An awaitable of the running event loop: whether all of the data is settled. Cancelling it ends the wait.

        Raises:
            RuntimeError: If no event loop runs.
            ValueError: If the timeout is not a number of seconds.

        """
    @property
    def has_room(self) -> bool:
        """Whether `record` would return without waiting."""
    def room_async(self) -> Awaitable[None]:
        """Wait for room for a sample, for as long as `record` would wait."""
    def close_async(self, timeout: float) -> Awaitable[Receipt]:
        """Record no more data, send the remaining data for up to `timeout` seconds, and build the receipt.

        Raises:
            RuntimeError: If no event loop runs.
            ValueError: If the timeout is not a number of seconds.

        """
    def drain(self) -> None:
        """Start to send all data recorded so far, and send later data without delay."""
    def resume(self) -> None:
        """End a drain."""
    def seal(self) -> None:
        """Start to send all data recorded so far, and record no more."""
    def progress(self) -> Progress:
        """The progress of the delivery."""
    def take_messages(self) -> list[LogMessage]:
        """Take the pending messages for the log."""
    def record_stats(self, entry: object) -> None:
        """Record the statistics of a request name that a worker sent to the master.

        Args:
            entry: An entry of Locust's statistics, as workers send it. Any other value is ignored.

        """
    def series(self) -> list[dict[str, Any]]:
        """The series of this process so far, as `Receipt.series` has those of the whole run."""
    def status_report(
        self,
        *,
        stopped: bool = False,
        problem: tuple[str, float] | None = None,
        refusal: str | None = None,
        remarks: list[str] = ...,
    ) -> StatusReport:
        """The report of this process to its master.

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
        checks: list[CheckResult] | None = None,
    ) -> Receipt:
        """End the run and build its receipt. Undelivered data stays in the spool.

        Args:
            locust_totals: Locust's totals of requests and failures, to reconcile the receipt with.
            workers: The reports of other processes, whose receipts are added.
            lacks_reports: Whether some processes of the run have not reported.
            dashboard_url: The URL of the run's dashboard.
            stop_reason: Why locust-cw stopped the test, if it did.
            checks: The results of the checks. By default, they are judged now; checks of targets are undecided then.

        """
    def restrict_requests(self, names: list[str]) -> None:
        """Publish no other request names than these from now on, and all others as `(other)`."""
    @property
    def statistics(self) -> RunStatistics:
        """The statistics of the run."""
    def destination(self) -> dict[str, Any] | None:
        """The destination of the data: `account_id`, `region`, `profile`, `cloudwatch_url`, `logs_url` and `sts_url`.

        Returns:
            The destination, as far as it is known; None before the AWS configuration has been resolved, and in a dry
            run. `account_id` is None until STS has responded.

        """
    @property
    def run_id(self) -> str:
        """The run ID."""
    @property
    def drain_timeout(self) -> float:
        """How many seconds to send the remaining data at the end."""
    @property
    def has_logs(self) -> bool:
        """Whether the run publishes log events."""

@final
class PendingSpool:
    """The spool of a process with data to be sent."""

    @property
    def run_id(self) -> str:
        """The run ID."""
    @property
    def worker(self) -> str:
        """The name of the process within the run."""
    @property
    def folder(self) -> Path:
        """The folder."""
    @property
    def is_running(self) -> bool:
        """Whether its process is still running, and sends the data."""
    @property
    def dry_run(self) -> bool:
        """Whether the data is that of a dry run, which is not sent."""
    @property
    def account_id(self) -> str | None:
        """The AWS account that the process published to, if it is recorded."""
    @property
    def local_url(self) -> str | None:
        """The URL of the local CloudWatch that the process published to; None if it published to AWS."""
    @property
    def files(self) -> int:
        """Number of files to be sent."""
    @property
    def bytes(self) -> int:
        """Size of the files in bytes."""

@final
class PendingSpoolSearch:
    """A search for pending spools, in a thread of its own."""

    @property
    def found(self) -> list[PendingSpool] | None:
        """The spools, oldest run first; None before the search has ended."""

@final
class Replay:
    """Sends the data that an earlier process left in its spool, except for data that is over 14 days old.

    Args:
        folder: The folder of a `PendingSpool`.
        options: Options of an `Account` that replace those of the process: region, profile, role, endpoint.
        account: The account that the credentials must belong to: 12 digits, or `any`. By default, the recorded one.
        beside: A replay of another process of the same run. Its cost includes that of the metrics that both send.
        dry_run: Whether to send nothing, and only report what would be sent.

    Raises:
        BlockingIOError: If the process of the spool is still running.
        InvalidOptionError: If an option is invalid.
        OSError: If the folder cannot be read.

    """

    def __new__(
        cls,
        folder: Path,
        options: dict[str, Any],
        *,
        account: str | None = None,
        beside: Replay | None = None,
        dry_run: bool = False,
    ) -> Replay: ...
    def destination(self) -> dict[str, Any] | None:
        """The destination of the data, as `Publisher.destination` returns it."""
    def progress(self) -> Progress:
        """The progress of the replay."""
    def take_messages(self) -> list[LogMessage]:
        """Take the pending messages for the log."""
    def finish(self) -> Receipt:
        """End the replay, and build the receipt of the data in the spool."""

def merge_marks(one: list[tuple[float, str]], other: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """The marks of two parts of a run, oldest first. The same mark of both parts is one."""

def check_options(options: dict[str, Any]) -> None:
    """Validate a dict of options.

    Raises:
        InvalidOptionError: If an option is invalid.

    """

def default_options() -> dict[str, Any]:
    """All options of a `Publisher` with their defaults, by their names in Python."""

def option_choices(option: str) -> list[str]:
    """The values that an option accepts; none for an option that is free text, a number or a flag."""

def dimension_value(text: str) -> str:
    """The value of a dimension for a name or host: ASCII, not blank, up to 1024 characters."""

def origin_of(url: str) -> str | None:
    """Scheme, host and port of a URL, without credentials; None if the text is not a URL with a host."""

@final
class Partition:
    """A partition of AWS."""

    @property
    def name(self) -> str:
        """The name of the partition in ARNs, such as `aws-cn`."""
    @property
    def console_domain(self) -> str:
        """The domain of the console. The console of a region is at `REGION.console.DOMAIN`."""

def partition_of(region: str) -> Partition:
    """The partition of a region; `aws` for an unknown region."""

def public_host(host: str) -> str:
    """A host as it is published: without user and password, and without the values of a query."""

def estimate_cost(
    *, metric_hours: int, calls: int, log_bytes: int, log_class: str = "STANDARD", region: str | None = None
) -> tuple[float, float]:
    """The cost of a usage in USD: that of the metrics, and that of calls and log events.

    Args:
        metric_hours: Hours with data, as the sum over all metrics.
        calls: Calls of `PutMetricData`.
        log_bytes: Bytes of log events, including the 26 that CloudWatch adds to each.
        log_class: Class of the log group.
        region: AWS region. Without it, or if it is not in the table of prices, the prices of us-east-1 apply.

    Raises:
        InvalidOptionError: If the class is unknown.

    """

@final
class PlannedUsage:
    """The usage of CloudWatch by a run of a planned test."""

    @property
    def metrics(self) -> int:
        """Metrics with data."""
    @property
    def calls(self) -> int:
        """Calls of `PutMetricData` of all processes."""
    @property
    def log_events(self) -> float:
        """Log events."""
    @property
    def log_bytes(self) -> float:
        """Bytes of the log events, as CloudWatch counts them."""

def estimate_usage(plan: dict[str, Any]) -> PlannedUsage:
    """Estimate the usage of CloudWatch by a run of a planned test.

    Args:
        plan: Attributes of a `locust_cw._aws.cost.Load`. Those that are missing have their defaults.

    Raises:
        ValueError: If an attribute is unknown or has the wrong type.

    """

def priced_regions() -> list[str]:
    """The regions in the table of prices."""

def pending_spools(spool_dir: str | None = None) -> list[PendingSpool]:
    """All spools below a folder with data to be sent, oldest run first."""

def find_pending_spools(spool_dir: str | None = None) -> PendingSpoolSearch:
    """Start to remove the empty folders that killed processes left, and to find the spools with data to be sent.

    Raises:
        OSError: If no thread can be started.

    """

def remove_empty_spools(spool_dir: str | None = None) -> None:
    """Remove the empty folders that killed processes left below a folder."""

def spool_root(spool_dir: str | None = None) -> Path:
    """The folder with the spools of all runs: the given folder, or the default in the state folder of the user."""

def never_proxied(url: str) -> bool:
    """Whether requests to a URL never use a proxy, because it is on this machine or has a link-local address."""

def empty_receipt(run_id: str) -> Receipt:
    """The receipt of a run without recorded data."""

def new_run_id() -> str:
    """Create an ID for a run that starts now, such as `20261122T110301Z-7f3a`."""
