"""`locust-cw cost`: estimate the cost of a test before it runs."""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._aws.cost import GB, Cost, Load, cost_of
from locust_cw._aws.targets import parse
from locust_cw._checks.target_metrics import metrics_of, target_checks
from locust_cw._checks.target_values import most_metrics_read
from locust_cw._cli.output import print_json
from locust_cw._cli.parser import AddParser, add_command
from locust_cw._cli.settings import FromTest, from_test
from locust_cw._cli.shared_options import add_check_option, add_target_option, check_options
from locust_cw._settings.table import option_of

if TYPE_CHECKING:
    from collections.abc import Callable

RUNS_PER_MONTH = 20

_LEAST = 0.001
_MAX_REQUESTS_PER_S = 10_000_000
_MAX_MINUTES = _core.HOURS_PER_MONTH * 60
_MAX_RUNS = 1_000_000
_MAX_COUNT = 1_000_000

_DESCRIPTION = "Estimate the cost of a test in CloudWatch: per run, per hour of this load, and per month."
_EPILOG = f"""\
examples:
  locust-cw cost --requests-per-second 5000 --minutes 30 --workers 8 --names 25
  locust-cw cost --requests-per-second 5000 --minutes 30 --logs failures --failure-share 0.02 --json

What the estimate includes:
  metrics   For each host and each of its request names, and once for the whole host: RequestCount, FailureCount,
            ResponseTime_ms, ResponseSize_Bytes and, if requests fail, FailedResponseTime_ms. In addition,
            {_core.GAUGES} gauges, one more with workers, and custom metrics. A metric is charged for each hour with
            data, up to {_core.HOURS_PER_MONTH} hours a month; a part of an hour counts as an hour.
  calls     PutMetricData, for each process. While the test runs, at least one call per flush interval, with
            up to {_core.MAX_DATUMS} datums or 1 MB. A datum is one metric in one second (with --resolution 60: in one
            flush) of a series with requests in that time, with up to {_core.MAX_VALUES_PER_DATUM} distinct values. With
            --at-end, the whole test is published in full calls when it stops.
  logs      Ingestion of log events: their text and {_core.EVENT_OVERHEAD_BYTES} bytes each. PutLogEvents is free.
  records   Ingestion of the run's record, which a test writes to the log group every minute, at most. Not with
            --record local or off, nor with --logs off.
  reads     With --check on a --target: GetMetricData at the end until the data has arrived, for --check-wait at most;
            with "abort after", also every minute. Each metric that is read has a price.
  storage   Printed in GB-months before compression, without a price.

Dashboards, alarms, queries, taxes and discounts are not included. The prices are those of locust-cw's own table
({_core.PRICES_AS_OF}). For a region that is not in the table, they are the prices of us-east-1.

exit code: 0 printed, 2 invalid argument
"""


def declare(add_parser: AddParser) -> None:
    """Declare the sub-command."""
    parser = add_command(
        add_parser,
        "cost",
        summary="estimate the cost of a test",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    _add_load_options(parser)
    _add_test_options(parser)
    add = parser.add_argument
    add(
        "--runs-per-month",
        metavar="NUMBER",
        type=_number_up_to(_MAX_RUNS),
        default=float(RUNS_PER_MONTH),
        help="default: %(default)s",
    )
    add("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run_command=_run)


def _add_load_options(parser: argparse.ArgumentParser) -> None:
    add, shown = parser.add_argument, "default: %(default)s"
    add(
        "--requests-per-second",
        metavar="NUMBER",
        type=_number_up_to(_MAX_REQUESTS_PER_S),
        required=True,
        help="over all workers",
    )
    add(
        "--minutes",
        metavar="NUMBER",
        type=_number_up_to(_MAX_MINUTES),
        default=10.0,
        help=f"duration, a month at most; {shown}",
    )
    add("--names", metavar="NUMBER", type=_count, default=10, help=f"request names per host; {shown}")
    add("--hosts", metavar="NUMBER", type=_count, default=1, help=f"hosts under test; {shown}")
    add("--workers", metavar="NUMBER", type=_count, default=1, help=f"processes that make requests; {shown}")
    add(
        "--custom-metrics",
        metavar="NUMBER",
        type=_count_or_none,
        default=0,
        help=f"metrics of locust_cw.gauge and count, counted with the values of their dimensions; {shown}",
    )
    add("--failure-share", metavar="SHARE", type=_share, default=0.01, help=f"share of failed requests; {shown}")


def _add_test_options(parser: argparse.ArgumentParser) -> None:
    shown = "default: %(default)s"
    when = parser.add_mutually_exclusive_group().add_argument
    when(
        "--at-end",
        dest="live",
        action="store_false",
        help="publish when the test stops, as a test without --cw-live does",
    )
    when("--live", action="store_true", default=True, help="publish while the test runs; this is the default here")
    add = parser.add_argument
    add("--flush-interval", metavar="SECONDS", type=float, default=from_test("flush_interval"), help=shown)
    add("--resolution", metavar="SECONDS", type=int, default=from_test("resolution"), help=f"1 or 60; {shown}")
    add(
        "--max-requests", metavar="NUMBER", type=int, default=from_test("max_requests"), help=f"distinct names; {shown}"
    )
    add("--logs", choices=_core.option_choices("logs"), default=from_test("logs"), help=shown)
    add(
        "--log-sample",
        metavar="SHARE",
        type=float,
        default=from_test("log_sample"),
        help=f"share of successful requests that are logged; {shown}",
    )
    add("--log-fields", choices=_core.option_choices("log_fields"), default=from_test("log_fields"), help=shown)
    add("--log-class", choices=_core.option_choices("log_class"), default=from_test("log_class"), help=shown)
    record = option_of("record")
    add("--record", choices=record.choices, default=FromTest("record", record.default), help=shown)
    add(
        "--log-retention-days",
        metavar="DAYS",
        type=int,
        default=from_test("log_retention_days"),
        help="also print how much is stored",
    )
    add(
        "--event-bytes",
        metavar="BYTES",
        type=_count,
        help=f"size of the text of a log event (default: {_core.EVENT_BYTES}, or {_core.COMPACT_EVENT_BYTES} with"
        " --log-fields compact)",
    )
    add_check_option(parser)
    add_target_option(parser)
    add(
        "--check-wait",
        metavar="SECONDS",
        type=float,
        default=FromTest("check_wait", option_of("check_wait").default),
        help=f"seconds to wait for the metrics of checked targets; {shown}",
    )
    add("--region", metavar="REGION", default=from_test("region"), help="region of the prices (default: us-east-1)")


def _number_up_to(most: int) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = _number(text)
        if not _LEAST <= value <= most:
            raise argparse.ArgumentTypeError(f"must be a number from {_LEAST} to {most:,}, not {text!r}")
        return value

    return parse


def _count(text: str) -> int:
    value = _number(text)
    if not 1 <= value <= _MAX_COUNT or value != int(value):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {_MAX_COUNT:,}, not {text!r}")
    return int(value)


def _count_or_none(text: str) -> int:
    return 0 if text.strip() == "0" else _count(text)


def _share(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be a share from 0 to 1, not {text!r}")
    return value


def _number(text: str) -> float:
    """The number, or NaN, which is outside of every range, so that the error message states the range."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _load_of(options: argparse.Namespace) -> Load:
    """The load that the arguments describe.

    Raises:
        InvalidOptionError: If a test would not accept an option.

    """
    check_options(options, "flush_interval", "resolution", "max_requests", "log_sample", "log_retention_days", "region")
    return Load(
        rate=options.requests_per_second,
        names=options.names,
        minutes=options.minutes,
        workers=options.workers,
        hosts=options.hosts,
        failures=options.failure_share,
        live=options.live,
        flush_interval=options.flush_interval,
        resolution=options.resolution,
        logs=options.logs,
        log_sample=options.log_sample,
        log_fields=options.log_fields,
        event_bytes=options.event_bytes,
        max_requests=options.max_requests,
        record=options.record == "cloudwatch",
        custom_metrics=options.custom_metrics,
    )


def _metrics_read(load: Load, options: argparse.Namespace) -> int:
    """The metrics that a run reads for its checks, at most.

    Raises:
        InvalidOptionError: If a check or a target is invalid.

    """
    targets = [parse(text) for text in options.target]
    metrics = [metrics_of(check, targets) for check in target_checks(options.check, targets)]
    return most_metrics_read(metrics, load.minutes, options.check_wait)


def _costs(load: Load, metrics_read: int, options: argparse.Namespace) -> dict[str, Cost]:
    """The costs of a run, of an hour of this load, and of a month.

    Raises:
        InvalidOptionError: If they are too large to count.

    """
    how: dict[str, Any] = {"log_class": options.log_class, "region": options.region, "metrics_read": metrics_read}
    hours, runs = math.ceil(load.minutes / 60), options.runs_per_month
    try:
        return {
            "run": cost_of(load, 1, hours, **how),
            "hour": cost_of(load, 60 / load.minutes, 1, **how),
            "month": cost_of(load, runs, min(_core.HOURS_PER_MONTH, math.ceil(hours * runs)), **how),
        }
    except OverflowError:
        raise _core.InvalidOptionError(
            "requests_per_second", "the cost of so many requests and runs cannot be estimated; give a lower number"
        ) from None


def _run(options: argparse.Namespace) -> int:
    load = _load_of(options)
    metrics_read = _metrics_read(load, options)
    costs = _costs(load, metrics_read, options)
    stored = None
    if options.log_retention_days is not None:
        # The log events of a month's runs, for as long as they are kept.
        days_per_month = _core.HOURS_PER_MONTH / 24
        log_bytes = load.usage.log_bytes + load.record_bytes
        stored = log_bytes * options.runs_per_month / GB * options.log_retention_days / days_per_month
    priced_as = options.region if options.region in _core.priced_regions() else "us-east-1"
    if options.json:
        usage = load.usage
        print_json(
            {
                "prices_as_of": _core.PRICES_AS_OF,
                "priced_as": priced_as,
                "per_run": {
                    "metrics": usage.metrics,
                    "calls": usage.calls,
                    "log_events": round(usage.log_events),
                    "log_bytes": round(usage.log_bytes),
                    "record_bytes": load.record_bytes,
                    "metrics_read": metrics_read,
                },
                "usd": {per: asdict(cost) | {"total": cost.total} for per, cost in costs.items()},
                "runs_per_month": options.runs_per_month,
                "stored_gb_months": stored,
            }
        )
    else:
        instead = "" if options.region in (None, priced_as) else f": there are none of {options.region}"
        prices = f"prices of {_core.PRICES_AS_OF}, {priced_as}{instead}"
        _print(load, costs, stored, prices, options.runs_per_month, metrics_read)
    return 0


def _print(  # noqa: PLR0913, PLR0917 - what the table shows
    load: Load, costs: dict[str, Cost], stored: float | None, prices: str, runs: float, metrics_read: int
) -> None:
    usage = load.usage
    amounts = {
        "metrics": f"{usage.metrics:,} metrics, hours with data",
        "calls": f"{usage.calls:,} calls of PutMetricData a run",
        "logs": f"{usage.log_events:,.0f} events, {usage.log_bytes / GB:,.3f} GB a run",
        **(
            {"records": f"{load.record_updates:,} updates of the record, {load.record_bytes / GB:,.3f} GB a run"}
            if load.record_updates
            else {}
        ),
        **({"reads": f"up to {metrics_read:,} metrics read for checks a run"} if metrics_read else {}),
        "total": prices,
    }
    out = sys.stdout.write
    out(f"{'USD':8} {'per run':>12} {'per hour':>12} {f'{runs:g} runs/month':>15}\n")
    for part, amount in amounts.items():
        run, hour, month = (float(getattr(costs[per], part)) for per in ("run", "hour", "month"))
        out(f"{part:8} {run:>12.4f} {hour:>12.4f} {month:>15.2f}  {amount}\n")
    if stored is not None:
        out(f"Stored logs: {stored:,.3f} GB-months a month before compression, charged separately.\n")
