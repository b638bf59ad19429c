"""Custom metrics and marks of a test with Locust: `gauge`, `count` and `mark`, for tasks and hooks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from locust_cw._plugin.listener import listeners
from locust_cw._plugin.run import TestRun

if TYPE_CHECKING:
    from locust_cw import _core
    from locust_cw._plugin.run import Times

# For the hooks of `test_stop`. A greenlet that never ends would publish for as long as the process runs.
_AFTER_STOP_S = 10.0


def gauge(name: str, value: float, /, *, unit: str = "None", **dimensions: str | float) -> None:
    """Record the present value of a custom metric of the current run, such as the length of a queue.

    CloudWatch gets all values of a second: their average, minimum, maximum and percentiles are over the values of all
    processes. The metric has the dimension `Host`, those of ``--cw-dimension``, and `dimensions`.

    Call it in any task or hook. Without a run it does nothing: before the test starts, with ``--cw-disable``, and from
    ten seconds after the test has stopped. It never raises an exception because of an argument: locust-cw ignores an
    invalid value, counts it in the receipt, and logs the first of each kind.

    Args:
        name: Name of the metric: up to 255 ASCII characters, and not the name of a metric of locust-cw.
        value: Number from 0 to 2^360.
        unit: Unit of CloudWatch, such as ``Count``, ``Percent`` or ``Bytes/Second``.
        **dimensions: Dimensions by name, such as ``pool="web"``. Each combination of values is a metric with its own
            cost. A process has at most 200; further ones have the value ``(other)``.

    """
    _record("gauge", name, value, unit, dimensions)


def count(name: str, value: float = 1, /, *, unit: str = "Count", **dimensions: str | float) -> None:
    """Add to a custom metric of the current run, such as the number of tokens that a service has used.

    CloudWatch gets the sum of each second, and its statistic `Sum` adds up all processes. Apart from that, it is like
    `gauge`.

    Args:
        name: Name of the metric, as for `gauge`, but not that of a gauge.
        value: Number to add, from 0 on.
        unit: Unit of CloudWatch.
        **dimensions: Dimensions by name, as for `gauge`.

    """
    _record("count", name, value, unit, dimensions)


def mark(text: str, /) -> None:
    """Mark the present moment of the current run, such as the start of a deployment.

    The mark is a log event `mark`, a vertical line on the dashboard and in the report, and part of the run's record.
    Marks of several processes with the same text within five seconds are one line: a hook runs in every process.

    Like `gauge`, it never raises an exception because of its argument, and does nothing without a run. A process can
    make 100 marks per minute and 1,000 per run.

    Args:
        text: What happened. It becomes one line of up to 256 characters, without the values in URLs, as in log events.

    """
    publisher = _publisher()
    if publisher is not None:
        publisher.mark(text, in_test=True)


def _record(kind: str, name: str, value: float, unit: str, dimensions: dict[str, str | float]) -> None:
    publisher = _publisher()
    if publisher is not None:
        publisher.custom(kind, name, value, unit, dimensions, in_test=True)


def _publisher() -> _core.Publisher | _core.CustomCollector | None:
    """What records the data of the run that started last in this process; None if it takes no more data."""
    latest = TestRun.latest()
    if latest is not None and latest.is_attached and latest.times.stopped is None:
        return latest.publisher
    known = [listener() for listener in list(listeners.values())]
    sessions = [listener.session for listener in known if listener is not None]
    runs = [session.run for session in sessions]
    found: list[tuple[Times, _core.Publisher | _core.CustomCollector]] = [
        *((run.times, run.publisher) for run in runs if run is not None),
        *(session.role.forwarding for session in sessions if session.role.forwarding is not None),
    ]
    if not found:
        return None
    times, publisher = max(found, key=lambda each: each[0].started)
    return None if times.stopped is not None and time.time() - times.stopped > _AFTER_STOP_S else publisher
