"""The signals of targets in the live view: read from CloudWatch once a minute."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._aws.accounts import account_of
from locust_cw._checks.wording import one_line
from locust_cw._report.query import fetch
from locust_cw._terminal.redaction import redact
from locust_cw._webui.live_charts import key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from locust_cw._aws.graph_metric import Metric
    from locust_cw._aws.targets import Target
    from locust_cw._report.series import Series

_MINUTE_S = 60
_HOUR_S = 3600
# A minute is read some seconds after its end, because publishers publish it then.
_AFTER_MINUTE_S = 5
# Minutes before the start, to compare with.
_BEFORE_START_S = 5 * _MINUTE_S
# Minutes after the stop: services publish late.
_AFTER_STOP_S = 5 * _MINUTE_S


class TargetSignals:
    """The values of the targets' signals, by chart.

    Args:
        options: The core's options of the run.
        targets: The AWS resources under test.
        sleep: Waits while a call is under way.

    """

    def __init__(self, options: Mapping[str, Any], targets: Sequence[Target], sleep: Callable[[float], object]) -> None:
        self._account_of = account_of(options, sleep)
        self._signals = {
            key_of(number, index): signal.metrics
            for number, target in enumerate(targets)
            for index, signal in enumerate(target.signals)
        }
        self._read_minute: int | None = None
        self._is_final = False
        self._values: dict[str, list[list[list[float]]]] = {}
        self._problem: str | None = None
        self.revision = 0

    def as_json(self) -> dict[str, Any]:
        """The values: for each chart, the times and the values of each line; and the problem of the last attempt."""
        return {"revision": self.revision, "values": self._values, "problem": self._problem}

    def read(self, started: float, stopped: float | None, now: float) -> None:
        """Read the last hour, if a minute has ended since the last attempt.

        After a failure, the values so far stay.

        Args:
            started: The start of the test, in seconds since the epoch.
            stopped: Its stop; None while it runs.
            now: The present time.

        """
        minute = int((now - _AFTER_MINUTE_S) // _MINUTE_S)
        last = None if stopped is None else int((stopped + _AFTER_STOP_S) // _MINUTE_S)
        if self._read_minute == minute or self._is_final:
            return
        self._read_minute = minute
        end = (minute if last is None else min(minute, last)) * _MINUTE_S
        start = max(started - _BEFORE_START_S, end - _HOUR_S) // _MINUTE_S * _MINUTE_S
        try:
            read = self._fetch(start, float(end))
        except _core.AwsError as error:
            self._problem = redact(one_line(error.message))
        else:
            self._problem = None
            self._is_final = last is not None and minute >= last
            self._values = {
                key: [[list(read[metric].times), list(read[metric].values)] for metric in metrics]
                for key, metrics in self._signals.items()
            }
        self.revision += 1

    def _fetch(self, start: float, end: float) -> dict[Metric, Series]:
        by_region: dict[str | None, dict[Metric, None]] = {}
        for metric in (metric for metrics in self._signals.values() for metric in metrics):
            by_region.setdefault(metric.region, {})[metric] = None
        found: dict[Metric, Series] = {}
        for region, metrics in by_region.items():
            read = functools.partial(fetch, self._account_of(region))
            found.update(zip(metrics, read(list(metrics), start, end, _MINUTE_S), strict=True))
        return found
