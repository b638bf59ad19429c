"""`--cw-stop-on-alarm`: a test starts only if its alarms can be watched, and stops when one goes to ALARM."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent

from locust_cw._aws.account import Account
from locust_cw._aws.alarms import LOOK_EVERY_S, AlarmError, Alarms
from locust_cw._plugin import locust_adapter
from locust_cw._plugin.extension import Extension
from locust_cw._plugin.greenlets import spawn
from locust_cw._plugin.run import RunOutcome, TestRun

if TYPE_CHECKING:
    from locust_cw._settings.table import Options

# How often the alarms are requested before the test is refused: one call may be throttled.
_ATTEMPTS = 3
_BETWEEN_ATTEMPTS_S = 1.0


def create(options: Options) -> StopOnAlarm:
    """The extension of a run."""
    return StopOnAlarm(Alarms(Account(options.core, gevent.sleep), options["stop_on_alarm"]))


class StopOnAlarm(Extension[TestRun]):
    """Watches the alarms of a run."""

    reason = "locust-cw cannot watch the alarms: "

    def __init__(self, alarms: Alarms) -> None:
        self._alarms = alarms

    def check(self, run: TestRun) -> str | None:
        """Why the test may not start. If it may, the alarms are watched from now on."""
        refusal = None
        for attempt in range(_ATTEMPTS):
            if attempt:
                gevent.sleep(_BETWEEN_ATTEMPTS_S)
            try:
                self._alarms.check()
            except AlarmError as error:
                refusal = str(error)
            else:
                spawn(self._watch, run)
                return None
        return refusal

    def _watch(self, run: TestRun) -> None:
        while run.is_under_way:
            gevent.sleep(LOOK_EVERY_S)
            alarm = self._alarms.gone_off() if run.is_under_way else None
            if alarm is not None and run.is_under_way and run.outcome is RunOutcome.OK:
                run.end_with(RunOutcome.STOPPED_BY_ALARM, f"Stopped by alarm {alarm.name}: {alarm.reason}")
                run.publisher.event("alarm", {"alarm_name": alarm.name, "reason": alarm.reason})
                locust_adapter.end_test(run.environment)
                return
