"""Reading the values of target checks: each minute while the test runs, and over the whole run at its end."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._aws.metric_data import points_by_metric
from locust_cw._checks.measured_time import MINUTE_S, SETTLED_S
from locust_cw._checks.run_values import RunValues
from locust_cw._checks.target_metrics import by_region, metrics_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from locust_cw._aws.graph_metric import Metric
    from locust_cw._aws.metric_data import AccountOf, Points
    from locust_cw._aws.targets import Target
    from locust_cw._checks.run_values import Measurement
    from locust_cw._checks.target_metrics import TargetCheck, TargetMetrics

    Sleep = Callable[[float], object]

logger = logging.getLogger("locust_cw")

READ_EVERY_S = 60.0
"""Seconds between two calls of `newest`: AWS services publish by the minute."""
POLL_S = 10
"""Seconds between two attempts to read data that has not arrived."""
READ_ONCE_S = 10.0
"""Longest duration of an attempt that is the only one."""
_OLDEST_S = 10 * 60
"""Age of the oldest minute that is read while the test runs. Data is later only during an outage of AWS."""


@dataclass(frozen=True)
class MinuteValue:
    """The value of a check in one minute.

    Attributes:
        start: The start of the minute, in seconds since the epoch.
        value: The value.

    """

    start: float
    value: float


class _TimeUpError(Exception):
    """The time to wait for AWS is over."""


class TargetChecks:
    """Reads the values of target checks. All methods return their results in the order of the checks.

    Args:
        checks: Checks whose scope is a target.
        targets: The AWS resources under test.
        accounts: Makes the accounts to read from, by region, which wait with the given function.
        sleep: Waits: `gevent.sleep` beside users, `time.sleep` in a command.

    Raises:
        InvalidOptionError: If a check names a target that is not among the targets, or a metric or a statistic that
            cannot exist.

    """

    def __init__(
        self,
        checks: Iterable[TargetCheck],
        targets: Sequence[Target],
        accounts: Callable[[Sleep], AccountOf],
        sleep: Sleep,
    ) -> None:
        self._metrics = [metrics_of(check, targets) for check in checks]
        self._accounts = accounts
        self._sleep = sleep
        self._account_of = accounts(sleep)
        self._reported = [-math.inf] * len(self._metrics)
        self._failure_logged = False

    def warn_of_unknown_metrics(self) -> None:
        """Log a warning for each metric that the catalogue of targets does not list: its name may be misspelled."""
        for metrics in self._metrics:
            if not metrics.is_known:
                logger.warning(
                    "The check %r reads the metric %s, which locust-cw does not know. If AWS does not publish it, the"
                    " check is undecided. Known metrics of this target: %s",
                    metrics.check.text,
                    metrics.check.metric,
                    ", ".join(metrics.known_names),
                )

    def newest(self, start: float, now: float) -> list[list[MinuteValue]]:
        """Read the checks that may abort the test, while it runs.

        A failed call is logged once. The next call reads the same minutes again.

        Args:
            start: The start of the measured time, in seconds since the epoch.
            now: Seconds since the epoch.

        Returns:
            For each check, the full minutes of the measured time that are read for the first time, oldest first. The
            list is empty for a check that does not abort the test.

        """
        found: list[list[MinuteValue]] = [[] for _ in self._metrics]
        first = max(math.ceil(start / MINUTE_S), (now - _OLDEST_S) // MINUTE_S) * MINUTE_S
        end = (now - SETTLED_S) // MINUTE_S * MINUTE_S
        if first >= end:
            return found
        failed = False
        for indices in by_region(self._metrics, self._aborting):
            wanted = (each for index in indices for each in self._metrics[index].all)
            try:
                read = points_by_metric(self._account_of, wanted, first, end, MINUTE_S)
            except _core.AwsError as error:
                failed = True
                self._log_failure(error)
                continue
            for index in indices:
                minutes = _minutes(self._metrics[index], read)
                found[index] = [each for each in minutes if self._reported[index] < each.start < end]
                self._reported[index] = max((each.start for each in found[index]), default=self._reported[index])
        self._failure_logged = failed
        return found

    @property
    def _aborting(self) -> list[int]:
        return [index for index, each in enumerate(self._metrics) if each.check.abort_after_s is not None]

    def _log_failure(self, error: _core.AwsError) -> None:
        if not self._failure_logged:
            self._failure_logged = True
            logger.warning("locust-cw cannot read the metrics of checks and keeps retrying: %s", error.message)

    def final(
        self, start: float, end: float, *, wait_s: float, given_up: Callable[[], bool] = lambda: False
    ) -> list[Measurement]:
        """Read the values of a run as soon as CloudWatch has the data of its last full minute.

        Args:
            start: The start of the measured time, after the warm-up, in seconds since the epoch.
            end: The stop of the run, in seconds since the epoch.
            wait_s: Seconds after which the method returns at the latest; 0 for one attempt of up to `READ_ONCE_S`.
            given_up: Whether to stop waiting.

        """
        deadline = time.monotonic() + (wait_s or READ_ONCE_S)

        def pause(seconds: float) -> None:
            # An account waits for responses with this function, too.
            left = deadline - time.monotonic()
            if left <= 0 or given_up():
                raise _TimeUpError
            self._sleep(min(seconds, left))

        values = RunValues(self._metrics, start, end)
        account_of = self._accounts(pause)
        try:
            while not values.read(account_of, time.time()) and wait_s:
                for _ in range(POLL_S):
                    pause(1)
        except _TimeUpError:
            pass
        return values.measurements()


def _minutes(metrics: TargetMetrics, read: Mapping[Metric, Points]) -> list[MinuteValue]:
    """The values of the minutes that have data, oldest first."""
    values: dict[float, list[float]] = {start: [] for metric in metrics.traffic for start, _ in read[metric]}
    for metric in metrics.series:
        for start, value in read[metric]:
            values.setdefault(start, []).append(value)
    return [MinuteValue(start, metrics.worst(each) if each else 0.0) for start, each in sorted(values.items())]
