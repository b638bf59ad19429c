"""The grammar of `--cw-target KIND:ID`: from a text to an AWS resource under test and the metrics that describe it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._aws.graph_metric import Metric, Signal
from locust_cw._aws.target_catalog import KINDS

if TYPE_CHECKING:
    from locust_cw._aws.graph_metric import Dimensions

METRIC_KIND = "metric"
"""The kind of a target that is one metric, with its statistic."""

_METRIC_FORM = "NAMESPACE/NAME{Dimension=Value,...}:STATISTIC, such as metric:App/QueueLength{Pool=web}:Maximum"
_METRIC = re.compile(
    r"(?P<namespace>[^{}]+)/(?P<name>[^/{}:]+)(?:\{(?P<dimensions>.*)\})?:(?P<stat>[A-Za-z0-9.]+|[A-Z]{2}\([^()]*\))"
)
_DIMENSION = re.compile(r'\s*([^=,"]+?)\s*=\s*(?:"([^"]*)"|([^,"]*?))\s*(?:,|$)')
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
_NUMBER = r"(?:100(?:\.0+)?|\d{1,2}(?:\.\d+)?)"
_STATISTIC = re.compile(
    r"Average|Sum|Minimum|Maximum|SampleCount|IQM"
    rf"|(?:p|tm|wm|tc|ts){_NUMBER}"
    rf"|(?:TM|WM|TC|TS)\({_NUMBER}?%?:{_NUMBER}?%?\)"
    r"|(?:TM|WM|TC|TS|PR)\((?:-?\d+(?:\.\d+)?)?:(?:-?\d+(?:\.\d+)?)?\)"
)

STATISTICS = ("Average", "Sum", "Minimum", "Maximum", "SampleCount")
"""The basic statistics, which every metric has."""

FORMS = (*(f"{name}:{kind.expected}" for name, kind in KINDS.items()), f"{METRIC_KIND}:{_METRIC_FORM}")
"""The form of each kind of target, for help texts."""


@dataclass(frozen=True)
class Target:
    """An AWS resource under test.

    Attributes:
        text: The value of the option.
        kind: The part before the colon.
        title: Its name in headings.
        signals: The metrics that describe it, one signal per graph.

    """

    text: str
    kind: str
    title: str
    signals: tuple[Signal, ...]


def parse(text: str) -> Target:
    """Parse `KIND:ID`.

    Raises:
        InvalidOptionError: If there is no such kind, or the ID does not have the form of its kind.

    """
    kind, colon, identifier = text.strip().partition(":")
    if colon and kind == METRIC_KIND:
        return _parse_metric(text, identifier)
    known = KINDS.get(kind) if colon else None
    if known is None:
        kinds = ", ".join((*KINDS, METRIC_KIND))
        raise _invalid(text, "there is no such kind of target", f"KIND:ID, where KIND is one of {kinds}")
    found = (form.signals_of(identifier) for form in known.forms)
    signals = next((signals for signals in found if signals is not None), None)
    if signals is None:
        raise _invalid(text, f"{identifier!r} is not the ID of a resource of kind {kind}", f"{kind}:{known.expected}")
    return Target(text, kind, f"{known.noun[0].upper()}{known.noun[1:]} {identifier}", signals)


def is_statistic(text: str) -> bool:
    """Whether CloudWatch has this statistic."""
    return _STATISTIC.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Whether a metric, a namespace or a dimension can have this name."""
    return _is_valid(text, _core.MAX_NAME_CHARS)


def _parse_metric(text: str, identifier: str) -> Target:
    form = f"{METRIC_KIND}:{_METRIC_FORM}"
    match = _METRIC.fullmatch(identifier)
    if match is None:
        raise _invalid(text, "it is not a metric with a statistic", form)
    namespace, name, stat = match["namespace"].strip(), match["name"].strip(), match["stat"]
    for what, value in (("namespace", namespace), ("name", name)):
        if not is_name(value):
            raise _invalid(text, f"the {what} {value!r} must be 1 to {_core.MAX_NAME_CHARS} ASCII characters", form)
    if not is_statistic(stat):
        raise _invalid(text, f"unknown statistic {stat}", f"{', '.join(STATISTICS)}, p99 or similar")
    metric = Metric(f"{name} {stat}", namespace, name, _parse_dimensions(text, match["dimensions"] or ""), stat)
    return Target(text, METRIC_KIND, f"Metric {identifier}", (Signal(f"{name} {stat}", (metric,)),))


def _parse_dimensions(text: str, listed: str) -> Dimensions:
    form = f"{METRIC_KIND}:{_METRIC_FORM}"
    dimensions: dict[str, str] = {}
    rest = listed
    while rest.strip():
        match = _DIMENSION.match(rest)
        if match is None:
            raise _invalid(text, f"{rest!r} is not Dimension=Value", form)
        name, value = match[1], match[2] or match[3] or ""
        if name in dimensions:
            raise _invalid(text, f"the dimension {name} occurs twice", form)
        if not is_name(name) or not _is_valid(value, _core.MAX_VALUE_CHARS):
            raise _invalid(text, f"the dimension {name}={value} is empty, too long or not ASCII", form)
        dimensions[name] = value
        rest = rest[match.end() :]
    if len(dimensions) > _core.MAX_DIMENSIONS:
        raise _invalid(text, f"a metric has at most {_core.MAX_DIMENSIONS} dimensions", form)
    return tuple(dimensions.items())


def _is_valid(value: str, longest: int) -> bool:
    return 0 < len(value) <= longest and value.isascii() and value.isprintable() and bool(value.strip())


def _invalid(text: str, problem: str, expected: str) -> _core.InvalidOptionError:
    return _core.InvalidOptionError("target", f"{text!r}: {problem}; expected {expected}")
