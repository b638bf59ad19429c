"""A test run in this process: its phase and outcome, its publisher, and Locust's totals."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, ClassVar
from weakref import ref

from locust_cw._plugin import locust_adapter
from locust_cw._plugin.extension import DashboardLink, Extension, Judge, RampUp
from locust_cw._plugin.gauges import Gauges

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from locust.env import Environment

    from locust_cw import _core
    from locust_cw._settings.table import Options

logger = logging.getLogger("locust_cw")


class RunPhase(Enum):
    """Where a run is in its course."""

    STARTING = auto()
    """It waits for AWS to answer. There are no users yet."""
    RUNNING = auto()
    STOPPED = auto()
    """Locust has stopped it. Requests may still end."""
    DETACHED = auto()
    """It takes no more requests: another run has started, or the process ends."""
    FINALIZED = auto()
    """Its receipt is made, or being made."""


class RunOutcome(Enum):
    """How a run ended, apart from its delivery."""

    OK = auto()
    REFUSED = auto()
    """This process did not start it."""
    REFUSED_BY_WORKER = auto()
    STOPPED_BY_ALARM = auto()
    STOPPED_BY_CHECK = auto()

    @property
    def is_failure(self) -> bool:
        """Whether Locust exits with 1. A failed check results in exit code 3."""
        return self not in (RunOutcome.OK, RunOutcome.STOPPED_BY_CHECK)


@dataclass
class Times:
    """When a run entered its phases: seconds since the epoch, `detached` by the monotonic clock.

    `ramped_up` is when there were `most_users` for the first time.
    """

    started: float = field(default_factory=time.time)
    ramped_up: float | None = None
    most_users: int = 0
    stopped: float | None = None
    detached: float | None = None


@dataclass
class Totals:
    """Locust's requests and failures: `counts` in all, `before_reset` up to the last reset of its statistics."""

    counts: tuple[int, int] = (0, 0)
    before_reset: tuple[int, int] = (0, 0)
    are_logged: bool = False


class TestRun:
    """A test, from its start to its receipt.

    Attributes:
        environment: The environment it runs in.
        publisher: The core's publisher.
        options: Its options.
        host: The host under test, if there is one.
        extensions: The extensions, in the order in which they are called.
        phase: Where it is in its course.
        outcome: How it ended.
        reason: Why the outcome is not OK.
        refusal_if_stopped: The reason for a refusal if the test stops while its users wait for AWS.
        problem: The last problem that was logged, and when.
        times: When it entered its phases.
        totals: Locust's totals.
        gauges: The state of the gauges.
        is_slower: Whether it is slower than its baseline, by more than is tolerated.
        latest: Returns the run that started last in this process; None if there is none, or it is gone.

    """

    latest: ClassVar[Callable[[], TestRun | None]] = lambda: None

    def __init__(
        self,
        environment: Environment,
        publisher: _core.Publisher,
        options: Options,
        extensions: list[Extension[TestRun]],
        *,
        host: str | None,
    ) -> None:
        self.environment = environment
        self.publisher = publisher
        self.options = options
        self.host = host
        self.extensions = extensions
        self.phase = RunPhase.STARTING
        self.outcome = RunOutcome.OK
        self.reason: str | None = None
        self.refusal_if_stopped: str | None = None
        self.problem: tuple[str, float] | None = None
        self.times = Times()
        self.totals = Totals()
        self.gauges = Gauges()
        self.is_slower = False
        self._request_listener = publisher.request_listener()

    @property
    def run_id(self) -> str:
        """Its ID."""
        return self.publisher.run_id

    @property
    def is_under_way(self) -> bool:
        """Whether it has neither stopped nor been replaced by another run."""
        return self.phase in (RunPhase.STARTING, RunPhase.RUNNING)

    @property
    def is_attached(self) -> bool:
        """Whether it takes requests."""
        return self.phase not in (RunPhase.DETACHED, RunPhase.FINALIZED)

    @property
    def is_held(self) -> bool:
        """Whether its users wait for AWS to answer."""
        return (self.phase, self.outcome) == (RunPhase.STARTING, RunOutcome.OK) and self.refusal_if_stopped is not None

    @property
    def stop_reason(self) -> str | None:
        """Why an alarm or a check stopped it; None if neither did."""
        is_stopped = self.outcome in (RunOutcome.STOPPED_BY_ALARM, RunOutcome.STOPPED_BY_CHECK)
        return self.reason if is_stopped else None

    @property
    def dashboard(self) -> tuple[str | None, str | None]:
        """Name and URL of its dashboard, if it has one."""
        found = (extension.dashboard(self) for extension in self.extensions if isinstance(extension, DashboardLink))
        return next(found, (None, None))

    # Its course.

    def start(self) -> None:
        """Take requests, and start the extensions."""
        TestRun.latest = ref(self)
        self.environment.events.request.add_listener(self._request_listener)
        self.publisher.event("test_start")
        for extension in self.extensions:
            extension.on_start(self)

    def on_ramp_up_complete(self, user_count: int) -> None:
        """Log that all users have been spawned: the end of the ramp-up, if there are more than ever before."""
        if self.environment.reset_stats:
            self.on_reset()
        if user_count > self.times.most_users:
            is_first = self.times.ramped_up is None
            self.times.ramped_up, self.times.most_users = time.time(), user_count
            if is_first and not locust_adapter.has_shape(self.environment):
                self._mark_ramp_up()
        self.publisher.set_users(user_count)
        self.publisher.event("spawning_complete", {"user_count": user_count})

    def _mark_ramp_up(self) -> None:
        for extension in self.extensions:
            if isinstance(extension, RampUp):
                extension.on_ramp_up_complete(self)

    def end_with(self, outcome: RunOutcome, reason: str, message: str | None = None) -> None:
        """Record why the test ends early, and log the message, or the reason if there is no message."""
        self.outcome, self.reason = outcome, reason
        self.problem = message or reason, time.time()
        logger.error("%s", message or reason)
        if outcome.is_failure:
            locust_adapter.set_failed(self.environment)

    def stop(self) -> None:
        """Locust has stopped the test: begin to send what there is."""
        self.phase = RunPhase.STOPPED
        self.times.stopped = time.time()
        self.snapshot_totals()
        self.gauges.sample(self.environment, self.publisher)
        if locust_adapter.has_shape(self.environment):
            # A shape spawns users in steps: only now it is known which one was the highest.
            self._mark_ramp_up()
        for extension in self.extensions:
            extension.on_stop(self)
        if locust_adapter.role_of(self.environment) is not locust_adapter.Role.MASTER:
            self.log_test_stop()
        self.publisher.drain()

    def resume(self) -> None:
        """Continue: a worker had lost the connection to its master, and Locust had stopped the test."""
        self.phase = RunPhase.RUNNING
        self.times.stopped = None
        self.totals.are_logged = False
        self.publisher.resume()

    def detach(self) -> None:
        """Take no more requests. It is delivered in the background, or at the end of the process."""
        if self.phase is RunPhase.STOPPED:
            self.log_test_stop()
        self.environment.events.request.remove_listener(self._request_listener)
        if not any(judge.is_judging for judge in self.extensions if isinstance(judge, Judge)):
            # A judge records its results, and then seals.
            self.publisher.seal()
        self.phase = RunPhase.DETACHED
        self.times.detached = time.monotonic()

    # Locust's totals.

    def snapshot_totals(self) -> None:
        """Copy Locust's totals: the start of the next test clears them."""
        requests, failures = locust_adapter.totals(self.environment)
        self.totals.counts = requests + self.totals.before_reset[0], failures + self.totals.before_reset[1]

    def on_reset(self) -> None:
        """Locust is about to reset its statistics during the test."""
        self.snapshot_totals()
        self.totals.before_reset = self.totals.counts

    def log_test_stop(self) -> None:
        """Log the end of the test with its statistics. A master has its workers' last ones only after `test_stop`."""
        if not self.totals.are_logged:
            self.totals.are_logged = True
            self.publisher.event("test_stop", locust_adapter.statistics(self.environment))

    # What is reported of it.

    def status_report(self, remarks: Sequence[str] = ()) -> _core.StatusReport:
        """What this process reports of the run; `remarks` are lines for the receipt."""
        refusal = self.reason if self.outcome in (RunOutcome.REFUSED, RunOutcome.REFUSED_BY_WORKER) else None
        return self.publisher.status_report(
            stopped=self.times.stopped is not None, problem=self.problem, refusal=refusal, remarks=list(remarks)
        )

    def log_messages(self) -> None:
        """Log the core's messages."""
        for message in self.publisher.take_messages():
            logger.log(message.level, "%s", message.text)
            if message.level >= logging.WARNING:
                self.problem = message.text, time.time()
