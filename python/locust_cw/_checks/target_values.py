"""Reading the values of target checks: each minute while the test runs, and over the whole run at its end."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._aws.metric_data import points_by_metric
from locust_cw._checks.measured_periods import MINUTE_S, STABLE_AFTER_S
from locust_cw._checks.run_values import IN_TEST, Remedies, RunValues
from locust_cw._checks.target_metrics import by_region, metrics_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from locust_cw._aws.graph_metric import Metric
    from locust_cw._aws.metric_data import AccountOf, Points
    from locust_cw._aws.targets import Target
    from locust_cw._checks.target_metrics import TargetMetrics

    Sleep = Callable[[float], object]

logger = logging.getLogger("locust_cw")

READ_EVERY_S = 60.0
"""Seconds between two calls of `newest`: AWS services publish by the minute."""
POLL_S = 10
"""Seconds between two attempts to read data that has not arrived."""
READ_ONCE_S = 10.0
"""Longest duration of a single attempt without a wait."""
_OLDEST_S = 10 * 60
"""Age of the oldest minute that is read while the test runs. Data arrives later only during an outage of AWS."""


class _TimeUpError(Exception):
    """The time to wait for AWS is over."""


class TargetChecks:
    """Reads the values of target checks.

    Args:
        accounts: Creates the accounts to read from, such as `account_of` with its options. The accounts wait with the
            given function.
        checks: The checks of a test. Those whose scope is not a target are ignored.
        targets: The AWS resources under test.
        sleep: Waits: `gevent.sleep` beside users, `time.sleep` in a command.

    Raises:
        InvalidOptionError: If a check names a target that is not among the targets, or a metric or a statistic that
            cannot exist.

    """

    def __init__(
        self,
        accounts: Callable[[Sleep], AccountOf],
        checks: Iterable[_core.Check],
        targets: Sequence[Target],
        sleep: Sleep,
    ) -> None:
        self._metrics = [metrics_of(check, targets) for check in checks if check.scope == "target"]
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

    @property
    def may_abort(self) -> bool:
        """Whether a check may stop the test."""
        return bool(self._aborting)

    def newest(self, start: float, now: float) -> dict[str, Points]:
        """Read the checks that may abort the test, while it runs.

        A failed call is logged once. The next call reads the same minutes again.

        Args:
            start: The start of the measured time, in seconds since the epoch.
            now: Seconds since the epoch.

        Returns:
            For each check by its text, the start and the value of each full minute of the measured time that is read
            for the first time, oldest first.

        """
        found: dict[str, Points] = {}
        first = max(math.ceil(start / MINUTE_S), (now - _OLDEST_S) // MINUTE_S) * MINUTE_S
        end = (now - STABLE_AFTER_S) // MINUTE_S * MINUTE_S
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
                minutes = [each for each in _minutes(self._metrics[index], read) if each[0] > self._reported[index]]
                if minutes:
                    found[self._metrics[index].check.text] = minutes
                    self._reported[index] = minutes[-1][0]
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
        self,
        start: float,
        end: float,
        *,
        wait_s: float,
        given_up: Callable[[], bool] = lambda: False,
        remedies: Remedies = IN_TEST,
    ) -> dict[str, float | str]:
        """Read the values of a run as soon as CloudWatch has the data of its last full minute.

        Args:
            start: The start of the measured time, after the warm-up, in seconds since the epoch.
            end: The stop of the run, in seconds since the epoch.
            wait_s: Seconds after which the method returns at the latest; 0 for one attempt of up to `READ_ONCE_S`.
            given_up: Whether to stop waiting.
            remedies: What the user can do if data has not arrived.

        Returns:
            For each check by its text, the value, or the reason why it is unknown and what to do.

        """
        deadline = time.monotonic() + (wait_s or READ_ONCE_S)

        def pause(seconds: float) -> None:
            # An account waits for responses with this function, too.
            left = deadline - time.monotonic()
            if left <= 0 or given_up():
                raise _TimeUpError
            self._sleep(min(seconds, left))

        values = RunValues(self._metrics, start, end, remedies)
        account_of = self._accounts(pause)
        try:
            while not values.read(account_of, time.time()) and wait_s:
                for _ in range(POLL_S):
                    pause(1)
        except _TimeUpError:
            pass
        return values.found()


def most_metrics_read(metrics: Iterable[TargetMetrics], minutes: float, wait_s: float) -> int:
    """The highest number of metrics that a run reads, which AWS charges for.

    Args:
        metrics: The metrics of each check.
        minutes: The duration of the run.
        wait_s: The longest wait for data at its end.

    """
    attempts_at_end = math.floor(wait_s / POLL_S) + 1
    attempts_before = math.ceil(minutes * 60 / READ_EVERY_S)
    return sum(
        len(each.all) * (attempts_at_end + (attempts_before if each.check.abort_after_s is not None else 0))
        + len(each.series)
        for each in metrics
    )


def _minutes(metrics: TargetMetrics, read: Mapping[Metric, Points]) -> Points:
    """The values of the minutes that have data, oldest first."""
    values: dict[float, list[float]] = {start: [] for metric in metrics.traffic for start, _ in read[metric]}
    for metric in metrics.series:
        for start, value in read[metric]:
            values.setdefault(start, []).append(value)
    return [(start, metrics.worst(each) if each else 0.0) for start, each in sorted(values.items())]
