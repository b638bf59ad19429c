"""What a dashboard shows: the parts of a test's options that decide its widgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from locust_cw import _core

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from locust_cw._aws.targets import Target


@dataclass(frozen=True)
class CustomMetric:
    """A custom metric of a run.

    Attributes:
        name: The name of the metric.
        kind: `gauge` or `count`.
        unit: The unit.
        dimensions: The names of its dimensions, in addition to those of all metrics.

    """

    name: str
    kind: str
    unit: str
    dimensions: tuple[str, ...]

    @classmethod
    def of(cls, metric: _core.CustomMetric) -> CustomMetric:
        """The metric of the core."""
        return cls(metric.name, metric.kind, metric.unit, tuple(metric.dimensions))


@dataclass(frozen=True)
class View:
    """What a dashboard shows.

    Attributes:
        region: The region that the test publishes to.
        namespace: The namespace of the test's metrics.
        series: The dimensions of a series: `Host`, `Request`, `Method`, `RunId`.
        logs: Which requests are logged: `all`, `failures` or `off`.
        log_format: `json` or `text`.
        log_fields: `full` or `compact`: which fields the log event of a request has.
        log_group: The log group.
        resolution: Seconds between two values of the test's metrics.
        host: The host under test, as the dimension has it; None if the user classes have hosts of their own.
        host_label: The host as the user wrote it; None for the same as `host`.
        constants: The dimensions that all metrics have.
        targets: The AWS resources under test.
        checks: The checks of the test, whose limits are drawn.
        custom_metrics: The custom metrics of the test, as far as they are known.

    """

    # No attribute that an option decides has a default here: the core has the defaults of the options.
    region: str
    namespace: str
    series: tuple[str, ...]
    logs: str
    log_format: str
    log_fields: str
    log_group: str
    resolution: int
    host: str | None = None
    host_label: str | None = None
    constants: tuple[tuple[str, str], ...] = ()
    targets: tuple[Target, ...] = ()
    checks: tuple[_core.Check, ...] = ()
    custom_metrics: tuple[CustomMetric, ...] = ()

    @classmethod
    def of(
        cls, options: Mapping[str, Any], *, region: str, host: str | None = None, targets: Sequence[Target] = ()
    ) -> View:
        """The view of a test with these options of the core. Options that are absent or None have their defaults."""
        chosen = {**_core.default_options(), **{name: value for name, value in options.items() if value is not None}}
        constants = [pair.partition("=") for pair in chosen["dimension"] or ()]
        return cls(
            region=region,
            namespace=chosen["namespace"],
            series=tuple(dict.fromkeys(name.strip() for name in chosen["dimensions"].split(","))),
            logs=chosen["logs"],
            log_format=chosen["log_format"],
            log_fields=chosen["log_fields"],
            log_group=chosen["log_group"],
            resolution=chosen["resolution"],
            host=None if host is None else _core.dimension_value(_core.public_host(host)),
            # With a password or a query, only the host that is published can be shown.
            host_label=None if host is None or set("@?") & set(host) else host.rstrip("/"),
            constants=tuple((name.strip(), _core.dimension_value(value.strip())) for name, _, value in constants),
            targets=tuple(targets),
            checks=tuple(_core.parse_check(text) for text in dict.fromkeys(chosen["check"] or ())),
        )
