"""What a test will cost, from the load that is planned. The core estimates the usage and has the prices."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cached_property

from locust_cw import _core

GB = 1024**3

_RECORD_BYTES = 10_000
_RECORD_BYTES_PER_NAME = 4_000
"""Log events of an update of a record, measured with long runs and many different response times. Most take less."""


@dataclass(frozen=True)
class Load:
    """A test before its start.

    Attributes:
        rate: Requests per second, over all processes.
        names: Request names per host.
        minutes: Duration.
        workers: Processes that make requests.
        hosts: Hosts under test.
        failures: Share of failed requests.
        live: Whether it publishes while it runs.
        flush_interval: Seconds between publications in live mode.
        resolution: Seconds per window, 1 or 60.
        logs: `all`, `failures` or `off`.
        log_sample: Share of successful requests that are logged.
        log_fields: `full` or `compact`: which fields the log event of a request has.
        event_bytes: Bytes of the text of a log event; None for an estimate by `log_fields`.
        max_requests: Distinct request names that are published; all others are published as one more.
        record: Whether the record of the run may be written to the log group.
        custom_metrics: Custom metrics, counted with the values of their dimensions.

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
    log_fields: str = "full"
    event_bytes: int | None = None
    max_requests: int = _core.default_options()["max_requests"]
    record: bool = True
    custom_metrics: int = 0

    @cached_property
    def usage(self) -> _core.PlannedUsage:
        """What a run uses of CloudWatch, except for its record."""
        return _core.estimate_usage({name: value for name, value in asdict(self).items() if name != "record"})

    @property
    def record_updates(self) -> int:
        """How often the record of the run is written to the log group."""
        if not self.record or self.logs == "off":
            return 0
        # After the start and every minute; then after the stop, and with the receipt.
        return (1 + math.floor(self.minutes) if self.live else 0) + 2

    @property
    def record_bytes(self) -> int:
        """Bytes of these updates, as CloudWatch counts them."""
        names = min(self.names, self.max_requests + 1)
        return self.record_updates * (_RECORD_BYTES + names * _RECORD_BYTES_PER_NAME)


@dataclass(frozen=True)
class Cost:
    """A cost in USD.

    Attributes:
        metrics: Metrics, which are charged by the hour.
        calls: Calls of PutMetricData.
        logs: Ingestion of log events.
        records: Ingestion of the updates of the run's record.
        reads: Metrics read with GetMetricData.

    """

    metrics: float
    calls: float
    logs: float
    records: float = 0.0
    reads: float = 0.0

    @property
    def total(self) -> float:
        """The sum."""
        return self.metrics + self.calls + self.logs + self.records + self.reads


def cost_of(  # noqa: PLR0913 - each of them has a price
    load: Load, runs: float, hours: int, *, log_class: str, region: str | None, metrics_read: int = 0
) -> Cost:
    """The cost of a number of runs whose metrics have data in a number of hours.

    Args:
        load: The load of a run.
        runs: The number of runs.
        hours: The hours in which metrics have data.
        log_class: The class of the log group.
        region: The region.
        metrics_read: Metrics that a run reads with GetMetricData.

    Raises:
        OverflowError: If the usage exceeds what the core can count.

    """

    def price(**usage: int) -> tuple[float, float]:
        nothing = {"metric_hours": 0, "calls": 0, "log_bytes": 0}
        return _core.estimate_cost(**(nothing | usage), log_class=log_class, region=region)

    usage = load.usage
    return Cost(
        metrics=price(metric_hours=usage.metrics * hours)[0],
        calls=price(calls=math.ceil(usage.calls * runs))[1],
        logs=price(log_bytes=math.ceil(usage.log_bytes * runs))[1],
        records=price(log_bytes=math.ceil(load.record_bytes * runs))[1],
        reads=metrics_read * runs * _core.METRIC_READ_USD,
    )
