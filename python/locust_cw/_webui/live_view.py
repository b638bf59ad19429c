"""The live view of a session: charts of the load and of the targets, computed only while a browser requests them."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import gevent

from locust_cw._plugin.greenlets import spawn
from locust_cw._settings.names import targets_of
from locust_cw._webui.live_charts import charts_of
from locust_cw._webui.live_marks import marks_of
from locust_cw._webui.target_signals import TargetSignals

if TYPE_CHECKING:
    from locust_cw._plugin.run import TestRun
    from locust_cw._plugin.session import Session

RELEASE_AFTER_S = 10.0
"""Seconds after the last request until the values are released. Browsers request them every second."""
_LOOK_EVERY_S = 1.0


class LiveView:
    """The live view of the last run of a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._watched: _Watched | None = None

    def changes(self, run_id: str | None, since: int | None, targets: int | None) -> str:
        """What a browser lacks, as a JSON object: `run` alone if there is nothing to show.

        Args:
            run_id: The run that the browser shows; None for none.
            since: The revision of the load's values that it has.
            targets: The revision of the targets' values that it has.

        """
        run = self._session.last_run
        if run is None or self._session.unpublished is not None:
            return json.dumps({"run": None})
        if self._watched is None or self._watched.run is not run or self._watched.is_released:
            if self._watched is not None:
                self._watched.release()
            self._watched = _Watched(run)
        is_shown = run_id == run.run_id
        return self._watched.changes(since if is_shown else None, targets if is_shown else None, is_new=not is_shown)


class _Watched:
    """A run while browsers watch it."""

    def __init__(self, run: TestRun) -> None:
        self.run = run
        self.is_released = False
        self._requested = time.monotonic()
        self._targets = _signals_of(run)
        spawn(self._release_after_silence)
        if self._targets is not None:
            spawn(self._read_targets, self._targets)

    def changes(self, since: int | None, targets: int | None, *, is_new: bool) -> str:
        """What a browser lacks, as a JSON object. `is_new` is whether it has not shown this run before."""
        self._requested = time.monotonic()
        run = self.run
        load = None if since is None else run.publisher.statistics.live(since)
        if load is None:
            # In a thread, so that users do not wait: a run can have many time blocks to add up, and an hour of seconds.
            load = gevent.get_hub().threadpool.apply(_whole, (run,))
        message: dict[str, Any] = {
            "run": run.run_id,
            "started": run.times.started,
            "stopped": run.times.stopped,
            "now": time.time(),
            "marks": [asdict(mark) for mark in marks_of(run)],
        }
        if is_new:
            message["charts"] = [asdict(chart) for chart in charts_of(run.options)]
        if self._targets is not None and targets != self._targets.revision:
            message["targets"] = self._targets.as_json()
        # The core has written its part as JSON.
        return f'{json.dumps(message)[:-1]}, "load": {load}}}'

    def release(self) -> None:
        """Forget the values that only the live view needs."""
        if not self.is_released:
            self.is_released = True
            self.run.publisher.statistics.unwatch()

    def _is_watched(self) -> bool:
        return not self.is_released and time.monotonic() - self._requested < RELEASE_AFTER_S

    def _release_after_silence(self) -> None:
        while self._is_watched():
            gevent.sleep(_LOOK_EVERY_S)
        self.release()

    def _read_targets(self, targets: TargetSignals) -> None:
        while self._is_watched():
            targets.read(self.run.times.started, self.run.times.stopped, time.time())
            gevent.sleep(_LOOK_EVERY_S)


def _whole(run: TestRun) -> str | None:
    run.publisher.statistics.watch()
    return run.publisher.statistics.live()


def _signals_of(run: TestRun) -> TargetSignals | None:
    """The signals of the run's targets; None without targets, or if the run makes no calls."""
    targets = targets_of(run.options["target"])
    return TargetSignals(run.options.core, targets, gevent.sleep) if targets and not run.options["dry_run"] else None
