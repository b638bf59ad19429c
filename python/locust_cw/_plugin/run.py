"""One load test in this process: what it publishes with, Locust's totals, what is told of it, and its receipt."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
import psutil

from locust_cw import _core
from locust_cw._aws import console
from locust_cw._aws.account import Account
from locust_cw._dashboard.limits import DashboardError
from locust_cw._dashboard.run_dashboard import Dashboard
from locust_cw._dashboard.view import View
from locust_cw._distributed import registry as _fleet
from locust_cw._distributed.outages import WorkerOutages
from locust_cw._distributed.registry import is_master, is_worker
from locust_cw._extensions.startup_summary import startup_summary
from locust_cw._plugin.greenlets import spawn
from locust_cw._runs.record import Record, absolute, was_published
from locust_cw._terminal.receipt import Receipt
from locust_cw._terminal.styles import has_colors, write
from locust_cw._webui.status import ProcessStatus, Run
from locust_cw._webui.tab import Places

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from locust.env import Environment

    from locust_cw._aws.targets import Target
    from locust_cw._distributed.registry import WorkerRegistry
    from locust_cw._plugin.shutdown import DrainWait
    from locust_cw._settings.table import Options
    from locust_cw._webui.status import Mode

logger = logging.getLogger("locust_cw")

_POLL_S = 0.05
# How long the end waits for the dashboard's last mark.
_MARKS_TIMEOUT_S = 10.0
# How long after the next test's start all workers have told of the last one: they do so every second.
_TIME_TO_TELL_S = 5.0
# Locust's states of a runner before a test and after it.
_WITHOUT_USERS = ("ready", "stopped")


class TestRun:
    """A test, from its start to its receipt.

    Attributes:
        environment: Where it runs.
        publisher: What it publishes with.
        stopped: Whether Locust has stopped it; requests may still end.
        replaced_at: When it was detached, by the monotonic clock: another began, or the end has come.
        stop_reason: Why it was stopped, if not by Locust or the user.
        refusal: Why it was not started, if it was not, here or by a worker.
        is_unstarted: Whether this process did not start it.
        problem: What was last logged as amiss, and when.
        refused_if_stopped: What is told if it is stopped now: its start waits for AWS, and it has no users yet.
        summary_greenlet: What tells of the start, while AWS is asked as whom.
        concluding: Whether its receipt is being drawn up, or is there.
        lost: Whether the exit code has to tell of a loss: of an assumed one, until the receipt is there.

    """

    def __init__(
        self,
        environment: Environment,
        publisher: _core.Publisher,
        options: Options,
        fleet: WorkerRegistry,
        *,
        host: str | None,
    ) -> None:
        """A test that starts now, of which nothing is recorded yet."""
        self.environment = environment
        self.publisher = publisher
        self.stopped = False
        self.replaced_at: float | None = None
        self.stop_reason: str | None = None
        self.problem: tuple[str, float] | None = None
        self.refusal: str | None = None
        self.is_unstarted = False
        self.refused_if_stopped: str | None = None
        self.summary_greenlet: gevent.Greenlet[..., None] | None = None
        self.concluding = False
        self.lost: bool = options["fail_on_loss"]
        self._fleet = fleet
        self._fleet_trouble = WorkerOutages()
        self._record = Record(
            publisher.run_id,
            options.core | {"spool_dir": absolute(options["spool_dir"])},
            time.time(),
            host=host,
            targets=list(options["target"] or ()),
        )
        goes_out = not is_worker(environment) and not options["dry_run"] and not options["local"]
        if goes_out and was_published(publisher.run_id, options["spool_dir"]):
            logger.warning(
                "There was a run %s before. This one replaces its record, and CloudWatch will hold both under one id:"
                " give each run a --cw-run-id of its own, or none.",
                publisher.run_id,
            )
        self._mode: Mode = "dry run" if options["dry_run"] else "live" if options["live"] else "after the test"
        # Its master's tests are none.
        told = _fleet.sent_by_master(environment, "dry_run")
        self._has_own_dry_run = is_worker(environment) and options.own["dry_run"] and not told
        self._from_reports = options["source"] == "master"
        self._fail_on_loss: bool = options["fail_on_loss"]
        self._receipt_file: str | None = options["receipt"]
        self._receipt: Receipt | None = None
        self._workers_at_end: dict[str, ProcessStatus] = {}
        self._places: Places | None = None
        self._dashboard: Dashboard | None = None
        self._dashboard_url: str | None = None
        self._marking: list[gevent.Greenlet[..., None]] = []
        self._stop_told = False
        self._delivered_said = False
        # Locust's totals: up to its last reset of the statistics, and in all.
        self._reset_totals = (0, 0)
        self._totals = (0, 0)
        self._sampled = time.monotonic(), time.process_time()

    @property
    def started(self) -> float:
        """When it started, in seconds since the epoch."""
        return self._record.started

    @property
    def publishes_reports(self) -> bool:
        """Whether it is the workers' reports that are published."""
        return self._from_reports and is_master(self.environment)

    @property
    def is_under_way(self) -> bool:
        """Whether it has neither stopped nor made way for another."""
        return not self.stopped and self.replaced_at is None

    # Its course.

    def announce(self, options: Options) -> None:
        """Tell what begins, as soon as it is known as whom; the test does not wait for that."""
        level = logging.DEBUG if is_worker(self.environment) else logging.INFO
        if not logger.isEnabledFor(level):
            return
        runner = self.environment.runner
        workers = runner.worker_count if is_master(self.environment) else None  # type: ignore[union-attr]

        def announce() -> None:
            line = startup_summary(options, self.publisher.run_id, workers=workers, from_reports=self.publishes_reports)
            logger.log(level, "%s", line)

        self.summary_greenlet = spawn(announce)

    def make_dashboard(self, options: Options, name: str, targets: Sequence[Target]) -> None:
        """Make or update the dashboard of that name, beside the load."""
        # Links to it are asked for before it is there.
        self._record.dashboard = name
        self._mark(self._begin_dashboard, options, name, targets)

    def _begin_dashboard(self, options: Options, name: str, targets: Sequence[Target]) -> None:
        account = Account(options.core, gevent.sleep)
        region = account.region()
        if region is None:
            logger.warning("There is no dashboard: no AWS region is configured. Give --cw-region, or set AWS_REGION.")
            self._record.dashboard = None
            return
        view = View.of(options.core, region=region, host=self._record.host, targets=targets)
        self._dashboard = Dashboard(account, name, view, self.publisher.run_id)
        self._dashboard_url = console.link_to_dashboard(account.destination(), name)
        # To find the region may take seconds, in which the test has gone on.
        if self._record.ramped_up is not None:
            self._mark(self._dashboard.ramped_up, self._record.ramped_up)
        if self._record.stopped is not None:
            self._mark(self._dashboard.stopped, self._record.stopped, self.stop_reason)
        self._dashboard.begin(self._record.started)

    def _mark(self, mark: Callable[..., None], *args: object) -> None:
        """Mark the dashboard beside the load, which it must not hold up."""

        def try_to_mark() -> None:
            try:
                mark(*args)
            except _core.AwsError as error:
                logger.warning("The dashboard was not brought up to date: %s", error.message)
            except DashboardError as error:
                logger.warning("The dashboard was not brought up to date: %s", error)

        self._marking.append(spawn(try_to_mark))

    def on_ramp_up_complete(self, user_count: int) -> None:
        """Note that all users have been spawned, the first time as the end of the ramp-up."""
        if self.environment.reset_stats:
            self.on_reset()
        if self._record.ramped_up is None:
            self._record.ramped_up = time.time()
            if self._dashboard is not None:
                self._mark(self._dashboard.ramped_up, self._record.ramped_up)
        self.publisher.set_users(user_count)
        self.publisher.event("spawning_complete", {"user_count": user_count})

    def refuse(self, why: str, *, worker: str | None = None) -> None:
        """Log that it is not started, or that a worker did not start it, and have the exit code tell."""
        self.refusal, self.refused_if_stopped = why, None
        self.environment.process_exit_code = 1
        if worker is None:
            self.is_unstarted = True
            logger.error("The test is not started, %s", why)
            self.problem = f"The test was not started, {why}", time.time()
        else:
            logger.error("The test is stopped: worker %s did not start it, %s", worker, why)
            self.problem = f"Worker {worker} did not start the test, {why}", time.time()

    @property
    def is_waiting(self) -> bool:
        """Whether its start waits for AWS."""
        return self.is_under_way and self.refused_if_stopped is not None

    def refuse_if_waiting(self) -> None:
        """Note that it is stopped: as a refusal, if its start still waits for AWS."""
        if self.refused_if_stopped is not None:
            self.refuse(self.refused_if_stopped)

    @property
    def has_failed(self) -> bool:
        """Whether the exit code has to tell: it was refused, or stopped by an alarm."""
        return self.refusal is not None or self.stop_reason is not None

    def stop(self) -> None:
        """Note that Locust has stopped it, and begin to send what there is."""
        self.stopped = True
        self._record.stopped = time.time()
        if self._dashboard is not None:
            self._mark(self._dashboard.stopped, self._record.stopped, self.stop_reason)
        self.snapshot_totals()
        self.sample()
        if not is_master(self.environment):
            self.log_test_stop()
        self.publisher.drain()

    def resume(self) -> None:
        """Go on: the connection to the master was lost for a while, and Locust had stopped the test."""
        self.stopped = self._stop_told = False
        self.publisher.resume()

    def log_test_stop(self) -> None:
        """Log the end of the test, with its statistics: a master has those of its workers after its `test_stop`."""
        if self._stop_told:
            return
        self._stop_told = True
        total = self.environment.stats.total
        self.publisher.event(
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

    # Locust's totals.

    def snapshot_totals(self) -> None:
        """Remember Locust's totals: the next test's start clears them."""
        total = self.environment.stats.total
        requests, failures = self._reset_totals
        self._totals = requests + total.num_requests, failures + total.num_failures

    def on_reset(self) -> None:
        """Remember what Locust is about to forget in the middle of the test."""
        self.snapshot_totals()
        self._reset_totals = self._totals

    # Gauges.

    def sample(self) -> None:
        """Take the gauges: users, workers, and what this process uses."""
        publisher, runner = self.publisher, self.environment.runner
        users = self.count_users()
        if not is_worker(self.environment):
            publisher.gauge("UserCount", users, "Count")
            by_class = self._users_by_class()
            for name, number in by_class.items() if len(by_class) > 1 else ():
                publisher.gauge("UserCount", number, "Count", ("UserClass", name))
        if is_master(self.environment):
            publisher.gauge("WorkerCount", runner.worker_count, "Count")  # type: ignore[union-attr]
            # Before users are spawned no worker is at fault; a test that is refused has none.
            publishing = not self._from_reports and runner.state not in _WITHOUT_USERS  # type: ignore[union-attr]
            self._fleet.observe(publisher.run_id, runner.clients, publishing=publishing)  # type: ignore[union-attr]
        # Of a processor, by all threads, since the last time.
        before, self._sampled = self._sampled, (time.monotonic(), time.process_time())
        seconds, used = (after - earlier for after, earlier in zip(self._sampled, before, strict=True))
        if seconds > 0 and used >= 0:  # in a forked process it begins anew
            publisher.gauge("GeneratorCpu_Percent", used / seconds * 100, "Percent")
        publisher.gauge("GeneratorMemory_Bytes", _own_process().memory_info().rss, "Bytes")

    def count_users(self) -> int:
        """Have samples tell how many users there are."""
        runner = self.environment.runner
        users = 1 if runner is None else runner.user_count
        self.publisher.set_users(users)
        return users

    def _users_by_class(self) -> dict[str, int]:
        runner: Any = self.environment.runner
        if runner is None:
            return {}
        counts: dict[str, int] = (
            runner.reported_user_classes_count if is_master(self.environment) else runner.user_classes_count
        )
        return counts

    # What is told of it.

    @property
    def report(self) -> _core.StatusReport:
        """What this process reports of the run."""
        return self.publisher.status_report(
            stopped=self.stopped,
            problem=self.problem,
            refusal=self.refusal,
            remarks=[] if self._receipt is None else self._receipt.remarks,
        )

    @property
    def part(self) -> ProcessStatus:
        """This process's part in the run."""
        return ProcessStatus(self.report)

    @property
    def worker_statuses(self) -> dict[str, ProcessStatus]:
        """What each worker reported of its part, as far as it is known."""
        return self._workers_at_end if self._receipt is not None else self._fleet.parts(self.publisher.run_id)

    def report_to_master(self) -> None:
        """Report to the master. Best effort: a failure is ignored, as Locust's next report brings the same."""
        _fleet.send_to_master(self.environment, self.report.to_message())

    @property
    def run(self) -> Run:
        """What all processes share."""
        return Run(self.publisher.run_id, self._mode, self._record.started, self._record.stopped)

    @property
    def links(self) -> dict[str, str]:
        """Where people look at it in the AWS console, by what they see there."""
        if self._places is None:
            self._places = Places(self._record.options, self._record.dashboard)
        return self._places.links

    def log_diagnostics(self) -> None:
        """Log what has come up since the last time."""
        for message in self.publisher.diagnostics():
            logger.log(message.level, "%s", message.text)
            if message.level >= logging.WARNING:
                self.problem = message.text, time.time()
        self._log_fleet_trouble()
        if self.stopped and not self._delivered_said and not self.publisher.progress().left:
            self._delivered_said = True
            logger.debug("CloudWatch has all of run %s", self.publisher.run_id)

    def _log_fleet_trouble(self) -> None:
        if is_master(self.environment):
            news = self._fleet_trouble.news(self._fleet.troubles(self.publisher.run_id), time.monotonic())
            if news is not None:
                logger.log(*news)

    # Its end.

    @property
    def samples_left(self) -> int:
        """How many samples wait to be delivered, here and on the workers; none in a dry run, which delivers nothing."""
        if self._mode == "dry run":
            return 0
        return self.publisher.progress().left + self._fleet.progress(self.publisher.run_id)[0]

    @property
    def replay_command(self) -> str:
        """The command that sends what is left of it on this machine."""
        return self._record.replay_command

    def detach(self) -> None:
        """Take no more requests; it is delivered in the background, or at the end of the process."""
        # Another start takes its place, for another test.
        self.refused_if_stopped = None
        if self.stopped:
            self.log_test_stop()
        self.environment.events.request.remove_listener(self.publisher.record)
        self.publisher.seal()
        self.replaced_at = time.monotonic()

    @property
    def is_delivered(self) -> bool:
        """Whether it is detached and has nothing left to wait for, here and on its workers."""
        progress = self.publisher.progress()
        settled = progress.over and (self._mode == "dry run" or not progress.left)
        beside = [*self._marking, *([self.summary_greenlet] if self.summary_greenlet is not None else ())]
        if not settled or not all(greenlet.dead for greenlet in beside) or self.replaced_at is None:
            return False
        if not is_master(self.environment):
            return True
        # A worker that was not heard of in time, or has vanished, may come back with what is missing.
        heard = time.monotonic() - self.replaced_at > _TIME_TO_TELL_S
        return heard and all(part.report.is_final for part in self._fleet.parts(self.publisher.run_id).values())

    def build_receipt(self, waiting: DrainWait) -> Receipt:
        """Account for it: print the receipt and write it down, or, on a worker, send it to the master."""
        deadline = time.monotonic() + _MARKS_TIMEOUT_S
        while not all(mark.dead for mark in self._marking) and not waiting.given_up and time.monotonic() < deadline:
            waiting.sleep(_POLL_S)
        self._log_fleet_trouble()
        run_id, worker = self.publisher.run_id, is_worker(self.environment)
        self._workers_at_end = self._fleet.parts(run_id)
        reports, remarks, heard_of_all = self._fleet.reports(run_id, publishing=not self._from_reports)
        if self.stop_reason is not None:
            remarks.append(self.stop_reason)
        if self._has_own_dry_run:
            remarks.append("opted out with --cw-dry-run: its results are spooled, and none of them was sent")
        finished = self.publisher.finish(
            # Locust keeps no totals on a worker that compare with what it recorded.
            locust_totals=None if worker else self._totals,
            workers=reports,
            lacks_reports=not heard_of_all,
            dashboard_url=console.at_times(self._dashboard_url, self._record.started, self._record.stopped),
        )
        receipt = self._receipt = Receipt(finished, remarks)
        for message in self.publisher.diagnostics():
            logger.log(message.level, "%s", message.text)
        if worker:
            # The receipt is the master's to print, and the loss its to tell.
            self.lost = False
            self.report_to_master()
            return receipt
        self.lost = self._fail_on_loss and not receipt.complete
        self._write_record(finished)
        if self._receipt_file is not None:
            try:
                Path(self._receipt_file).write_text(f"{receipt.json}\n", encoding="utf-8")
            except OSError as error:
                logger.error("The receipt could not be written: %s", error)  # noqa: TRY400 - the message says it all
        text = receipt.colored_text if has_colors(sys.stderr) else receipt.text
        write(sys.stderr, f"\n{text}")
        return receipt

    def _write_record(self, receipt: _core.Receipt) -> None:
        self._record.receipt = json.loads(receipt.json)
        self._record.series = receipt.series
        self._record.destination = self.publisher.destination() or {}
        try:
            self._record.write()
        except OSError as error:
            logger.debug("The record of run %s could not be written: %s", self.publisher.run_id, error)


def _own_process() -> psutil.Process:
    """This process."""
    global _process  # noqa: PLW0603 - a cache, made anew after a fork
    if _process is None or _process.pid != os.getpid():
        _process = psutil.Process()
    return _process


_process: psutil.Process | None = None
