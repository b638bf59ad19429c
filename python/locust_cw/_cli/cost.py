"""`locust-cw cost`: what a test will cost, before it runs."""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._aws.cost import (
    EVENT_BYTES,
    GAUGES,
    GB,
    Cost,
    Load,
    cost_of,
)
from locust_cw._cli.output import check, print_json, wrapped
from locust_cw._settings.table import choices_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust_cw._cli.main import AddParser

RUNS_PER_MONTH = 20

_LEAST = 0.001
_MOST_A_SECOND = 10_000_000
_MOST_MINUTES = _core.HOURS_PER_MONTH * 60
_MOST_RUNS = 1_000_000
_MOST = 1_000_000
"""Of all that is counted."""

_EPILOG = f"""\
examples:
  locust-cw cost --requests-per-second 5000 --minutes 30 --workers 8 --names 25
  locust-cw cost --requests-per-second 5000 --minutes 30 --logs failures --failure-share 0.02 --json

How it is counted:
  metrics   For each host and each of its names, and once for all of the host: RequestCount, FailureCount,
            ResponseTime_ms, ResponseSize_Bytes and, where there are failures, FailedResponseTime_ms; {GAUGES}
            gauges, one more with workers. A metric is charged for each hour with data,
            {_core.HOURS_PER_MONTH} in a month at most; an hour that has begun counts.
  calls     PutMetricData, per process. While the test runs, one or more at each flush interval:
            {_core.MAX_DATUMS} datums or 1 MB a call. A datum is one metric in one second (with --resolution 60,
            in one flush), for the series that had requests in it, with {_core.MAX_VALUES_PER_DATUM} distinct values
            at most. With --at-end the whole test goes out in full calls when it stops.
  logs      Ingestion of the log events: their text and {_core.EVENT_OVERHEAD_BYTES} bytes each.
            PutLogEvents costs nothing.
  storage   Told in GB-months before compression, and not priced. Nor are dashboards, alarms, queries, taxes and
            discounts.

Prices are those of locust-cw's own table ({_core.PRICES_AS_OF}); regions that are not in it are priced as us-east-1.

exit code: 0 printed, 2 wrong argument
"""


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
    add(
        "--requests-per-second",
        metavar="NUMBER",
        type=_up_to(_MOST_A_SECOND),
        required=True,
        help="over all workers",
    )
    add(
        "--minutes",
        metavar="NUMBER",
        type=_up_to(_MOST_MINUTES),
        default=10.0,
        help=f"how long it runs, a month at most; {shown}",
    )
    add("--names", metavar="NUMBER", type=_count, default=10, help=f"request names per host; {shown}")
    add("--hosts", metavar="NUMBER", type=_count, default=1, help=f"hosts under test; {shown}")
    add("--workers", metavar="NUMBER", type=_count, default=1, help=f"processes that make requests; {shown}")
    add("--failure-share", metavar="SHARE", type=_share, default=0.01, help=f"of all requests; {shown}")
    when = parser.add_mutually_exclusive_group().add_argument
    when("--at-end", dest="live", action="store_false", help="publish when the test stops (a test without --cw-live)")
    when("--live", action="store_true", default=True, help="publish while the test runs (the default here)")
    add("--flush-interval", metavar="SECONDS", type=float, default=default["flush_interval"], help=shown)
    add("--resolution", metavar="SECONDS", type=int, default=default["resolution"], help=f"1 or 60; {shown}")
    add("--max-requests", metavar="NUMBER", type=int, default=default["max_requests"], help=f"distinct names; {shown}")
    add("--logs", choices=choices_of("logs"), default=default["logs"], help=shown)
    add("--log-sample", metavar="SHARE", type=float, default=default["log_sample"], help=f"of successful ones; {shown}")
    add("--log-class", choices=choices_of("log_class"), default=default["log_class"], help=shown)
    add("--log-retention-days", metavar="DAYS", type=int, help="for the storage; else none is told")
    add("--event-bytes", metavar="BYTES", type=_count, default=EVENT_BYTES, help=f"of a log event's text; {shown}")
    add("--region", metavar="REGION", help="whose prices; else those of us-east-1")
    add("--runs-per-month", metavar="NUMBER", type=_up_to(_MOST_RUNS), default=float(RUNS_PER_MONTH), help=shown)
    add("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run_command=_cost)


def _up_to(most: int) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = _number(text)
        if not _LEAST <= value <= most:
            raise argparse.ArgumentTypeError(f"must be a number from {_LEAST} to {most:,}, not {text!r}")
        return value

    return number


def _count(text: str) -> int:
    value = _number(text)
    if not 1 <= value <= _MOST or value != int(value):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {_MOST:,}, not {text!r}")
    return int(value)


def _share(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be a share from 0 to 1, not {text!r}")
    return value


def _number(text: str) -> float:
    """What is none is NaN, which is within no bounds: so each says what it must be, and not what Python calls it."""
    try:
        return float(text)
    except ValueError:
        return math.nan


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
    try:
        costs = {
            "run": cost_of(load, 1, hours, **how),
            "hour": cost_of(load, 60 / load.minutes, 1, **how),
            "month": cost_of(load, runs, min(_core.HOURS_PER_MONTH, math.ceil(hours * runs)), **how),
        }
    except OverflowError:
        raise _core.InvalidOptionError(
            "requests_per_second", "so many, in so many runs, are more than can be reckoned: give fewer"
        ) from None
    stored = None
    if options.log_retention_days is not None:
        # What a month's runs bring, for as long as it is kept.
        stored = load.log_bytes * runs / GB * options.log_retention_days / (_core.HOURS_PER_MONTH / 24)
    priced_as = options.region if options.region in _core.priced_regions() else "us-east-1"
    instead = "" if options.region in (None, priced_as) else f": there are none of {options.region}"
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
        _print(load, costs, stored, f"prices of {_core.PRICES_AS_OF}, {priced_as}{instead}", runs)
    return 0


def _print(load: Load, costs: dict[str, Cost], stored: float | None, prices: str, runs: float) -> None:
    amounts = {
        "metrics": f"{load.metrics:,} metrics, hours with data",
        "calls": f"{load.calls:,} calls of PutMetricData a run",
        "logs": f"{load.log_events:,.0f} events, {load.log_bytes / GB:,.3f} GB a run",
        "total": prices,
    }
    out = sys.stdout.write
    out(f"{'USD':8} {'per run':>12} {'per hour':>12} {f'{runs:g} runs/month':>15}\n")
    for part, amount in amounts.items():
        run, hour, month = (float(getattr(costs[per], part)) for per in ("run", "hour", "month"))
        out(f"{part:8} {run:>12.4f} {hour:>12.4f} {month:>15.2f}  {amount}\n")
    if stored is not None:
        out(f"Stored logs: {stored:,.3f} GB-months a month before compression, charged apart.\n")
