"""What a kind of AWS resource consists of: the forms of its IDs, and its metrics as data."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from locust_cw._aws.graph_metric import Dimensions, Divisor, Metric, Signal


@dataclass(frozen=True)
class IdForm:
    """One form that the IDs of a kind can have.

    Attributes:
        pattern: The whole ID.
        dimensions: The dimensions of the metrics. In their values, `{id}` stands for the whole ID, and the name of a
            group of the pattern for its text.
        signals: The signals. Their metrics have only the dimensions that they add to those of the resource.

    """

    pattern: re.Pattern[str]
    dimensions: Dimensions
    signals: tuple[Signal, ...]

    def signals_of(self, identifier: str) -> tuple[Signal, ...] | None:
        """The signals of the resource with this ID; None if the ID does not have this form."""
        match = self.pattern.fullmatch(identifier)
        if match is None:
            return None
        parts = match.groupdict() | {"id": identifier}
        own = tuple((name, value.format(**parts)) for name, value in self.dimensions)
        return tuple(
            replace(
                signal,
                metrics=tuple(replace(metric, dimensions=own + metric.dimensions) for metric in signal.metrics),
            )
            for signal in self.signals
        )


@dataclass(frozen=True)
class Kind:
    """A kind of AWS resource.

    Attributes:
        noun: What the resource is, in the middle of a sentence.
        expected: The form of its IDs, for help texts and error messages.
        forms: The forms of its IDs. An ID has the first one that matches.

    """

    noun: str
    expected: str
    forms: tuple[IdForm, ...]


class Namespace:
    """Makes the metrics of one namespace, without the dimensions of the resource."""

    def __init__(self, name: str, region: str | None = None) -> None:
        """A namespace, and the region that stores its metrics if not the one that the test publishes to."""
        self._name = name
        self._region = region

    def __call__(self, name: str, stat: str, label: str, *extra: tuple[str, str]) -> Metric:
        """A metric with a statistic."""
        return Metric(label, self._name, name, extra, stat, self._region)

    def rate(self, name: str, label: str, *extra: tuple[str, str], divisor: Divisor = "PERIOD") -> Metric:
        """The sum per second."""
        return Metric(label, self._name, name, extra, "Sum", self._region, divisor)

    def percentiles(self, name: str) -> tuple[Metric, ...]:
        """The metric as p50, p95 and p99."""
        return tuple(self(name, percentile, percentile) for percentile in ("p50", "p95", "p99"))


def id_form(pattern: str, dimensions: Dimensions, *signals: Signal) -> IdForm:
    """A form with its pattern as text."""
    return IdForm(re.compile(pattern), dimensions, signals)
