"""A session: the tests of one Locust environment in this process, from its events to their receipts.

Nothing here waits in a `request` or `test_stop` handler: a worker reports its last statistics only after the latter.
The bounded wait for the delivery is in `quit`, where every caller waits for the same end, and, on the ways out of a
process that leave `quit` out, in an exit handler. All of it may happen twice.
"""

from __future__ import annotations

import atexit
import functools
import json
import logging
import os
import signal
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
import psutil

from locust_cw import _core, _dashboard, _fleet, _options, _status, _targets, _web
from locust_cw._account import Account
from locust_cw._alarm import LOOK_EVERY_S, AlarmError, Alarms
from locust_cw._announcement import announcement
from locust_cw._dashboard import Dashboard, DashboardError
from locust_cw._fleet import Fleet
from locust_cw._fleet_trouble import FleetTrouble
from locust_cw._local import LocalCloudWatch, LocalCloudWatchError
from locust_cw._options import Options
from locust_cw._progress import ProgressBar
from locust_cw._publisher import process_name
from locust_cw._record import Record
from locust_cw._status import Part, Run, Status
from locust_cw._terminal import has_colors, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

    from locust.env import Environment
    from locust.event import Events

    from locust_cw._status import Mode

logger = logging.getLogger("locust_cw")

_POLL_S = 0.05
_SAMPLE_EVERY_S = 1.0
_COUNT_USERS_EVERY_S = 0.1
_STRICT_TIMEOUT_S = 30.0
_RUNNER_TIMEOUT_S = 5.0
# How often the alarms are asked for before the test is refused: one call may be throttled.
_ATTEMPTS = 3
# How long the end waits for the dashboard's last mark.
_MARKS_TIMEOUT_S = 10.0
# How much longer than its own drain timeout a master waits for its workers' receipts.
_FOR_RECEIPTS_S = 3.0
# How long after the waiting was ended Ctrl-C is still taken for the same.
_PATIENT_S = 1.0
# How long other listeners to `quit` may take before a second shutdown goes on.
_LAST_MOMENTS_S = 10.0
# How long after the next test's start all workers have told of the last one: they do so every second.
_TIME_TO_TELL_S = 5.0
# As the core takes them.
_MAX_RUN_ID_CHARS = 64


class _Test:
    """One test: its publisher, and Locust's totals as long as they are to be had."""

    def __init__(self, publisher: _core.Publisher, options: Options, *, host: str | None, reconcile: bool) -> None:
        self.publisher = publisher
        self.record = Record(
            publisher.run_id, options.core, time.time(), host=host, targets=list(options["target"] or ())
        )
        self.receipt_file: str | None = options["receipt"]
        self.fail_on_loss: bool = options["fail_on_loss"]
        # Whether the exit code has to tell of it: until the receipt says otherwise.
        self.lost = self.fail_on_loss
        self.from_reports = options["source"] == "master"
        self.reconcile = reconcile
        self.mode: Mode = "dry run" if options["dry_run"] else "live" if options["live"] else "after the test"
        # What was last logged as amiss, and when.
        self.problem: tuple[str, float] | None = None
        self.workers_at_end: dict[str, Part] = {}
        self.places: _web.Places | None = None
        self.stopped = False
        self.stop_told = False
        # When it was detached, by the monotonic clock: another began, or the end has come.
        self.replaced_at: float | None = None
        self.stop_reason: str | None = None
        self.dashboard: Dashboard | None = None
        self.announcing: gevent.Greenlet[..., None] | None = None
        self.fleet_trouble = FleetTrouble()
        self.marking: list[gevent.Greenlet[..., None]] = []
        self.delivered_said = False
        self.concluding = False
        self.receipt: _core.Receipt | None = None
        # Totals from before Locust reset its statistics in the middle of the test.
        self.reset_requests = 0
        self.reset_failures = 0
        self.requests = 0
        self.failures = 0

    def look_at(self, environment: Environment) -> None:
        """Remember Locust's totals: the next test's start clears them."""
        total = environment.stats.total
        self.requests = self.reset_requests + total.num_requests
        self.failures = self.reset_failures + total.num_failures

    def before_reset(self, environment: Environment) -> None:
        """Remember what Locust is about to forget."""
        self.look_at(environment)
        self.reset_requests, self.reset_failures = self.requests, self.failures


class Session:
    """The tests of one environment in this process."""

    def __init__(self, events: Events) -> None:
        """Listen to an environment's events. Until a test starts nothing else happens."""
        self._events = events
        self._environment: Environment | None = None
        self._overrides: Mapping[str, Any] = {}
        # What the user named the run, what became of it, and what all runs were named.
        self._chosen_run_id: str | None = None
        self._assigned_run_id: str | None = None
        self._run_ids: set[str] = set()
        self._local: LocalCloudWatch | None = None
        self._test: _Test | None = None
        # What the web UI tells of: the last test, or why nothing of it is published, and since when.
        self._shown: _Test | None = None
        self._unpublished: tuple[str, float] | None = None
        self._unfinished: list[_Test] = []
        # Receipts that nobody has asked for yet, each with the start of its test.
        self._receipts: list[tuple[float, _core.Receipt]] = []
        self._fleet = Fleet()
        self._quitting_greenlet: object = None
        self._closing = False
        self._stop_waiting = False
        # Ends the moment in which Ctrl-C is still taken for the end of a waiting.
        self._patience: Callable[[], None] | None = None
        self._lost = False
        self._exit_handler = False
        events.test_start.add_listener(self._on_test_start)
        events.test_stop.add_listener(self._on_test_stop)
        events.spawning_complete.add_listener(self._on_spawning_complete)
        events.cpu_warning.add_listener(self._on_cpu_warning)
        events.reset_stats.add_listener(self._on_reset_stats)
        events.report_to_master.add_listener(self._on_report_to_master)
        events.worker_report.add_listener(self._on_worker_report)
        events.quitting.add_listener(self._on_quitting)
        events.quit.add_listener(self._on_quit)

    # What comes before a test.

    def configure(self, environment: Environment, overrides: Mapping[str, Any]) -> None:
        """Set the environment and the options that win over its own.

        Raises:
            InvalidOptionError: If one cannot be used.

        """
        options = Options(environment.parsed_options, overrides)
        if not options["disable"]:
            options.check()
        self._environment = environment
        self._overrides = dict(overrides)
        if not options["disable"]:
            _web.show(self, environment)

    def on_init(self, environment: Environment, **_kwargs: object) -> None:
        """Check the options, before there is any load; a worker knows them only when a test starts."""
        try:
            self.configure(environment, self._overrides)
            if not self._role("Worker"):
                self._start_local(Options(environment.parsed_options, self._overrides))
        except (_core.InvalidOptionError, LocalCloudWatchError) as error:
            _options.exit_with(error)

    def _start_local(self, options: Options) -> None:
        if options["local"] and not options["disable"] and not options["dry_run"] and self._local is None:
            self._local = LocalCloudWatch()
            logger.info("A local CloudWatch listens at %s for as long as this process runs", self._local.endpoint_url)

    def _role(self, name: str) -> bool:
        return type(getattr(self._environment, "runner", None)).__name__ == f"{name}Runner"

    # The test.

    @staticmethod
    def _wait_for_runner(environment: Environment) -> None:
        """A worker that joins a running test is told to spawn before its environment knows its runner."""
        deadline = time.monotonic() + _RUNNER_TIMEOUT_S
        while (
            environment.runner is None
            and getattr(environment.parsed_options, "worker", False)
            and time.monotonic() < deadline
        ):
            gevent.sleep(_POLL_S)

    def _on_test_start(self, environment: Environment, **_kwargs: object) -> None:
        self._environment = environment
        self._wait_for_runner(environment)
        if self._unpublished is not None and environment.parsed_options is not None:
            environment.parsed_options.cw_disable = False
        self._unpublished = None
        options = Options(environment.parsed_options, self._overrides)
        worker = self._role("Worker")
        if worker and self._test is not None and self._test.publisher.run_id == options["run_id"]:
            # Back after the connection was lost, in the same run.
            self._test.stopped = self._test.stop_told = False
            self._test.publisher.resume()
            return
        self._end_test()
        if options["disable"] or (worker and options["source"] == "master"):
            return
        _web.show(self, environment)
        self._await_the_end()
        try:
            if not worker:
                self._start_local(options)
            test = self._start_test(environment, options)
        except (_core.InvalidOptionError, LocalCloudWatchError, OSError) as error:
            # A listener that raised would change Locust's exit code.
            logger.error("Nothing of this test is published: %s", error)  # noqa: TRY400 - the message says it all
            self._unpublished = str(error), time.time()
            self._lost = self._lost or options["fail_on_loss"]
            if environment.parsed_options is not None:
                # So that it is true of the workers, too, until the next test starts.
                environment.parsed_options.cw_disable = True
            return
        if options["dry_run"]:
            return
        if options["strict"]:
            self._refuse_unless_published(environment, test)
        if options["stop_on_alarm"] and not worker:
            self._watch_alarms(environment, test, Alarms(Account(options.core, gevent.sleep), options["stop_on_alarm"]))

    def _await_the_end(self) -> None:
        if not self._exit_handler:
            self._exit_handler = True
            atexit.register(self._finish_at_exit)
            # The last of the listeners, as it ends the process.
            self._events.quit.add_listener(self._exit_on_loss)

    def _start_test(self, environment: Environment, options: Options) -> _Test:
        worker = self._role("Worker")
        run_id = options["run_id"] if worker else self._next_run_id(options["run_id"])
        if not worker and environment.parsed_options is not None:
            # Locust sends it to the workers, with the other options.
            environment.parsed_options.cw_run_id = run_id
        if options.dashboard is not None:
            # It may have been typed in the web UI since the options were checked.
            _dashboard.check_name(options.dashboard)
        if self._local is not None:
            options.set("endpoint_url", self._local.endpoint_url)
            if environment.parsed_options is not None:
                environment.parsed_options.cw_endpoint_url = self._local.endpoint_url
        class_hosts = {user_class.host for user_class in environment.user_classes if user_class.host}
        fallback_host = class_hosts.pop() if len(class_hosts) == 1 else None
        publisher = _core.Publisher(
            options.core,
            run_id=run_id or _core.new_run_id(),
            worker=self._worker_name(),
            host=environment.host or None,
            fallback_host=fallback_host,
            announces=not worker,
        )
        self._run_ids.add(publisher.run_id)
        host = environment.host or fallback_host
        test = _Test(publisher, options, host=host, reconcile=not worker)
        self._test = self._shown = test
        self._unfinished.append(test)
        if self._role("Master") and _fleet.MESSAGE not in environment.runner.custom_messages:  # type: ignore[union-attr]
            environment.runner.register_message(_fleet.MESSAGE, self._on_account)  # type: ignore[union-attr]
            self._hand_on_run_id(environment)
        self._quitting_greenlet = None
        self._events.request.add_listener(publisher.record)
        publisher.event("test_start")
        gevent.spawn(self._accompany, test)
        self._announce(test, options)
        if options.dashboard is not None and not worker and not options["dry_run"]:
            self._make_dashboard(test, options, options.dashboard, host)
        return test

    def _hand_on_run_id(self, environment: Environment) -> None:
        """Have workers that come late told the run under way, whatever was typed since in the web UI's form."""
        runner: Any = environment.runner
        start = runner.start

        @functools.wraps(start)
        def start_in_run(*args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - whatever Locust's takes
            test = self._test
            if test is not None and not test.stopped and environment.parsed_options is not None:
                environment.parsed_options.cw_run_id = test.publisher.run_id
            start(*args, **kwargs)

        runner.start = start_in_run

    def _announce(self, test: _Test, options: Options) -> None:
        """Tell what begins, as soon as it is known as whom; the test does not wait for that."""
        level = logging.DEBUG if self._role("Worker") else logging.INFO
        if not logger.isEnabledFor(level):
            return
        master = self._role("Master")
        workers = self._environment.runner.worker_count if master else None  # type: ignore[union-attr]
        run_id, from_reports = test.publisher.run_id, master and test.from_reports

        def announce() -> None:
            line = announcement(options, run_id, workers=workers, from_reports=from_reports)
            logger.log(level, "%s", line)

        test.announcing = gevent.spawn(announce)

    def _make_dashboard(self, test: _Test, options: Options, name: str, host: str | None) -> None:
        account = Account(options.core, gevent.sleep)
        region = account.region()
        if region is None:
            logger.warning("There is no dashboard: no AWS region is configured. Give --cw-region, or set AWS_REGION.")
            return
        targets = [_targets.parse(target) for target in options["target"] or ()]
        view = _dashboard.View.of(options.core, region=region, host=host, targets=targets)
        test.dashboard = Dashboard(account, name, view, test.publisher.run_id)
        test.record.dashboard = name
        self._mark(test, test.dashboard.begin, test.record.started)

    @staticmethod
    def _mark(test: _Test, mark: Callable[..., None], *when: object) -> None:
        """Mark the dashboard beside the load, which it must not hold up."""

        def try_to_mark() -> None:
            try:
                mark(*when)
            except _core.AwsError as error:
                logger.warning("The dashboard was not brought up to date: %s", error.args[0])
            except DashboardError as error:
                logger.warning("The dashboard was not brought up to date: %s", error)

        test.marking.append(gevent.spawn(try_to_mark))

    def _next_run_id(self, given: str | None) -> str:
        # What stands in the options may be what the last test was given; typed or not, that names nothing.
        if given is None or given != self._assigned_run_id:
            self._chosen_run_id = given
        chosen = self._chosen_run_id
        run_id = chosen or _core.new_run_id()
        number = 1
        while run_id in self._run_ids:
            # Each test is a run of its own, also where the user named the first.
            number += 1
            suffix = f"-{number}"
            run_id = f"{chosen[: _MAX_RUN_ID_CHARS - len(suffix)]}{suffix}" if chosen else _core.new_run_id()
        self._assigned_run_id = run_id
        return run_id

    def _worker_name(self) -> str:
        if self._role("Worker"):
            return str(self._environment.runner.client_id)  # type: ignore[union-attr]
        return process_name()

    def _refuse_unless_published(self, environment: Environment, test: _Test) -> None:
        publisher = test.publisher
        self._sample(test)
        publisher.flush()
        deadline = time.monotonic() + _STRICT_TIMEOUT_S
        while True:
            progress = publisher.progress()
            if progress.metrics_calls and (progress.logs_calls or not publisher.has_logs):
                return
            if progress.failures or time.monotonic() > deadline:
                break
            gevent.sleep(_POLL_S)
        publisher.diagnostics()
        reason = progress.failures[0] if progress.failures else "AWS did not answer."
        self._refuse(environment, f"as --cw-strict asks: {reason}")

    def _refuse(self, environment: Environment, why: str) -> None:
        logger.error("The test is not started, %s", why)
        if self._test is not None:
            self._test.problem = f"The test was not started, {why}", time.time()
        self._stop(environment)
        if environment.runner is not None and not self._role("Worker"):
            # Ends the greenlet that is about to spawn users. Locust takes any other exception for an error of ours.
            raise gevent.GreenletExit

    def _stop(self, environment: Environment) -> None:
        """Have Locust end the test, with exit code 1 in the end. Where there is a web UI, it stays."""
        environment.process_exit_code = 1
        if environment.runner is not None:
            keeps_web_ui = environment.web_ui is not None
            gevent.spawn(environment.runner.stop if keeps_web_ui else environment.runner.quit)

    def _watch_alarms(self, environment: Environment, test: _Test, alarms: Alarms) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                alarms.check()
                break
            except AlarmError as error:
                if attempt == _ATTEMPTS:
                    self._refuse(environment, f"as its alarms cannot be watched: {error}")
                    return
                gevent.sleep(_SAMPLE_EVERY_S)
        gevent.spawn(self._stop_on_alarm, environment, test, alarms)

    def _stop_on_alarm(self, environment: Environment, test: _Test, alarms: Alarms) -> None:
        while test is self._test and not test.stopped:
            gevent.sleep(LOOK_EVERY_S)
            alarm = None if test.stopped else alarms.gone_off()
            if alarm is not None and test is self._test and not test.stopped:
                test.stop_reason = f"Stopped by alarm {alarm.name}: {alarm.reason}"
                logger.error("%s", test.stop_reason)
                test.publisher.event("alarm", {"alarm_name": alarm.name, "reason": alarm.reason})
                self._stop(environment)
                return

    def _on_spawning_complete(self, user_count: int, **_kwargs: object) -> None:
        test, environment = self._test, self._environment
        if test is None or environment is None:
            return
        if environment.reset_stats:
            test.before_reset(environment)
        if test.record.ramped_up is None:
            test.record.ramped_up = time.time()
            if test.dashboard is not None:
                self._mark(test, test.dashboard.ramped_up, test.record.ramped_up)
        test.publisher.set_users(user_count)
        test.publisher.event("spawning_complete", {"user_count": user_count})

    def _on_reset_stats(self, **_kwargs: object) -> None:
        if self._test is not None and self._environment is not None:
            self._test.before_reset(self._environment)

    def _on_cpu_warning(self, cpu_usage: float, **_kwargs: object) -> None:
        if self._test is not None:
            self._test.publisher.event("cpu_warning", {"cpu_percent": cpu_usage})

    def _on_test_stop(self, environment: Environment, **_kwargs: object) -> None:
        test = self._test
        if test is None or test.stopped:
            return
        test.stopped = True
        test.record.stopped = time.time()
        if test.dashboard is not None:
            self._mark(test, test.dashboard.stopped, test.record.stopped, test.stop_reason)
        test.look_at(environment)
        self._sample(test)
        if not self._role("Master"):
            self._tell_of_stop(test)
        test.publisher.drain()

    def _tell_of_stop(self, test: _Test) -> None:
        """Log the end of the test, with its statistics: a master has those of its workers after its `test_stop`."""
        if test.stop_told or self._environment is None:
            return
        test.stop_told = True
        total = self._environment.stats.total
        test.publisher.event(
            "test_stop",
            {
                "requests": total.num_requests,
                "failures": total.num_failures,
                "median_response_time_ms": total.median_response_time,
                "avg_response_time_ms": total.avg_response_time,
                "min_response_time_ms": total.min_response_time,
                "max_response_time_ms": total.max_response_time,
                "requests_per_s": total.total_rps,
            },
        )

    def _accompany(self, test: _Test) -> None:
        """Sample what the test uses, and once another has begun and this one is delivered, be done with it."""
        _own_process().cpu_percent()  # the first reading is none
        while not test.concluding:
            # Just after the full second, so that each second has one sample.
            due = time.time() // _SAMPLE_EVERY_S * _SAMPLE_EVERY_S + _SAMPLE_EVERY_S + 0.01
            while (left := due - time.time()) > 0:
                gevent.sleep(min(left, _COUNT_USERS_EVERY_S))
                if test is self._test:
                    self._count_users(test)
            if test is not self._test:
                if not self._closing and self._is_delivered(test):
                    self._conclude(test)
                    return
                if self._role("Worker"):
                    # Locust's reports tell of the new test.
                    self._tell_master(test)
            elif not test.stopped:
                self._sample(test)
            elif self._environment is not None:
                # Requests may end after the test.
                test.look_at(self._environment)
                if self._role("Master") and self._environment.runner.state == "stopped":  # type: ignore[union-attr]
                    self._tell_of_stop(test)
            self._log_diagnostics(test)

    def _sample(self, test: _Test) -> None:
        environment = self._environment
        if environment is None:
            return
        publisher, runner = test.publisher, environment.runner
        users = self._count_users(test)
        if not self._role("Worker"):
            publisher.gauge("UserCount", users, "Count")
            by_class = self._users_by_class()
            for name, number in by_class.items() if len(by_class) > 1 else ():
                publisher.gauge("UserCount", number, "Count", ("UserClass", name))
        if self._role("Master"):
            publisher.gauge("WorkerCount", runner.worker_count, "Count")  # type: ignore[union-attr]
            self._fleet.look_at(publisher.run_id, runner.clients)  # type: ignore[union-attr]
        process = _own_process()
        publisher.gauge("GeneratorCpu_Percent", process.cpu_percent(), "Percent")
        publisher.gauge("GeneratorMemory_Bytes", process.memory_info().rss, "Bytes")

    def _count_users(self, test: _Test) -> int:
        runner = None if self._environment is None else self._environment.runner
        users = 1 if runner is None else runner.user_count
        test.publisher.set_users(users)
        return users

    def _users_by_class(self) -> dict[str, int]:
        runner: Any = self._environment and self._environment.runner
        if runner is None:
            return {}
        counts: dict[str, int] = (
            runner.reported_user_classes_count if self._role("Master") else runner.user_classes_count
        )
        return counts

    # A fleet.

    def _on_report_to_master(self, data: dict[str, Any], **_kwargs: object) -> None:
        """Let the account go along with the statistics it agrees with."""
        if self._test is not None:
            data[_fleet.MESSAGE] = _fleet.account(self._test.publisher, self._part(self._test))

    def _on_worker_report(self, client_id: str, data: dict[str, Any], **_kwargs: object) -> None:
        if isinstance(told := data.get(_fleet.MESSAGE), dict):
            self._fleet.hear(client_id, told)
        test = self._test
        if test is not None and test.from_reports:
            for entry in data.get("stats", ()):
                test.publisher.report(entry)

    def _on_account(self, msg: Any, **_kwargs: object) -> None:  # noqa: ANN401 - Locust's Message has no types
        self._fleet.hear(msg.node_id, msg.data)

    def _tell_master(self, test: _Test) -> None:
        """Tell the master how far this worker is; it is no matter of life and death if that fails."""
        with suppress(Exception):
            message = _fleet.account(test.publisher, self._part(test), test.receipt)
            self._environment.runner.send_message(_fleet.MESSAGE, message)  # type: ignore[union-attr]

    @staticmethod
    def _part(test: _Test) -> Part:
        account = None if test.receipt is None else test.receipt.message
        return Part.of(test.publisher, time.time(), problem=test.problem, stopped=test.stopped, account=account)

    def _hear_workers(self) -> None:
        """Take the workers' messages in Locust's place: its own greenlets end before `quit`."""
        runner: Any = self._environment and self._environment.runner
        while True:
            with suppress(Exception):
                _, message = runner.server.recv_from_client()
                if message.type == _fleet.MESSAGE:
                    self._on_account(message)
            gevent.sleep(0)

    def _log_diagnostics(self, test: _Test) -> None:
        for level, message in test.publisher.diagnostics():
            logger.log(level, "%s", message)
            if level >= logging.WARNING:
                test.problem = message, time.time()
        self._log_fleet_trouble(test)
        if test.stopped and not test.delivered_said and not test.publisher.progress().left:
            test.delivered_said = True
            logger.debug("CloudWatch has all of run %s", test.publisher.run_id)

    def _log_fleet_trouble(self, test: _Test) -> None:
        if self._role("Master"):
            news = test.fleet_trouble.news(self._fleet.troubles(test.publisher.run_id), time.monotonic())
            if news is not None:
                logger.log(*news)

    # What the web UI shows.

    def statuses(self) -> list[Status]:
        """That of the whole last run, and those of its workers; nothing before the first."""
        if self._unpublished is not None:
            return [_status.off(*self._unpublished)]
        test = self._shown
        if test is None:
            return []
        run = Run(test.publisher.run_id, test.mode, test.record.started, test.record.stopped)
        workers = self._fleet.parts(run.run_id) or test.workers_at_end
        receipt = None if test.receipt is None else test.receipt.message
        return _status.statuses(run, self._part(test), workers, time.time(), receipt=receipt)

    def links(self) -> dict[str, str]:
        """Where people look at the last run in the AWS console, by what they see there."""
        test = self._shown
        if test is None or self._unpublished is not None:
            return {}
        if test.places is None:
            test.places = _web.Places(test.record.options, test.record.dashboard)
        return test.places.links

    # The end.

    def _end_test(self) -> None:
        """Detach the test that is over; it is delivered in the background, or at the end of the process."""
        test, self._test = self._test, None
        if test is not None:
            if test.stopped:
                self._tell_of_stop(test)
            self._events.request.remove_listener(test.publisher.record)
            test.publisher.seal()
            test.replaced_at = time.monotonic()

    def _is_delivered(self, test: _Test) -> bool:
        """Whether a replaced test has nothing left to wait for, here and on its workers."""
        progress = test.publisher.progress()
        settled = progress.over and (test.mode == "dry run" or not progress.left)
        beside = [*test.marking, *([test.announcing] if test.announcing is not None else ())]
        if not settled or not all(greenlet.dead for greenlet in beside) or test.replaced_at is None:
            return False
        if not self._role("Master"):
            return True
        # A worker that was not heard of in time, or has vanished, may come back with what is missing.
        heard = time.monotonic() - test.replaced_at > _TIME_TO_TELL_S
        return heard and all(part.ended for part in self._fleet.parts(test.publisher.run_id).values())

    def _conclude(self, test: _Test) -> None:
        """Draw up the receipt of a test and let go of it. Harmless twice: the end may come while another looks."""
        if test.concluding:
            return
        test.concluding = True
        try:
            self._receipts.append((test.record.started, self._finish(test)))
        except Exception:
            # The other tests have theirs all the same.
            logger.exception("The receipt of run %s could not be drawn up", test.publisher.run_id)
        finally:
            self._lost = self._lost or test.lost
            # Whoever waits for the end waits for this list to be empty.
            self._unfinished.remove(test)

    def _on_quitting(self, **_kwargs: object) -> None:
        """Hold a second shutdown back while the first one delivers.

        After SIGTERM Locust shuts down in a greenlet of its own. When that one waits, in `quit`, the main greenlet
        shuts down too, and would write the statistics once more, which the first writing has emptied. The first one
        ends the process, and with it this wait.
        """
        if self._quitting_greenlet not in (None, gevent.getcurrent()):
            while self._unfinished:
                self._sleep(_POLL_S)
            self._sleep(_LAST_MOMENTS_S)

    def _on_quit(self, **_kwargs: object) -> None:
        """Deliver what is left, within the drain timeout. Every caller returns when that is over."""
        if self._quitting_greenlet is None:
            self._quitting_greenlet = gevent.getcurrent()
            self.close()
        while self._unfinished:
            self._sleep(_POLL_S)

    def close(self) -> list[_core.Receipt]:
        """Deliver what is left, within the drain timeout, and print and return the receipts, oldest first."""
        if self._test is not None and self._environment is not None:
            self._test.look_at(self._environment)
        self._end_test()
        self._closing = True
        begun = time.monotonic()
        progress_bar = ProgressBar()
        ear = None
        if self._role("Master") and not len(self._environment.runner.greenlet):  # type: ignore[union-attr]
            ear = gevent.spawn(self._hear_workers)
        with self._ctrl_c_ending_the_wait():
            while self._unfinished:
                test = self._unfinished[0]
                if test.announcing is not None:
                    test.announcing.kill()
                self._wait_for(test, progress_bar, begun + test.publisher.drain_timeout)
                progress_bar.clear()
                if test.concluding:
                    # Delivered before the end: its receipt is on the way.
                    self._sleep(_POLL_S)
                    continue
                if self._stop_waiting:
                    self._tell_of_leftovers(test)
                self._conclude(test)
        self._closing = False
        if ear is not None:
            ear.kill(block=False)
        self._receipts.sort(key=lambda known: known[0])
        receipts, self._receipts = [receipt for _, receipt in self._receipts], []
        if self._local is not None and receipts:
            self._local.stop()
            self._local = None
        return receipts

    def _wait_for(self, test: _Test, progress_bar: ProgressBar, deadline: float) -> None:
        run_id = test.publisher.run_id
        worker = self._role("Worker")
        if self._role("Master"):
            deadline += _FOR_RECEIPTS_S
        tell_at = 0.0
        while not self._stop_waiting:
            progress = test.publisher.progress()
            now = time.monotonic()
            if (progress.over and self._fleet.is_complete(run_id)) or now > deadline:
                return
            if not worker:
                left, settled = self._fleet.progress(run_id)
                progress_bar.show(
                    progress.left + left,
                    progress.settled + settled,
                    progress.failures or [why for why in self._fleet.troubles(run_id).values() if why],
                    seconds_to_wait=deadline - now,
                )
            elif now >= tell_at:
                tell_at = now + _SAMPLE_EVERY_S
                self._tell_master(test)
            self._sleep(_POLL_S)

    def _tell_of_leftovers(self, test: _Test) -> None:
        """Say what becomes of what nobody waits for any longer."""
        run_id = test.publisher.run_id
        left = test.publisher.progress().left + self._fleet.progress(run_id)[0]
        if left and test.mode != "dry run" and not self._role("Worker"):
            where = "the spools of master and workers" if self._role("Master") else "the spool"
            logger.warning(
                "Ctrl-C: no longer waiting for CloudWatch. %s samples are left in %s. Send them with: "
                "locust-cw replay %s",
                f"{left:,}",
                where,
                run_id,
            )

    @contextmanager
    def _ctrl_c_ending_the_wait(self) -> Iterator[None]:
        """Have Ctrl-C end the waiting, and nothing else: as an exception it could end the process at any line."""

        def stop_waiting(*_: object) -> None:
            self._stop_waiting = True

        def after_a_moment(number: int, frame: FrameType | None) -> None:
            if time.monotonic() > patient_until:
                interruptible()
                signal.default_int_handler(number, frame)

        def interruptible() -> None:
            if signal.getsignal(signal.SIGINT) is after_a_moment:
                signal.signal(signal.SIGINT, signal.default_int_handler)

        self._stop_waiting = False
        if self._patience is not None:
            # The last waiting ended a moment ago.
            self._patience()
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            # A program of the user's has a way of its own.
            yield
            return
        try:
            signal.signal(signal.SIGINT, stop_waiting)
        except ValueError:  # not the main thread, which alone is interrupted
            yield
            return
        try:
            yield
        finally:
            # What is pressed once more was meant for the waiting. It would end the process with a wrong exit code.
            patient_until = time.monotonic() + _PATIENT_S
            signal.signal(signal.SIGINT, after_a_moment if self._stop_waiting else signal.default_int_handler)
            if self._stop_waiting:
                self._patience = interruptible
                gevent.spawn_later(_PATIENT_S, interruptible)

    def _sleep(self, seconds: float) -> None:
        """Let other greenlets run. Ctrl-C ends all waiting for CloudWatch."""
        try:
            gevent.sleep(seconds)
        except KeyboardInterrupt:
            self._stop_waiting = True

    def _finish(self, test: _Test) -> _core.Receipt:
        deadline = time.monotonic() + _MARKS_TIMEOUT_S
        while not all(mark.dead for mark in test.marking) and not self._stop_waiting and time.monotonic() < deadline:
            self._sleep(_POLL_S)
        self._log_fleet_trouble(test)
        test.workers_at_end = self._fleet.parts(test.publisher.run_id)
        receipts, remarks, heard_of_all = self._fleet.receipts(test.publisher.run_id, publishing=not test.from_reports)
        requests, failures = (test.requests, test.failures) if test.reconcile else (None, None)
        if test.stop_reason is not None:
            remarks.append(test.stop_reason)
        at_aws = test.dashboard is not None and not test.record.options.get("endpoint_url")
        url = test.dashboard.url if test.dashboard is not None and at_aws else None
        test.receipt = test.publisher.finish(requests, failures, receipts, remarks, url)
        for level, message in test.publisher.diagnostics():
            logger.log(level, "%s", message)
        if self._role("Worker"):
            # The receipt is the master's to print, and the loss its to tell.
            test.lost = False
            self._tell_master(test)
            return test.receipt
        test.lost = test.fail_on_loss and not (test.receipt.complete and heard_of_all)
        self._write_record(test, test.receipt)
        if test.receipt_file is not None:
            try:
                Path(test.receipt_file).write_text(f"{test.receipt.json}\n", encoding="utf-8")
            except OSError as error:
                logger.error("The receipt could not be written: %s", error)  # noqa: TRY400 - the message says it all
        text = test.receipt.colored_text if has_colors(sys.stderr) else test.receipt.text
        write(sys.stderr, f"\n{text}")
        return test.receipt

    def _write_record(self, test: _Test, receipt: _core.Receipt) -> None:
        test.record.receipt = json.loads(receipt.json)
        test.record.series = json.loads(receipt.message)["series"]
        try:
            test.record.write()
        except OSError as error:
            logger.debug("The record of run %s could not be written: %s", test.publisher.run_id, error)

    def _exit_on_loss(self, exit_code: int = 0, **_kwargs: object) -> None:
        if self._lost and not exit_code:
            logger.error("Not every sample was delivered: exit code 1, as --cw-fail-on-loss asks")
            sys.exit(1)

    def _finish_at_exit(self) -> None:
        if self._unfinished and self._quitting_greenlet is None:
            # The process is ending: an exception here would only hide the reason why.
            with suppress(Exception, KeyboardInterrupt):
                self._on_quit()


def _own_process() -> psutil.Process:
    """This process; psutil measures the use of the processor between two calls to the same object."""
    global _process  # noqa: PLW0603 - a cache, made anew after a fork
    if _process is None or _process.pid != os.getpid():
        _process = psutil.Process()
    return _process


_process: psutil.Process | None = None
