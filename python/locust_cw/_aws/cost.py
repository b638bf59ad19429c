"""What a test will cost, by the load that is planned: `locust-cw cost`, and what a test tells when it starts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from locust_cw import _core

EVENT_BYTES = 300
"""Of a JSON log event's text, measured over the tests' own requests; names, errors and contexts make it longer."""
MAX_VALUES = 300
"""Buckets of 1 % that response times from 10 ms to some seconds fall into: more distinct values there are not."""
GAUGES = 3
"""UserCount, GeneratorCpu_Percent, GeneratorMemory_Bytes. With workers there is WorkerCount too."""

GB = 1024**3

_DATUM_BYTES = 300
_VALUE_BYTES = 18


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
        return self.log_events * (self.event_bytes + _core.EVENT_OVERHEAD_BYTES)

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
            times = sum(_chance(number) * max(1, math.ceil(number / _core.MAX_VALUES_PER_DATUM)) for number in values)
            datums += series * (counts + sizes + times)
            size += series * ((counts + sizes + times) * _DATUM_BYTES + (sum(values) + values[0]) * _VALUE_BYTES)
        return datums, size


def _chance(expected: float) -> float:
    """That there is at least one of so many expected ones."""
    return 1 - math.exp(-expected)


def _full_calls(datums: float, size: float) -> int:
    return max(1, math.ceil(datums / _core.MAX_DATUMS), math.ceil(size / _core.MAX_METRICS_BYTES))


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
