"""What a report tells of a run: all that is asked of CloudWatch and concluded from it, before anything is drawn."""

from __future__ import annotations

import bisect
import math
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from locust_cw import _core
from locust_cw._aws.account import Account, message_of
from locust_cw._aws.metric_data import FRESH_S, LATE_S, shortest_period
from locust_cw._aws.targets import Metric
from locust_cw._report import query as _query
from locust_cw._report import saturation as _saturation
from locust_cw._report.query import Series
from locust_cw._runs.record import LOCAL_IS_GONE, neighbours, span_of
from locust_cw._terminal.redaction import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from locust_cw._aws.metric_data import Call
    from locust_cw._aws.targets import Target
    from locust_cw._report.saturation import Saturation
    from locust_cw._runs.record import Record

    AccountOf: TypeAlias = "Callable[[str | None], Call]"

PERCENTILES = ("p50", "p95", "p99")
GENERATOR_LIMIT_PERCENT = 90.0
"""Of a processor, from which on the load generator may be what limits: Locust warns there, too."""

_SINGLE = "Metrics of the target"
_MOST_HOSTS_DRAWN = 5
# Of a period that lies in the test only in part: a shorter one says nothing of the rate.
_SHORTEST_PART_S = 5.0
_MARGIN = 0.03
_SAME = 0.01


class NothingThereError(Exception):
    """CloudWatch has nothing of the run; the message says why, as far as can be told, and what to do."""


@dataclass(frozen=True)
class Line:
    """One line of a chart."""

    label: str
    series: Series


@dataclass(frozen=True)
class Panel:
    """Lines in one unit.

    Attributes:
        title: What they are.
        unit: Of their values, in CloudWatch's words or as people say it.
        lines: At least one, each with values.
        limit: A value to mark, with what it means.

    """

    title: str
    unit: str
    lines: tuple[Line, ...]
    limit: tuple[float, str] | None = None


@dataclass(frozen=True)
class Group:
    """The panels of the load, or of one target."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: The request's; empty for all of a host.
        method: Where series have one.
        host: The host; empty where they have none.
        requests: How many, as the run counted them.
        failures: How many of them failed.
        requests_per_s: On average over the run.
        mean: Of the successful requests, in milliseconds; None where CloudWatch has none.
        percentiles: The same, in the order of `PERCENTILES`.

    """

    name: str
    method: str
    host: str
    requests: int
    failures: int
    requests_per_s: float
    mean: float | None
    percentiles: tuple[float | None, ...]


@dataclass
class Findings:
    """All that a report tells.

    Attributes:
        record: The run.
        started: When it started, in seconds since the epoch.
        ramped_up: When the most users were first there; None if that cannot be told.
        stopped: When it stopped.
        ended: When the last of its requests had ended, which may be after the stop.
        period: Seconds of the charts' periods.
        groups: The load first, then the targets.
        saturation: Where the target saturates.
        total: All requests.
        rows: Those of each name, most first; several hosts have a row each before them.
        highest_rate: Requests/s in the busiest period.
        highest_users: Users.
        workers: The most there were; 0 in a run without.
        notes: What a reader has to know.

    """

    record: Record
    started: float
    ramped_up: float | None
    stopped: float
    ended: float
    period: int
    groups: list[Group]
    saturation: Saturation
    total: Row
    rows: list[Row]
    highest_rate: float
    highest_users: float
    workers: int
    notes: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """How long the run was."""
        return self.stopped - self.started

    @property
    def verdict(self) -> str:
        """Where the target saturates, in one sentence."""
        found = self.saturation
        if found.users is None or found.requests_per_s is None:
            said = "not reached" if found.state == "not_reached" else "cannot be told"
            return f"Saturation {said}: {found.reason}."
        slower = ""
        if found.latency_before and found.latency_after and found.latency_after > found.latency_before:
            slower = f"; mean response times grow from {found.latency_before:,.0f} to {found.latency_after:,.0f} ms"
        if found.state == "from_start":
            return (
                f"The target is saturated from the start: {found.requests_per_s:,.0f} requests/s with"
                f" {found.users:,.0f} users, the lowest load there was{slower}."
            )
        return f"The target saturates at {found.requests_per_s:,.0f} requests/s, with {found.users:,.0f} users{slower}."


def account_of(
    options: Mapping[str, Any], *, recorded: Mapping[str, Any] | None = None, account: str | None = None
) -> AccountOf:
    """The accounts that options name: a function from a region, or None for that of the options, to its calls.

    Args:
        options: Those of an `Account`.
        recorded: The destination that the run's record tells.
        account: The account that the credentials must belong to, if not the recorded one.

    """
    known: dict[str | None, Account] = {}

    def call_in(region: str | None) -> Call:
        if region not in known:
            where = dict(options) | ({} if region is None else {"region": region})
            # Else Ctrl-C would be heard of when the call is over.
            known[region] = Account(where, time.sleep, recorded=recorded, account=account)
        return known[region].call

    return call_in


def gather(record: Record, targets: Sequence[Target], accounts: AccountOf, now: float | None = None) -> Findings:
    """Ask CloudWatch about a run, and conclude.

    Args:
        record: The run.
        targets: What it loaded.
        accounts: Where to ask.
        now: Seconds since the epoch.

    Raises:
        AwsError: If AWS refused a call about the run, or it did not reach it.
        NothingThereError: If CloudWatch has nothing of the run.

    """
    now = time.time() if now is None else now
    resolution = int(record.option("resolution") or 1)
    shortest = shortest_period(record.started, now, resolution)
    if record.option("dry_run") or shortest is None or not record.roll_ups:
        raise NothingThereError(_why_nothing(record, now))
    stopped = min(now, record.started + 86_400) if record.stopped is None else record.stopped
    load = _Load(record, accounts(None), shortest, stopped)
    if not load.in_all:
        raise NothingThereError(_why_nothing(record, now))
    if record.stopped is None:
        load.stopped = max(load.requests.times, default=record.started) + load.period
    saturation = _saturation.find(load.samples(), load.period)
    groups, notes = [Group("Load", tuple(load.panels()))], load.notes()
    for target in targets:
        group, note = _look_at(target, accounts, load)
        notes += [note] if note else []
        if group.panels and target.kind == "metric" and groups[-1].title == _SINGLE:
            groups[-1] = Group(_SINGLE, groups[-1].panels + group.panels)
        elif group.panels:
            groups.append(group)
    cpu = load.generator_cpu(saturation.time)
    if cpu is not None and cpu >= GENERATOR_LIMIT_PERCENT:
        notes.append(
            f"A load generator used {cpu:.0f} % of a processor: it may be what limited the load, and not the target."
            " Use more workers or machines before you trust the point of saturation."
        )
    total, rows = load.table()
    return Findings(
        record=record,
        started=record.started,
        ramped_up=load.ramped_up,
        stopped=load.stopped,
        ended=load.ended,
        period=load.period,
        groups=groups,
        saturation=saturation,
        total=total,
        rows=rows,
        highest_rate=max(load.requests.values, default=0),
        highest_users=max(load.users.values, default=0),
        workers=int(max(load.workers.values, default=0)),
        notes=notes,
    )


class _Load:
    """What CloudWatch holds of the run's own metrics."""

    def __init__(self, record: Record, call: Call, shortest: int, stopped: float) -> None:
        self._record = record
        self._call = call
        self._shortest = shortest
        self._resolution = int(record.option("resolution") or 1)
        self.stopped = stopped
        self._margin = max(2.0, _MARGIN * (stopped - record.started))
        self.period = _query.chart_period(record.started, stopped + self._margin, shortest)
        begin, end = span_of(record, neighbours(record))
        end = min(end, math.ceil(stopped) + LATE_S)
        # CloudWatch's periods begin at multiples of their length.
        self._span = begin // self.period * self.period, -(-end // self.period) * self.period
        self._hosts = sorted(record.roll_ups, key=lambda series: -series["requests"])
        self._ask()

    @property
    def ended(self) -> float:
        """When the last of its requests had ended: at the stop, or after it."""
        late = [begin + self.period for begin in self.requests.times if begin >= self.stopped]
        return max([self.stopped, *late])

    @property
    def start(self) -> float:
        """From when on to ask for what is drawn beside it."""
        return (self._record.started - self._margin) // self.period * self.period

    @property
    def end(self) -> float:
        """Until when."""
        return ((self.ended + self._margin) // self.period + 1) * self.period

    def _metric(self, name: str, stat: str, dimensions: Mapping[str, str], label: str = "") -> Metric:
        return Metric(label or name, self._record.option("namespace"), name, tuple(dimensions.items()), stat)

    def _ask(self) -> None:
        hosts = [series["dimensions"] for series in self._hosts]
        sums = ("RequestCount", "FailureCount", "ResponseTime_ms")
        metrics = [self._metric(name, "Sum", host) for name in sums for host in hosts]
        metrics += [self._metric("ResponseTime_ms", "SampleCount", host) for host in hosts]
        drawn = self._hosts[:_MOST_HOSTS_DRAWN]
        # Percentiles of several hosts cannot be put together.
        times = (
            [(host["dimensions"], "p95") for host in drawn] if len(hosts) > 1 else [(hosts[0], p) for p in PERCENTILES]
        )
        metrics += [self._metric("ResponseTime_ms", stat, host) for host, stat in times]
        own = _core.dimension_value(self._record.host) if self._record.host else None
        # Most likely first.
        named = sorted({host["Host"] for host in hosts}, key=lambda host: host != own)
        homes = [hosts[0] | {"Host": name} for name in dict.fromkeys([*([own] if own else []), *named, _core.NO_HOST])]
        gauges = (
            # Within a second they are those of the last moment, which may be after the stop.
            ("UserCount", "Maximum" if self.period == 1 else "Average"),
            ("WorkerCount", "Maximum"),
            ("GeneratorCpu_Percent", "Maximum"),
            ("GeneratorCpu_Percent", "Average"),
            ("GeneratorMemory_Bytes", "Maximum"),
        )
        metrics += [self._metric(name, stat, home) for name, stat in gauges for home in homes]
        found = iter(_query.fetch(self._call, metrics, *self._span, self.period))
        counts, failures, durations, timed = ([next(found) for _ in hosts] for _ in range(4))
        self.in_all = sum(sum(series.values) for series in counts)
        self.requests = self._rate(counts)
        self._failures = self._rate(failures)
        self._mean = _quotient(_total(durations), _total(timed))
        self._times = [
            Line(stat if len(hosts) == 1 else f"{stat} {_address(host['Host'])}", next(found)) for host, stat in times
        ]
        self.users, self.workers, self._cpu, self._cpu_mean, self._memory = (
            next((series for series in [next(found) for _ in homes] if series), Series((), (), self.period))
            for _ in gauges
        )

    def _rate(self, counts: Sequence[Series]) -> Series:
        """Per second; of the period of the start and that of the stop, only the part counts in which the test ran."""
        total = _total(counts)
        parts = [self._part(begin) for begin in total.times]
        # Of a very short run there is nothing but parts.
        least = min(self.period / 2, _SHORTEST_PART_S, max(parts, default=0.0))
        points = [
            (begin, value / part)
            for begin, value, part in zip(total.times, total.values, parts, strict=True)
            if part >= least and part > 0
        ]
        return Series(tuple(begin for begin, _ in points), tuple(value for _, value in points), total.period)

    def _part(self, begin: float) -> float:
        """Seconds of a period in which requests ended: those of the test, and after its stop all."""
        end = begin + self.period
        return (min(end, self.stopped) if begin < self.stopped else end) - max(begin, self._record.started)

    def samples(self) -> list[_saturation.Sample]:
        """What was seen in each period that lies within the test."""
        failures = dict(zip(self._failures.times, self._failures.values, strict=True))
        latencies = dict(zip(self._mean.times, self._mean.values, strict=True))
        samples = []
        for begin, rate in zip(self.requests.times, self.requests.values, strict=True):
            users = _at(self.users, begin)
            if users is None or begin < self._record.started or begin + self.period > self.stopped:
                continue
            failed = min(failures.get(begin, 0.0), rate)
            share = failed / rate if rate else 0.0
            samples.append(_saturation.Sample(begin, users, rate - failed, latencies.get(begin), share))
        return samples

    @property
    def ramped_up(self) -> float | None:
        """When the most users were first there: a load in steps reaches each of them, and Locust tells of the first."""
        told = self._record.ramped_up
        if not self.users:
            return told
        most = max(self.users.values)
        seen = next(begin for begin, value in zip(self.users.times, self.users.values, strict=True) if value >= most)
        return told if told is not None and seen - told < 2 * self.period else max(seen, self._record.started)

    def generator_cpu(self, since: float | None) -> float | None:
        """Median of the busiest process's use of a processor, since a moment or in the whole test."""
        begun = self._record.started if since is None else since
        seen = [
            value
            for begin, value in zip(self._cpu.times, self._cpu.values, strict=True)
            if begun <= begin < self.stopped
        ]
        return statistics.median(seen) if seen else None

    def panels(self) -> Iterable[Panel]:
        lines = [Line("requests", self.requests)]
        lines += [Line("failures", self._failures)] if any(self._failures.values) else []
        if self.requests:
            yield Panel("Requests", "requests/s", tuple(lines))
        if times := tuple(line for line in self._times if line.series):
            yield Panel("Response time", "Milliseconds", times)
        if self.users:
            yield Panel("Users", "", (Line("users", self.users),))
        if self.workers:
            yield Panel("Workers", "", (Line("workers", self.workers),))
        if self._cpu:
            lines = [Line("busiest process" if self.workers else "CPU", self._cpu)]
            lines += [Line("mean of processes", self._cpu_mean)] if self.workers else []
            limit = (GENERATOR_LIMIT_PERCENT, "the generator is the limit")
            yield Panel("Load generator: CPU", "Percent", tuple(lines), limit)
        if self._memory:
            yield Panel(
                "Load generator: memory",
                "Bytes",
                (Line("largest process" if self.workers else "memory", self._memory),),
            )

    def notes(self) -> list[str]:
        record = self._record
        notes = []
        observed = sum(series["requests"] for series in self._hosts)
        if self.in_all > observed * (1 + _SAME):
            notes.append(
                f"CloudWatch holds {self.in_all:,.0f} requests of this time, the run made {observed:,}: another run"
                " against the same host at the same time is in these charts, too."
            )
        elif self.in_all < observed * (1 - _SAME):
            waits = record.receipt.get("requests", {}).get("spooled", 0)
            advice = (
                f"{waits:,} wait on this machine: {record.replay_command}"
                if waits
                else "if the run has just ended, make the report again in some minutes"
            )
            notes.append(f"CloudWatch holds {self.in_all:,.0f} of the run's {observed:,} requests so far; {advice}.")
        if self.period > self._resolution:
            why = "is kept for three hours" if self._shortest > self._resolution else "would be too dense to read"
            notes.append(f"Each point stands for {_seconds(self.period)}: CloudWatch's finer data {why}.")
        if len(self._hosts) > _MOST_HOSTS_DRAWN:
            notes.append(f"Of {len(self._hosts)} hosts, response times are drawn of the {_MOST_HOSTS_DRAWN} busiest.")
        return notes

    def table(self) -> tuple[Row, list[Row]]:
        """All requests, and the rows of hosts and names."""
        names = [series for series in self._record.series if series not in self._hosts]
        asked = [*self._hosts, *sorted(names, key=lambda series: -series["requests"])]
        wanted = (*PERCENTILES, "Sum", "SampleCount")
        start = self._record.started // self._resolution * self._resolution
        end = self.stopped + LATE_S
        found = _query.fetch(
            self._call,
            [self._metric("ResponseTime_ms", stat, series["dimensions"]) for series in asked for stat in wanted],
            start,
            end,
            _query.whole_period(start, end, self._shortest),
        )
        rows = []
        for index, series in enumerate(asked):
            values = [part.values[-1] if part else None for part in found[index * len(wanted) :][: len(wanted)]]
            rows.append(self._row(series, tuple(values[:-2]), values[-2], values[-1]))
        hosts, rest = rows[: len(self._hosts)], rows[len(self._hosts) :]
        if len(hosts) == 1:
            return hosts[0], rest
        count = self._mean_of_all(found[: len(hosts) * len(wanted)], len(wanted))
        requests, failures = sum(row.requests for row in hosts), sum(row.failures for row in hosts)
        rate = requests / self._seconds
        return Row("", "", "", requests, failures, rate, count, (None,) * len(PERCENTILES)), hosts + rest

    @staticmethod
    def _mean_of_all(found: Sequence[Series], width: int) -> float | None:
        duration = sum(sum(series.values) for series in found[width - 2 :: width])
        count = sum(sum(series.values) for series in found[width - 1 :: width])
        return duration / count if count else None

    @property
    def _seconds(self) -> float:
        return max(1.0, self.stopped - self._record.started)

    def _row(
        self,
        series: Mapping[str, Any],
        percentiles: tuple[float | None, ...],
        duration: float | None,
        count: float | None,
    ) -> Row:
        dimensions = series["dimensions"]
        return Row(
            name=dimensions.get("Request", ""),
            method=dimensions.get("Method", ""),
            host=dimensions.get("Host", ""),
            requests=series["requests"],
            failures=series["failures"],
            requests_per_s=series["requests"] / self._seconds,
            mean=duration / count if duration is not None and count else None,
            percentiles=percentiles,
        )


def _look_at(target: Target, accounts: AccountOf, load: _Load) -> tuple[Group, str | None]:
    """A target's panels; and a note where there is nothing to see, which does not stop the report."""
    panels = []
    for signal in target.signals:
        lines = []
        for region in dict.fromkeys(metric.region for metric in signal.metrics):
            metrics = [metric for metric in signal.metrics if metric.region == region]
            try:
                found = _query.fetch(accounts(region), metrics, load.start, load.end, load.period)
            except _core.AwsError as error:
                return Group(target.title, ()), f"{target.text} is not shown: {message_of(error)}"
            lines += [Line(metric.label, series) for metric, series in zip(metrics, found, strict=True) if series]
        if lines:
            panels.append(Panel(signal.title, signal.unit, tuple(lines)))
    if panels and target.kind == "metric":
        # What was given is all there is to say of it.
        return Group(_SINGLE, tuple(_renamed(panel, target.text.removeprefix("metric:")) for panel in panels)), None
    if panels:
        return Group(target.title, tuple(panels)), None
    return Group(target.title, ()), (
        f"{target.text} is not shown: CloudWatch has no data of it in this time. Check its name and region; metrics"
        " of AWS's services come once a minute or more rarely, and some minutes late."
    )


def _address(host: str) -> str:
    return host.partition("://")[2] or host


def _renamed(panel: Panel, title: str) -> Panel:
    return replace(panel, title=title, lines=tuple(replace(line, label=title) for line in panel.lines))


def _total(parts: Sequence[Series]) -> Series:
    totals: defaultdict[float, float] = defaultdict(float)
    for part in parts:
        for begin, value in zip(part.times, part.values, strict=True):
            totals[begin] += value
    times = tuple(sorted(totals))
    return Series(times, tuple(totals[begin] for begin in times), parts[0].period)


def _quotient(dividend: Series, divisor: Series) -> Series:
    divisors = dict(zip(divisor.times, divisor.values, strict=True))
    pairs = [
        (begin, value / divisors[begin])
        for begin, value in zip(dividend.times, dividend.values, strict=True)
        if divisors.get(begin)
    ]
    return Series(tuple(begin for begin, _ in pairs), tuple(value for _, value in pairs), dividend.period)


def _at(series: Series, begin: float) -> float | None:
    """The value of a period, or of one just before it: a sample may be late."""
    index = bisect.bisect_right(series.times, begin) - 1
    if index < 0 or begin - series.times[index] > 2 * series.period:
        return None
    return series.values[index]


def _why_nothing(record: Record, now: float) -> str:  # noqa: PLR0911 - one reason after the other
    """Why there is nothing to report, as far as the record tells, and what to do."""
    run = f"CloudWatch has no metrics of run {record.run_id}"
    requests = record.receipt.get("requests", {})
    if record.option("dry_run"):
        return f"{run}: it was a dry run, which sends nothing."
    if not requests.get("observed", 0):
        return f"{run}: it made no requests."
    if record.option("local"):
        return f"{run}. {LOCAL_IS_GONE}"
    if not requests.get("delivered", 0):
        if requests.get("spooled", 0):
            return (
                f"{run}: {requests['spooled']:,} requests still wait on this machine. Send them with:"
                f" {record.replay_command}"
            )
        logs = " Only its log events were delivered." if record.receipt.get("log_events", {}).get("delivered") else ""
        return f"{run}: none of its requests were delivered.{logs} Its receipt says what became of them."
    age = now - (record.stopped or record.started)
    if shortest_period(record.started, now) is None:
        return f"{run}: it is more than 15 months old, and CloudWatch keeps metrics no longer."
    given = {name: value for name, value in record.destination.items() if value} | record.account
    given |= {
        "account": given.get("account_id"),
        "endpoint_url": given.get("endpoint_url", given.get("cloudwatch_url")),
    }
    named = {name: given.get(name) for name in ("role_arn", "account", "region", "profile", "endpoint_url")}
    place = without_secrets(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in named.items() if value))
    place = place or "the AWS account and region in use"
    asked = f"{run}: asked for namespace {record.option('namespace')} at {place}."
    if age < FRESH_S:
        return f"{asked} It is fresh: new metrics are to be seen after some minutes. Try again then."
    return (
        f"{asked} If it was published elsewhere, name that with --region, --profile or --endpoint-url. What was sent"
        " hours after the test can take two hours to be seen."
    )


def _seconds(period: int) -> str:
    return f"{period // 60} min" if period >= 60 and period % 60 == 0 else f"{period} s"  # noqa: PLR2004 - seconds
