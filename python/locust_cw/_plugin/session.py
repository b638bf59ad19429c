"""A session: the tests of one Locust environment in this process, and whether they are published.

Nothing waits in a handler of `request` or `test_stop`: a worker reports its last statistics only after the latter. The
delivery is waited for in `quit`, where all callers wait for the same end, and, if the process ends without `quit`, in
an exit handler.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._plugin import locust_adapter
from locust_cw._plugin.extension import Preflight, StartError, enabled, load
from locust_cw._plugin.greenlets import spawn
from locust_cw._plugin.locust_adapter import Role
from locust_cw._plugin.monitor import monitor_loop
from locust_cw._plugin.process_role import ProcessRole
from locust_cw._plugin.run import RunPhase, TestRun
from locust_cw._plugin.session_end import SessionEnd
from locust_cw._plugin.starts import Starts
from locust_cw._settings import opt_outs, table
from locust_cw._settings.table import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from locust.env import Environment

    from locust_cw._plugin.drain import Drain
    from locust_cw._plugin.session_end import FinishedRun

logger = logging.getLogger("locust_cw")


class Session:
    """The tests of one environment in this process. Each event of Locust's has a method of its name.

    Attributes:
        environment: The environment; None before its first event.
        overrides: The options of `attach`.
        role: This process's role in a fleet.
        last_run: The last run that has started.
        unpublished: Why the last test is not published, and since when; None if it is.

    """

    def __init__(self) -> None:
        self.environment: Environment | None = None
        self.overrides: Mapping[str, Any] = {}
        self.role = ProcessRole()
        self.last_run: TestRun | None = None
        self.unpublished: tuple[str, float] | None = None
        self._starts = Starts()
        self._end = SessionEnd()
        self._loaded: dict[str, Any] = {}

    @property
    def run(self) -> TestRun | None:
        """The run that takes requests, if there is one."""
        return self.last_run if self.last_run is not None and self.last_run.is_attached else None

    # Before a test.

    def configure(self, environment: Environment, overrides: Mapping[str, Any]) -> None:
        """Set the environment, and options that take precedence over its own.

        Raises:
            InvalidOptionError: If one cannot be used.

        """
        if locust_adapter.sent_by_master(environment, "disable") is None:
            opt_outs.note_unless_known(environment.parsed_options)
        options = Options(environment.parsed_options, overrides)
        if not options["disable"]:
            options.check()
            locust_adapter.on_web_ui(environment, lambda web_ui: load("web_ui").show(self, web_ui))
        self.environment, self.overrides = environment, dict(overrides)

    def on_init(self, environment: Environment, **_kwargs: object) -> None:
        """Check the options before there is any load. A worker knows them only when a test starts."""
        try:
            self.configure(environment, self.overrides)
            options = Options(environment.parsed_options, self.overrides)
            if locust_adapter.role_of(environment) is Role.WORKER:
                self._join(environment)
            elif not options["disable"]:
                self._start_local(options)
        except (_core.InvalidOptionError, StartError) as error:
            # A worker may get a test before this event. Its options are then its master's, which has logged the error.
            if locust_adapter.sent_by_master(environment, "disable") is None:
                table.exit_with(error)
        locust_adapter.update_clock()

    def _start_local(self, options: Options) -> None:
        if options["local"] and not options["dry_run"] and "local" not in self._loaded:
            self._loaded["local"] = load("local").start()

    # The start of a test.

    def on_test_start(self, environment: Environment, **_kwargs: object) -> None:
        """Start to publish a test, unless the options say otherwise."""
        self.environment = environment
        locust_adapter.wait_for_runner(environment)
        self.unpublished = None
        self._join(environment)
        try:
            options = Options(environment.parsed_options, self.overrides)
        except _core.InvalidOptionError as error:
            # An environment variable that no command line has read.
            self._detach()
            self._publish_nothing(environment, error, self.overrides.get)
            return
        is_repeated = self._starts.record(environment.host, options)
        self.role.prepare(environment, options)
        run = self.run
        if run is not None and self.role.resumes(run, options):
            run.resume()
        elif run is not None and run.is_held and is_repeated:
            # Locust has ended the greenlet that waited for AWS; this start continues instead.
            self._let_start(run)
        else:
            self._detach()
            if self.role.publishes(options):
                self._start(environment, options)
            elif (options["check"] or options["baseline"]) and locust_adapter.role_of(environment) is not Role.WORKER:
                logger.warning("This test is not judged: publishing is disabled (--cw-disable)")

    def _join(self, environment: Environment) -> None:
        """Take the role that the runner gives this process."""
        role = locust_adapter.role_of(environment)
        if role is not Role.LOCAL and role.name.lower() not in self._loaded:
            self.role = self._loaded[role.name.lower()] = load(role.name.lower()).create()

    def _start(self, environment: Environment, options: Options) -> None:
        locust_adapter.on_web_ui(environment, lambda web_ui: load("web_ui").show(self, web_ui))
        try:
            run = self._new_run(environment, options)
        except (_core.InvalidOptionError, StartError, OSError) as error:
            self._publish_nothing(environment, error, options.__getitem__)
            return
        self._await_end(environment)
        self.last_run = run
        self._end.runs.append(run)
        if "drain" in self._loaded:
            self._drain.on_start()
        run.start()
        spawn(monitor_loop, run, self.role, self._end, self._finish)
        self._let_start(run)

    def _new_run(self, environment: Environment, options: Options) -> TestRun:
        is_worker = locust_adapter.role_of(environment) is Role.WORKER
        run_id = options["run_id"]
        if not is_worker:
            self._start_local(options)
            run_id = self._starts.next_run_id(run_id)
            locust_adapter.set_run_id(environment, run_id)
        options.check_names()
        local = self._loaded["local"].endpoint_url if "local" in self._loaded and options["local"] else None
        local = self.role.local_url(environment, options, local)
        if local is not None:
            options.set("endpoint_url", local)
            options.set("local", True)  # noqa: FBT003 - the value of an option
        extensions = enabled(options, is_worker=is_worker)
        host, fallback_host = locust_adapter.hosts_of(environment)
        publisher = _core.Publisher(
            options.core,
            run_id=run_id or _core.new_run_id(),
            worker=locust_adapter.name_of_process(environment),
            host=host,
            fallback_host=fallback_host,
            measured_from=self.role.measured_from(environment),
        )
        self._starts.use(publisher.run_id)
        extensions.insert(0, self.role)
        return TestRun(environment, publisher, options, extensions, host=host or fallback_host)

    def _let_start(self, run: TestRun) -> None:
        if any(isinstance(extension, Preflight) for extension in run.extensions):
            from locust_cw._plugin.preflight import let_start  # noqa: PLC0415 - few tests have to wait

            let_start(run)
        if run.phase is RunPhase.STARTING:
            run.phase = RunPhase.RUNNING
            self.role.begin(run)

    def _publish_nothing(self, environment: Environment, error: Exception, option: Callable[[str], object]) -> None:
        """Log why a test is not published. A listener that raised would change Locust's exit code."""
        self._await_end(environment)
        logger.error("locust-cw does not publish this test: %s", error)
        self.unpublished = str(error), time.time()
        from locust_cw._plugin.exit_code import reasons_without_receipt  # noqa: PLC0415 - few tests are not published

        self._end.exit_reasons |= reasons_without_receipt(option)
        self.role.cancel(environment)

    # During a test.

    def on_spawning_complete(self, user_count: int, **_kwargs: object) -> None:
        """All users are spawned."""
        if self.run is not None:
            self.run.on_ramp_up_complete(user_count)

    def on_reset_stats(self, **_kwargs: object) -> None:
        """The web UI's button resets the statistics."""
        if self.run is not None:
            self.run.on_reset()

    def on_cpu_warning(self, cpu_usage: float, **_kwargs: object) -> None:
        """Locust warns of its own CPU usage."""
        if self.run is not None:
            self.run.publisher.event("cpu_warning", {"cpu_percent": cpu_usage})

    def on_user_error(self, user_instance: object, exception: Exception, tb: TracebackType, **_kwargs: object) -> None:
        """A task has raised an exception."""
        if self.run is not None:
            from locust_cw._plugin.user_error import fields_of  # noqa: PLC0415 - most tests have none

            self.run.publisher.user_error(fields_of(user_instance, exception, tb))

    def on_report_to_master(self, data: dict[str, Any], **_kwargs: object) -> None:
        """A worker reports."""
        self.role.on_report_to_master(self.run, data)

    def on_worker_report(self, client_id: str, data: dict[str, Any], **_kwargs: object) -> None:
        """A worker has reported."""
        self.role.on_worker_report(self.run, client_id, data)

    def on_test_stopping(self, **_kwargs: object) -> None:
        """Locust begins to stop the test: its users may take a while."""
        if self.run is not None:
            self.role.end_measured_time(self.run)

    def on_test_stop(self, **_kwargs: object) -> None:
        """Locust has stopped the test."""
        if self.run is not None and self.run.is_under_way:
            self.run.stop()

    # The end.

    def _detach(self) -> None:
        if self.run is not None:
            self.run.detach()

    def _await_end(self, environment: Environment) -> None:
        self._end.expect(environment, self._on_exit, self._exit_with_failure)

    @property
    def _drain(self) -> Drain:
        if "drain" not in self._loaded:
            from locust_cw._plugin.drain import Drain  # noqa: PLC0415 - only needed at the end

            self._loaded["drain"] = Drain(self._end)
        drain: Drain = self._loaded["drain"]
        return drain

    def _finish(self, run: TestRun) -> None:
        self._drain.finalize(run, self.role)

    def on_quitting(self, **_kwargs: object) -> None:
        """Locust begins to shut down."""
        if self.last_run is not None and self.last_run.options["check"] and self.environment is not None:
            from locust_cw._plugin.locust_end import ignore_failed_requests  # noqa: PLC0415 - with checks only

            ignore_failed_requests(self.environment)
        self._drain.on_quitting()

    def on_quit(self, **_kwargs: object) -> None:
        """Deliver what is left, within the drain timeout."""
        self._drain.on_quit(self.close)

    def close(self) -> list[FinishedRun]:
        """Deliver what is left, within the drain timeout, and show the receipts."""
        if not self._end.is_ours:
            return []
        if self.run is not None:
            self.run.snapshot_totals()
        given_up = self._drain.await_judgements(self.role)
        self._detach()
        finished = self._drain.close(self.role, self._on_exit, given_up=given_up)
        if finished and "local" in self._loaded:
            self._loaded.pop("local").stop()
        return finished

    def _on_exit(self) -> None:
        # The process is ending: an exception here would only hide the reason.
        with suppress(Exception, KeyboardInterrupt):
            self._drain.on_exit(self.on_quit)

    def _exit_with_failure(self, exit_code: int = 0, **_kwargs: object) -> None:
        if not exit_code:
            from locust_cw._plugin.exit_code import exit_with_failure  # noqa: PLC0415 - only needed at the end

            has_command_line = locust_adapter.has_command_line(self.environment)
            exit_with_failure(self._end.exit_reasons, has_command_line=has_command_line)
