"""A session: the tests of one Locust environment in this process, from its events to their receipts.

Nothing here waits in a `request` or `test_stop` handler: a worker reports its last statistics only after the latter.
The bounded wait for the delivery is in `quit`, where every caller waits for the same end, and, on the ways out of a
process that leave `quit` out, in an exit handler. All of it may happen twice.
"""

from __future__ import annotations

import atexit
import functools
import logging
import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import gevent

from locust_cw import _core
from locust_cw._aws.account import Account
from locust_cw._aws.alarms import Alarms
from locust_cw._aws.local import LocalCloudWatch, LocalCloudWatchError
from locust_cw._dashboard.name import check_name
from locust_cw._distributed import registry as _fleet
from locust_cw._distributed.registry import WorkerRegistry, is_master, is_worker
from locust_cw._extensions.pending_spools import log_pending_spools
from locust_cw._extensions.preflight import refuse_for_worker, refuse_unless_published, watch_alarms
from locust_cw._plugin.greenlets import spawn
from locust_cw._plugin.run import TestRun
from locust_cw._plugin.shutdown import DrainWait
from locust_cw._publisher import process_name
from locust_cw._settings import opt_outs as _opt_outs
from locust_cw._settings import table as _options
from locust_cw._settings.opt_outs import OPT_OUTS
from locust_cw._settings.table import Options
from locust_cw._terminal.progress import ProgressBar
from locust_cw._webui import status as _status
from locust_cw._webui import tab as _web

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from locust import User
    from locust.env import Environment
    from locust.event import Events

    from locust_cw._terminal.receipt import Receipt
    from locust_cw._webui.status import Status

logger = logging.getLogger("locust_cw")

_POLL_S = 0.05
_SAMPLE_EVERY_S = 1.0
_COUNT_USERS_EVERY_S = 0.1
_RUNNER_TIMEOUT_S = 5.0
# How much longer than its own drain timeout a master waits for its workers' receipts.
_FOR_RECEIPTS_S = 3.0
# How long other listeners to `quit` may take before a second shutdown goes on.
_LAST_MOMENTS_S = 10.0


class Session:
    """The tests of one environment in this process: what `attach` gives."""

    # Each event of Locust's has a method of its name.

    def __init__(self, events: Events) -> None:
        """Until a test starts nothing happens."""
        self._events = events
        self._environment: Environment | None = None
        self._overrides: Mapping[str, Any] = {}
        # What the user named the run, what became of it, and what all runs were named.
        self._chosen_run_id: str | None = None
        self._assigned_run_id: str | None = None
        self._run_ids: set[str] = set()
        self._local: LocalCloudWatch | None = None
        self._test: TestRun | None = None
        # What the web UI tells of: the last test, or why nothing of it is published, and since when.
        self._shown: TestRun | None = None
        self._unpublished: tuple[str, float] | None = None
        # What a worker tells of a test that it keeps out of, though its master publishes.
        self._opt_out: dict[str, Any] | None = None
        self._unfinished: list[TestRun] = []
        # Receipts that nobody has asked for yet, each with the start of its test.
        self._receipts: list[tuple[float, Receipt]] = []
        self._fleet = WorkerRegistry()
        self._quitting_greenlet: object = None
        self._closing = False
        self._waiting = DrainWait()
        self._lost = False
        self._failed = False
        # What the last start was for, and whose stops are noted.
        self._asked: object = None
        self._watched_runner: object = None
        # The process that the tests run in.
        self._owner: int | None = None
        self._tells_of_loss = False

    # What comes before a test.

    def configure(self, environment: Environment, overrides: Mapping[str, Any]) -> None:
        """Set the environment and the options that win over its own.

        Raises:
            InvalidOptionError: If one cannot be used.

        """
        if _fleet.sent_by_master(environment, "disable") is None:
            _opt_outs.note_unless_known(environment.parsed_options)
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
            if not is_worker(environment):
                self._start_local(Options(environment.parsed_options, self._overrides))
        except (_core.InvalidOptionError, LocalCloudWatchError) as error:
            _options.exit_with(error)
        # It stands still while modules are imported, and the time a test may run for counts from it.
        gevent.get_hub().loop.update_now()

    def _start_local(self, options: Options) -> None:
        if options["local"] and not options["disable"] and not options["dry_run"] and self._local is None:
            self._local = LocalCloudWatch()
            logger.info("A local CloudWatch listens at %s for as long as this process runs", self._local.endpoint_url)

    # The test.

    @staticmethod
    def _wait_for_runner(environment: Environment) -> None:
        """A worker that joins a running test is told to spawn before its environment knows its runner."""
        deadline = time.monotonic() + _RUNNER_TIMEOUT_S
        worker = (
            getattr(environment.parsed_options, "worker", False)
            # Of a program's worker no command line tells.
            or _fleet.sent_by_master(environment, "disable") is not None
        )
        while worker and environment.runner is None and time.monotonic() < deadline:
            gevent.sleep(_POLL_S)

    def on_test_start(self, environment: Environment, **_kwargs: object) -> None:
        """Begin to publish a test, unless the options say otherwise."""
        self._environment = environment
        self._wait_for_runner(environment)
        self._unpublished = self._opt_out = None
        try:
            options = Options(environment.parsed_options, self._overrides)
        except _core.InvalidOptionError as error:
            # An environment variable that no command line has read.
            self._end_test()
            self._await_the_end()
            self._publish_nothing(environment, error, loses=bool(self._overrides.get("fail_on_loss")))
            return
        before, self._asked = self._asked, (environment.host, options.asked)
        worker = is_worker(environment)
        self._agree_on_publishing(environment, options)
        same_run = self._test is not None and self._test.publisher.run_id == options["run_id"]
        # A test that is not to be published has no run: what the master tells is that of the one before.
        if worker and same_run and not options["disable"]:
            # Back after the connection was lost, in the same run.
            self._test.resume()  # type: ignore[union-attr]
            return
        if self._test is not None and self._test.is_waiting and self._asked == before:
            # Locust has ended the greenlet that waited for AWS, as another start goes on in its place.
            self._let_start(self._test, options)
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
            self._publish_nothing(environment, error, loses=bool(options["fail_on_loss"]))
            return
        self._let_start(test, options)

    def _publish_nothing(self, environment: Environment, error: Exception, *, loses: bool) -> None:
        """Log why a test is not published. A listener that raised would change Locust's exit code."""
        logger.error("Nothing of this test is published: %s", error)
        self._unpublished = str(error), time.time()
        self._lost = self._lost or loses
        if is_master(environment):
            # So that it is true of the workers, too, until the next test starts.
            _fleet.send_to_workers(environment, disable=True)

    @staticmethod
    def _let_start(test: TestRun, options: Options) -> None:
        if options["dry_run"]:
            return
        if options["strict"]:
            refuse_unless_published(test)
        if options["stop_on_alarm"] and not is_worker(test.environment):
            watch_alarms(test, Alarms(Account(options.core, gevent.sleep), options["stop_on_alarm"]))

    def _agree_on_publishing(self, environment: Environment, options: Options) -> None:
        """Have no worker publish where it or its master opts out, whichever of their sources says so."""
        if is_master(environment):
            _fleet.send_to_workers(environment, **{name: bool(options[name]) for name in OPT_OUTS}, local_url=None)
        elif is_worker(environment):
            told = {name: _fleet.sent_by_master(environment, name) for name in OPT_OUTS}
            for name in OPT_OUTS:
                if told[name] is not None:
                    # The master's options stand in the place of the worker's, and may be those of an earlier test.
                    options.set(name, bool(told[name]) or options.own[name])
            if options.own["local"]:
                options.set("local", True)  # noqa: FBT003 - the value of an option
            if told["disable"] is False:
                self._report_opt_out(environment, options, dry_run=bool(told["dry_run"]))

    def _report_opt_out(self, environment: Environment, options: Options, *, dry_run: bool) -> None:
        """Tell a master that publishes if this worker has it publish nothing of its requests.

        A worker that publishes for itself gives an account of its dry run. Where the master publishes for the workers,
        it leaves this one out.
        """
        opts_out = ["disable"]
        if options["source"] == "master" and not dry_run:
            opts_out.append("dry_run")
            if _fleet.sent_by_master(environment, "local_url") is None:
                opts_out.append("local")
        for name in opts_out:
            if options.own[name]:
                self._opt_out = _fleet.opt_out(options["run_id"], f"--cw-{name.replace('_', '-')}")
                _fleet.send_to_master(environment, self._opt_out)
                return

    def _await_the_end(self) -> None:
        if self._owner != os.getpid():
            self._owner = os.getpid()
            atexit.register(self._finish_at_exit)
        if not self._tells_of_loss:
            self._tells_of_loss = True
            # The last of the listeners, as it ends the process.
            self._events.quit.add_listener(self._exit_on_loss)

    def _start_test(self, environment: Environment, options: Options) -> TestRun:
        worker = is_worker(environment)
        run_id = options["run_id"] if worker else self._next_run_id(options["run_id"])
        if not worker and environment.parsed_options is not None:
            # Locust sends it to the workers, with the other options.
            environment.parsed_options.cw_run_id = run_id
        # Both may have come from the web UI since the options were checked.
        if options.dashboard is not None:
            check_name(options.dashboard)
        targets = options.targets
        self._direct_to_local(environment, options)
        host, fallback_host = (
            None if host is None else _core.public_host(_as_text(host))
            for host in (environment.host or None, _host_of(environment.user_classes))
        )
        publisher = _core.Publisher(
            options.core,
            run_id=run_id or _core.new_run_id(),
            worker=str(environment.runner.client_id) if worker else process_name(),  # type: ignore[union-attr]
            host=host,
            fallback_host=fallback_host,
        )
        self._run_ids.add(publisher.run_id)
        test = TestRun(environment, publisher, options, self._fleet, host=host or fallback_host)
        self._test = self._shown = test
        self._unfinished.append(test)
        if is_master(environment) and _fleet.MESSAGE not in environment.runner.custom_messages:  # type: ignore[union-attr]
            environment.runner.register_message(_fleet.MESSAGE, self._on_account)  # type: ignore[union-attr]
            self._hand_on_run_id(environment)
        self._note_stops(environment)
        self._quitting_greenlet = None
        self._events.request.add_listener(publisher.record)
        publisher.event("test_start")
        spawn(self._monitor_loop, test)
        test.announce(options)
        if not worker:
            spawn(log_pending_spools, options["spool_dir"], gevent.sleep)
        if worker:
            # From now on it is waited for.
            test.report_to_master()
        if options.dashboard is not None and not worker and not options["dry_run"]:
            test.make_dashboard(options, options.dashboard, targets)
        return test

    def _direct_to_local(self, environment: Environment, options: Options) -> None:
        """Publish to the local CloudWatch where there is to be one: on a worker the one that its master tells of.

        What was to stay on this machine must not go to AWS.
        """
        if is_worker(environment):
            # The master may have it from its program, of which the options that it sends do not tell.
            url = _fleet.sent_by_master(environment, "local_url")
        else:
            url = self._local.endpoint_url if self._local is not None and options["local"] else None
            if is_master(environment):
                _fleet.send_to_workers(environment, local_url=url)
        if url is not None:
            options.set("endpoint_url", url)
            options.set("local", True)  # noqa: FBT003 - the value of an option
        elif options["local"] and not options["dry_run"]:
            raise LocalCloudWatchError(
                "the master does not tell where its local CloudWatch listens: have the master publish locally too, "
                "and install the same version of locust-cw on all machines"
            )

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

    def _note_stops(self, environment: Environment) -> None:
        """Have a stop of the runner end a test that waits for AWS: Locust's does nothing before there are users."""
        runner: Any = environment.runner
        if runner is None or runner is self._watched_runner:
            return
        self._watched_runner = runner
        stop = runner.stop

        @functools.wraps(stop)
        def stop_whatever_there_is(*args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - whatever Locust's takes
            test = self._test
            if test is not None:
                test.refuse_if_waiting()
            stop(*args, **kwargs)
            if test is not None and test.is_unstarted and test.is_under_way:
                test.stop()

        runner.stop = stop_whatever_there_is

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
            run_id = f"{chosen[: _core.MAX_RUN_ID_CHARS - len(suffix)]}{suffix}" if chosen else _core.new_run_id()
        self._assigned_run_id = run_id
        return run_id

    def on_spawning_complete(self, user_count: int, **_kwargs: object) -> None:
        """Note the end of the ramp-up."""
        if self._test is not None:
            self._test.on_ramp_up_complete(user_count)

    def on_reset_stats(self, **_kwargs: object) -> None:
        """Remember the statistics that the web UI's button resets."""
        if self._test is not None:
            self._test.on_reset()

    def on_cpu_warning(self, cpu_usage: float, **_kwargs: object) -> None:
        """Log Locust's warning with the run."""
        if self._test is not None:
            self._test.publisher.event("cpu_warning", {"cpu_percent": cpu_usage})

    def on_test_stop(self, **_kwargs: object) -> None:
        """Note the test's stop; it is delivered from now on."""
        if self._test is not None and not self._test.stopped:
            self._test.stop()

    def _monitor_loop(self, test: TestRun) -> None:
        """Sample what the test uses, and once another has begun and this one is delivered, be done with it."""
        while not test.concluding:
            # After the full second, so that each has one sample, and late enough to have its windows closed too.
            due = time.time() // _SAMPLE_EVERY_S * _SAMPLE_EVERY_S + _SAMPLE_EVERY_S + 0.03
            # A clock that was set back does not hold it up.
            while 0 < (left := due - time.time()) < 2 * _SAMPLE_EVERY_S:
                gevent.sleep(min(left, _COUNT_USERS_EVERY_S))
                if test is self._test:
                    test.count_users()
            if test is not self._test:
                if not self._closing and test.is_delivered:
                    self._finalize(test)
                    return
                if is_worker(test.environment):
                    # Locust's reports tell of the new test.
                    test.report_to_master()
            elif not test.stopped:
                test.sample()
            else:
                # Requests may end after the test.
                test.snapshot_totals()
                if is_master(test.environment) and test.environment.runner.state == "stopped":  # type: ignore[union-attr]
                    test.log_test_stop()
            test.log_diagnostics()

    # A fleet.

    def on_report_to_master(self, data: dict[str, Any], **_kwargs: object) -> None:
        """Let the account go along with the statistics it agrees with."""
        if self._test is not None:
            data[_fleet.MESSAGE] = self._test.report.to_message()
        elif self._opt_out is not None:
            data[_fleet.MESSAGE] = self._opt_out

    def on_worker_report(self, client_id: str, data: dict[str, Any], **_kwargs: object) -> None:
        """Take a worker's account, and its statistics where those are what is published."""
        if isinstance(told := data.get(_fleet.MESSAGE), dict):
            self._handle_worker_report(client_id, told)
        test = self._test
        if test is None or self._fleet.has_opted_out(client_id, test.publisher.run_id):
            return
        if test.publishes_reports:
            entries = data.get("stats")
            for entry in entries if isinstance(entries, list) else ():
                test.publisher.report(entry)

    def _on_account(self, msg: Any, **_kwargs: object) -> None:  # noqa: ANN401 - Locust's Message has no types
        self._handle_worker_report(msg.node_id, msg.data)

    def _handle_worker_report(self, client_id: str, told: dict[str, Any]) -> None:
        self._fleet.update(client_id, told)
        for test in self._unfinished if isinstance(told, dict) else ():
            why = _fleet.refusal(told, test.publisher.run_id)
            if why is not None and not test.concluding and not test.has_failed:
                refuse_for_worker(test, client_id, why)

    def _drain_worker_messages(self) -> None:
        """Take the workers' messages in Locust's place: its own greenlets end before `quit`."""
        runner: Any = self._environment and self._environment.runner
        while True:
            with suppress(Exception):
                _, message = runner.server.recv_from_client()
                if message.type == _fleet.MESSAGE:
                    self._on_account(message)
            gevent.sleep(0)

    # What the web UI shows.

    def statuses(self) -> list[Status]:
        """That of the whole last run, and those of its workers; nothing before the first."""
        if self._unpublished is not None:
            return [_status.off(*self._unpublished)]
        test = self._shown
        if test is None:
            return []
        return _status.statuses(test.run, test.part, test.worker_statuses, time.time())

    def links(self) -> dict[str, str]:
        """Where people look at the last run in the AWS console, by what they see there."""
        return {} if self._shown is None or self._unpublished is not None else self._shown.links

    # The end.

    def _end_test(self) -> None:
        """Detach the test that is over."""
        test, self._test = self._test, None
        if test is not None:
            test.detach()

    def _finalize(self, test: TestRun) -> None:
        """Draw up the receipt of a test and let go of it. Harmless twice: the end may come while another looks."""
        with self._waiting.uninterrupted():
            if test.concluding:
                return
            test.concluding = True
            try:
                self._receipts.append((test.started, test.build_receipt(self._waiting)))
            except Exception:
                # The other tests have theirs all the same.
                logger.exception("The receipt of run %s could not be drawn up", test.publisher.run_id)
            finally:
                self._lost = self._lost or test.lost
                self._failed = self._failed or test.has_failed
                # Whoever waits for the end waits for this list to be empty.
                self._unfinished.remove(test)

    def on_quitting(self, **_kwargs: object) -> None:
        """Hold a second shutdown back while the first one delivers.

        After SIGTERM Locust shuts down in a greenlet of its own. When that one waits, in `quit`, the main greenlet
        shuts down too, and would write the statistics once more, which the first writing has emptied. The first one
        ends the process, and with it this wait.
        """
        if self._quitting_greenlet not in (None, gevent.getcurrent()) and self._is_ours:
            while self._unfinished:
                self._waiting.sleep(_POLL_S)
            self._waiting.sleep(_LAST_MOMENTS_S)

    def on_quit(self, **_kwargs: object) -> None:
        """Deliver what is left, within the drain timeout. Every caller returns when that is over."""
        if not self._is_ours:
            return
        if self._quitting_greenlet is None:
            self._quitting_greenlet = gevent.getcurrent()
            self.close()
        while self._unfinished:
            self._waiting.sleep(_POLL_S)

    @property
    def _is_ours(self) -> bool:
        """Whether there is anything for this process to end: tests of one that forked it are not."""
        return self._owner in (None, os.getpid())

    def close(self) -> list[Receipt]:
        """Deliver what is left, within the drain timeout, and print and return the receipts, oldest first."""
        if not self._is_ours:
            return []
        if self._test is not None:
            self._test.snapshot_totals()
        self._end_test()
        self._closing = True
        begun = time.monotonic()
        progress_bar = ProgressBar()
        receiver = None
        if is_master(self._environment) and not len(self._environment.runner.greenlet):  # type: ignore[union-attr]
            receiver = spawn(self._drain_worker_messages)
        with self._waiting.ended_by_ctrl_c():
            while self._unfinished:
                test = self._unfinished[0]
                if test.summary_greenlet is not None:
                    test.summary_greenlet.kill()
                self._wait_for(test, progress_bar, begun + test.publisher.drain_timeout)
                progress_bar.clear()
                if test.concluding:
                    # Delivered before the end: its receipt is on the way.
                    self._waiting.sleep(_POLL_S)
                    continue
                if self._waiting.given_up:
                    self._log_leftovers(test)
                self._finalize(test)
        atexit.unregister(self._finish_at_exit)
        self._owner = None
        self._closing = False
        if receiver is not None:
            receiver.kill(block=False)
        self._receipts.sort(key=lambda known: known[0])
        receipts, self._receipts = [receipt for _, receipt in self._receipts], []
        if self._local is not None and receipts:
            self._local.stop()
            self._local = None
        return receipts

    def _wait_for(self, test: TestRun, progress_bar: ProgressBar, deadline: float) -> None:
        run_id = test.publisher.run_id
        worker = is_worker(test.environment)
        if is_master(test.environment):
            deadline += _FOR_RECEIPTS_S
        tell_at = 0.0
        while not self._waiting.given_up:
            progress = test.publisher.progress()
            now = time.monotonic()
            if (progress.over and self._fleet.is_complete(run_id)) or now > deadline:
                return
            if not worker:
                left, settled = self._fleet.progress(run_id)
                progress_bar.show(
                    progress.left + left,
                    progress.settled + settled,
                    [failure.message for failure in progress.failures]
                    or [why for why in self._fleet.troubles(run_id).values() if why],
                    seconds_to_wait=deadline - now,
                )
            elif now >= tell_at:
                tell_at = now + _SAMPLE_EVERY_S
                test.report_to_master()
            self._waiting.sleep(_POLL_S)

    @staticmethod
    def _log_leftovers(test: TestRun) -> None:
        """Say what becomes of what nobody waits for any longer."""
        left = test.samples_left
        if left and not is_worker(test.environment):
            where = "the spools of master and workers" if is_master(test.environment) else "the spool"
            logger.warning(
                "Ctrl-C: no longer waiting for CloudWatch. %s samples are left in %s. Send them with: %s",
                f"{left:,}",
                where,
                test.replay_command,
            )

    def _exit_on_loss(self, exit_code: int = 0, **_kwargs: object) -> None:
        if exit_code:
            return
        if self._failed and _fleet.has_command_line(self._environment):
            # A locustfile that sets the exit code by Locust's statistics knows nothing of it. Programs see to theirs.
            logger.error("The test was refused, or stopped by an alarm: exit code 1")
            sys.exit(1)
        if self._lost:
            logger.error("Not every sample was delivered: exit code 1, as --cw-fail-on-loss asks")
            sys.exit(1)

    def _finish_at_exit(self) -> None:
        if self._unfinished and self._quitting_greenlet is None:
            # The process is ending: an exception here would only hide the reason why.
            with suppress(Exception, KeyboardInterrupt):
                self.on_quit()


def _as_text(host: str) -> str:
    """A host without what is no character: bytes of a command line that are no UTF-8."""
    return host.encode(errors="replace").decode()


def _host_of(user_classes: Iterable[type[User]]) -> str | None:
    """The host that user classes share, as their requests are published under it.

    Requests of `https://shop.example/v1` stand under their URL's origin: so has to what is told of the whole test.
    None where they have several or none, or where that cannot be told.
    """
    given = [user_class.host for user_class in user_classes if user_class.host]
    if not all(isinstance(host, str) for host in given):
        # It may be a property, of which only an instance knows the value.
        return None
    hosts = {_core.origin_of(host) or host for host in given}
    return hosts.pop() if len(hosts) == 1 else None
