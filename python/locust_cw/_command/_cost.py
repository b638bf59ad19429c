"""`locust-cw cost`: what a test will cost, before it runs."""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._command._account_options import check, print_json, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust_cw._command import AddParser

EVENT_BYTES = 300
"""Of a JSON log event's text, measured over the tests' own requests; names, errors and contexts make it longer."""
EVENT_OVERHEAD_BYTES = 26
"""What CloudWatch counts besides (PutLogEvents)."""
MAX_DATUMS = 1000
"""Of one call (PutMetricData)."""
MAX_CALL_BYTES = 999_000
"""The same, less what frames the datums."""
VALUES_PER_DATUM = 150
"""Distinct values in one datum (PutMetricData)."""
MAX_VALUES = 300
"""Buckets of 1 % that response times from 10 ms to some seconds fall into: more distinct values there are not."""
GAUGES = 3
"""UserCount, GeneratorCpu_Percent, GeneratorMemory_Bytes. With workers there is WorkerCount too."""
RUNS_PER_MONTH = 20

_DATUM_BYTES = 300
_VALUE_BYTES = 18
_GB = 1024**3

_EPILOG = f"""\
examples:
  locust-cw cost --requests-per-second 5000 --minutes 30 --workers 8 --names 25
  locust-cw cost --requests-per-second 5000 --minutes 30 --logs failures --failure-share 0.02 --json

How it is counted:
  metrics   For each host and each of its names, and once for all of the host: RequestCount, FailureCount,
            ResponseTime_ms, ResponseSize_Bytes and, where there are failures, FailedResponseTime_ms; {GAUGES}
            gauges, one more with workers. A metric is charged for each hour with data; an hour that has begun counts.
  calls     PutMetricData, per process. While the test runs, one or more at each flush interval: {MAX_DATUMS} datums
            or 1 MB a call. A datum is one metric in one second (with --resolution 60, in one flush), for the series
            that had requests in it, with {VALUES_PER_DATUM} distinct values at most. With --at-end the
            whole test goes out in full calls when it stops.
  logs      Ingestion of the log events: their text and {EVENT_OVERHEAD_BYTES} bytes each. PutLogEvents costs nothing.
  storage   Told in GB-months before compression, and not priced. Nor are dashboards, alarms, queries, taxes and
            discounts.

Prices are those of locust-cw's own table ({_core.PRICES_AS_OF}); regions that are not in it are priced as us-east-1.

exit code: 0 printed, 2 wrong argument
"""


@dataclass(frozen=True)
class Load:
    """A test as it is planned.

    Attributes:
        rate: Requests per second, over all processes.
        names: Request names per host.
        minutes: How long it runs.
        workers: Processes that make requests.
        hosts: Hosts under test.
        failures: Share of failed requests.
        live: Whether it publishes while it runs.
        flush_interval: Seconds between publications in live mode.
        resolution: Seconds per window, 1 or 60.
        logs: `all`, `failures` or `off`.
        log_sample: Share of successful requests logged.
        event_bytes: Of a log event's text.

    """

    rate: float
    names: int
    minutes: float
    workers: int = 1
    hosts: int = 1
    failures: float = 0.01
    live: bool = True
    flush_interval: float = 5.0
    resolution: int = 1
    logs: str = "all"
    log_sample: float = 1.0
    event_bytes: int = EVENT_BYTES

    @property
    def seconds(self) -> float:
        """How long it runs."""
        return self.minutes * 60

    @property
    def metrics(self) -> int:
        """How many metrics there are."""
        kinds = 5 if self.failures > 0 else 4
        return self.hosts * (self.names + 1) * kinds + GAUGES + (self.workers > 1)

    @property
    def log_events(self) -> float:
        """How many requests become log events."""
        share = {"off": 0.0, "failures": self.failures, "all": self.failures + (1 - self.failures) * self.log_sample}
        return self.rate * self.seconds * share[self.logs]

    @property
    def log_bytes(self) -> float:
        """Their bytes as CloudWatch counts them."""
        return self.log_events * (self.event_bytes + EVENT_OVERHEAD_BYTES)

    @property
    def calls(self) -> int:
        """Calls of PutMetricData, over all processes."""
        flushes = max(1.0, self.seconds / self.flush_interval) if self.live else 1.0
        window = 1.0 if self.resolution == 1 else min(60.0, self.seconds / flushes)
        windows = max(1.0, self.seconds / flushes / window)
        datums, size = self._per_window(self.rate / self.workers, window)
        calls = _full_calls((datums + GAUGES) * windows, size * windows)
        # The last flush comes when the test stops; a master's own processes no requests.
        per_process = calls * math.ceil(flushes) + (1 if self.live else 0)
        own = _full_calls((GAUGES + 1) * windows, 0) * math.ceil(flushes) if self.workers > 1 else 0
        return self.workers * per_process + own

    def _per_window(self, rate: float, window: float) -> tuple[float, float]:
        """Datums and their bytes on the wire that one process makes of one window."""
        by_host = rate / self.hosts
        datums = size = 0.0
        for series, requests in (
            (self.hosts * self.names, by_host * window / self.names),
            (self.hosts, by_host * window),
        ):
            failed = requests * self.failures
            counts = 2 * _chance(requests)
            sizes = _chance(requests - failed)
            values = [min(requests - failed, MAX_VALUES), min(failed, MAX_VALUES)]
            times = sum(_chance(number) * max(1, math.ceil(number / VALUES_PER_DATUM)) for number in values)
            datums += series * (counts + sizes + times)
            size += series * ((counts + sizes + times) * _DATUM_BYTES + (sum(values) + values[0]) * _VALUE_BYTES)
        return datums, size


def _chance(expected: float) -> float:
    """That there is at least one of so many expected ones."""
    return 1 - math.exp(-expected)


def _full_calls(datums: float, size: float) -> int:
    return max(1, math.ceil(datums / MAX_DATUMS), math.ceil(size / MAX_CALL_BYTES))


@dataclass(frozen=True)
class Cost:
    """USD, or an amount that has no price here.

    Attributes:
        metrics: Metrics by the hour.
        calls: Calls of PutMetricData.
        logs: Ingestion of log events.

    """

    metrics: float
    calls: float
    logs: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.metrics + self.calls + self.logs


def cost_of(load: Load, runs: float, hours: int, *, log_class: str, region: str | None) -> Cost:
    """What so many runs cost, whose metrics have data in so many hours."""

    def price(**usage: int) -> tuple[float, float]:
        nothing = {"metric_hours": 0, "calls": 0, "log_bytes": 0}
        return _core.estimate_cost(**(nothing | usage), log_class=log_class, region=region)

    return Cost(
        metrics=price(metric_hours=load.metrics * hours)[0],
        calls=price(calls=math.ceil(load.calls * runs))[1],
        logs=price(log_bytes=math.ceil(load.log_bytes * runs))[1],
    )


def declare(add_parser: AddParser) -> None:
    """Declare the command."""
    default = _core.default_options()
    parser = add_parser(
        "cost",
        help="estimate what a test will cost",
        description=wrapped(
            "Estimate what a test will cost in CloudWatch: per run, per hour of this load, and per month."
        ),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    shown = "default: %(default)s"
    add("--requests-per-second", metavar="NUMBER", type=_above(0), required=True, help="over all workers")
    add("--minutes", metavar="NUMBER", type=_above(0), default=10.0, help=f"how long it runs; {shown}")
    add("--names", metavar="NUMBER", type=_count, default=10, help=f"request names per host; {shown}")
    add("--hosts", metavar="NUMBER", type=_count, default=1, help=f"hosts under test; {shown}")
    add("--workers", metavar="NUMBER", type=_count, default=1, help=f"processes that make requests; {shown}")
    add("--failure-share", metavar="SHARE", type=_share, default=0.01, help=f"of all requests; {shown}")
    add("--at-end", dest="live", action="store_false", help="publish when the test stops (a test without --cw-live)")
    add("--live", action="store_true", default=True, help="publish while the test runs (the default here)")
    add("--flush-interval", metavar="SECONDS", type=float, default=default["flush_interval"], help=shown)
    add("--resolution", metavar="SECONDS", type=int, default=default["resolution"], help=f"1 or 60; {shown}")
    add("--max-requests", metavar="NUMBER", type=int, default=default["max_requests"], help=f"distinct names; {shown}")
    add("--logs", choices=("all", "failures", "off"), default=default["logs"], help=shown)
    add("--log-sample", metavar="SHARE", type=float, default=default["log_sample"], help=f"of successful ones; {shown}")
    add("--log-class", choices=("STANDARD", "INFREQUENT_ACCESS"), default=default["log_class"], help=shown)
    add("--log-retention-days", metavar="DAYS", type=int, help="for the storage; else none is told")
    add("--event-bytes", metavar="BYTES", type=_count, default=EVENT_BYTES, help=f"of a log event's text; {shown}")
    add("--region", metavar="REGION", help="whose prices; else those of us-east-1")
    add("--runs-per-month", metavar="NUMBER", type=_above(0), default=float(RUNS_PER_MONTH), help=shown)
    add("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run_command=_cost)


def _above(least: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = float(text)
        if not least < value < math.inf:
            raise argparse.ArgumentTypeError(f"must be above {least:g}, not {text}")
        return value

    return number


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text}")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be a share from 0 to 1, not {text}")
    return value


def load_of(options: argparse.Namespace) -> Load:
    """The test that the arguments describe.

    Raises:
        InvalidOptionError: If an option is none that a test would take.

    """
    check(options, "flush_interval", "resolution", "max_requests", "log_sample", "log_retention_days", "region")
    return Load(
        rate=options.requests_per_second,
        # Those that are too many become one.
        names=options.names if options.names <= options.max_requests else options.max_requests + 1,
        minutes=options.minutes,
        workers=options.workers,
        hosts=options.hosts,
        failures=options.failure_share,
        live=options.live,
        flush_interval=options.flush_interval,
        resolution=options.resolution,
        logs=options.logs,
        log_sample=options.log_sample,
        event_bytes=options.event_bytes,
    )


def _cost(options: argparse.Namespace) -> int:
    load = load_of(options)
    how: dict[str, Any] = {"log_class": options.log_class, "region": options.region}
    hours = math.ceil(load.minutes / 60)
    runs = options.runs_per_month
    costs = {
        "run": cost_of(load, 1, hours, **how),
        "hour": cost_of(load, 60 / load.minutes, 1, **how),
        "month": cost_of(load, runs, math.ceil(hours * runs), **how),
    }
    stored = None
    if options.log_retention_days is not None:
        # What a month's runs bring, for as long as it is kept.
        stored = load.log_bytes * runs / _GB * options.log_retention_days / (365 / 12)
    priced_as = options.region if options.region in _core.priced_regions() else "us-east-1"
    if options.json:
        usage = {"metrics": load.metrics, "calls": load.calls, "log_events": round(load.log_events)}
        print_json(
            {
                "prices_as_of": _core.PRICES_AS_OF,
                "priced_as": priced_as,
                "per_run": usage | {"log_bytes": round(load.log_bytes)},
                "usd": {per: asdict(cost) | {"total": cost.total} for per, cost in costs.items()},
                "runs_per_month": runs,
                "stored_gb_months": stored,
            }
        )
    else:
        _print(load, costs, stored, f"prices of {_core.PRICES_AS_OF}, {priced_as}", runs)
    return 0


def _print(load: Load, costs: dict[str, Cost], stored: float | None, prices: str, runs: float) -> None:
    amounts = {
        "metrics": f"{load.metrics:,} metrics, hours with data",
        "calls": f"{load.calls:,} calls of PutMetricData a run",
        "logs": f"{load.log_events:,.0f} events, {load.log_bytes / _GB:,.3f} GB a run",
        "total": prices,
    }
    out = sys.stdout.write
    out(f"{'USD':8} {'per run':>12} {'per hour':>12} {f'{runs:g} runs/month':>15}\n")
    for part, amount in amounts.items():
        run, hour, month = (float(getattr(costs[per], part)) for per in ("run", "hour", "month"))
        out(f"{part:8} {run:>12.4f} {hour:>12.4f} {month:>15.2f}  {amount}\n")
    if stored is not None:
        out(f"Stored logs: {stored:,.3f} GB-months a month before compression, charged apart.\n")
