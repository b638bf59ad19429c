"""The panels of the load, and the notes about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust_cw._report.findings import Line, Panel
from locust_cw._report.run_metrics import MAX_HOSTS_DRAWN
from locust_cw._report.scales import elapsed
from locust_cw._runs.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from locust_cw._report.own_numbers import OwnNumbers
    from locust_cw._report.run_metrics import RunMetrics
    from locust_cw._report.run_series import RunSeries
    from locust_cw._runs.record import Record

GENERATOR_LIMIT_PERCENT = 90.0
"""CPU use, in percent of a core, from which the load generator may be the bottleneck. Locust warns there, too."""

_TOLERANCE = 0.01
_MINUTE = 60


def load_panels(run: RunSeries) -> Iterator[Panel]:
    """The panels of the load that have data."""
    lines = [Line("requests", run.requests)]
    lines += [Line("failures", run.failures)] if any(run.failures.values) else []
    if run.requests:
        yield Panel("Requests", "requests/s", tuple(lines))
    if percentiles := tuple(line for line in run.percentiles if line.series):
        yield Panel("Response time", "Milliseconds", percentiles)
    if run.users:
        yield Panel("Users", "", (Line("users", run.users),))
    if run.workers:
        yield Panel("Workers", "", (Line("workers", run.workers),))
    if run.cpu:
        lines = [Line("busiest process" if run.workers else "CPU", run.cpu)]
        lines += [Line("mean of processes", run.cpu_mean)] if run.cpu_mean and run.workers else []
        limit = (GENERATOR_LIMIT_PERCENT, "limit of the load generator")
        yield Panel("Load generator: CPU", "Percent", tuple(lines), limit)
    if run.memory:
        line = Line("largest process" if run.workers else "memory", run.memory)
        yield Panel("Load generator: memory", "Bytes", (line,))


def run_notes(record: Record, now: float) -> Iterator[str]:
    """What readers need to know about the run."""
    state = Entry.of(record).state(now)
    if state == "killed":
        yield (
            "The run was killed: it has no stop and no receipt. Its own numbers are those of the last update of its"
            f" record, {elapsed(record.end(now) - record.started)} after the start."
        )
    elif state == "running" and record.stopped is None:
        yield f"The run is under way. The report shows it as of {elapsed(now - record.started)} after the start."
    if reason := record.receipt.get("stop_reason"):
        yield f"{reason}."
    if errors := record.receipt.get("user_errors"):
        yield f"{errors:,} exceptions in tasks are not requests, and are in no chart: see the log events user_error."


def own_notes(run: OwnNumbers, reason: str) -> Iterator[str]:
    """What readers need to know about the run's own numbers."""
    yield f"{reason} The load is from the run's own numbers: each point covers {_duration(run.period)}."
    if run.summary.is_approximate:
        yield "Response times are from the reports of workers: they are rounded, and include those of failed requests."
    warm_up = run.counted_from - run.record.started
    if run.record.option("warmup") and warm_up >= 1:
        yield f"The charts of requests begin after the warm-up of {_duration(round(warm_up))}."


def cloudwatch_notes(run: RunMetrics) -> Iterator[str]:
    """What readers need to know about the metrics of the load."""
    yield from _completeness(run)
    if run.period > run.resolution:
        finer = "is kept for three hours only" if run.shortest > run.resolution else "would be too dense to read"
        yield f"Each point covers {_duration(run.period)}: data of a higher resolution {finer}."
    if len(run.hosts) > MAX_HOSTS_DRAWN:
        yield f"The charts show the response times of the {MAX_HOSTS_DRAWN} busiest of {len(run.hosts)} hosts."


def generator_notes(run: RunSeries, saturated: float | None) -> Iterator[str]:
    """A note if the load generator may have been the bottleneck.

    Args:
        run: The metrics of the run.
        saturated: The time at which the target saturated, if it did.

    """
    cpu = run.median_cpu(saturated)
    if cpu is not None and cpu >= GENERATOR_LIMIT_PERCENT:
        yield (
            f"A load generator used {cpu:.0f} % of a core: it may have limited the load instead of the target. To"
            " find the saturation of the target, use more workers or machines."
        )


def _completeness(run: RunMetrics) -> Iterator[str]:
    made = sum(series["requests"] for series in run.hosts)
    if run.observed > made * (1 + _TOLERANCE):
        yield (
            f"CloudWatch has {run.observed:,.0f} requests in the time of the run, and the run made {made:,}: the charts"
            " include another run against the same host."
        )
    elif run.observed < made * (1 - _TOLERANCE):
        undelivered = run.record.receipt.get("requests", {}).get("spooled", 0)
        advice = (
            f"{undelivered:,} are undelivered on this machine. Send them with: {run.record.replay_command}"
            if undelivered
            else "If the run has just ended, create the report again in some minutes."
        )
        yield f"CloudWatch has {run.observed:,.0f} of the run's {made:,} requests. {advice}"


def _duration(seconds: int) -> str:
    return f"{seconds // _MINUTE} min" if seconds >= _MINUTE and seconds % _MINUTE == 0 else f"{seconds} s"
