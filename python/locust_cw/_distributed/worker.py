"""A worker of a fleet: it respects its master's opt-outs, and reports to it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import gevent

from locust_cw._distributed import messages
from locust_cw._distributed.custom_forwarding import CustomForwarder
from locust_cw._plugin import locust_adapter, locust_fleet
from locust_cw._plugin.extension import StartError
from locust_cw._plugin.greenlets import spawn
from locust_cw._plugin.process_role import ProcessRole
from locust_cw._settings.opt_outs import OPT_OUTS

if TYPE_CHECKING:
    from locust.env import Environment

    from locust_cw import _core
    from locust_cw._plugin.run import TestRun
    from locust_cw._settings.table import Options

_POLL_S = 0.05
_SECONDS_POLL_S = 0.1
# The clocks differ if the master's options seem to have been sent so long before or after their arrival.
_MIN_OFFSET_S = 30.0
# A master that runs acknowledges at once. One that has died never does.
_ACKNOWLEDGEMENT_TIMEOUT_S = 3.0


def create() -> Worker:
    """The role of this process."""
    locust_fleet.parse_defaults_once()
    return Worker()


class Worker(ProcessRole):
    """A worker of a fleet."""

    writes_record = False

    def __init__(self) -> None:
        # What it reports of a test of which it publishes nothing although its master does.
        self._opt_out: dict[str, Any] | None = None
        self._remarks: dict[str, list[str]] = {}
        self._acknowledged: set[str] = set()
        self._runs: dict[str, TestRun] = {}
        # If the master publishes.
        self._forwarder: CustomForwarder | None = None

    def prepare(self, environment: Environment, options: Options) -> None:
        """Publish nothing if this worker or its master opts out, whichever source says so."""
        self._opt_out = None
        sent = {name: locust_adapter.sent_by_master(environment, name) for name in OPT_OUTS}
        for name in OPT_OUTS:
            if sent[name] is not None:
                # The master's options have replaced the worker's, and may be those of an earlier test.
                options.set(name, bool(sent[name]) or options.own[name])
        if options.own["local"]:
            options.set("local", True)  # noqa: FBT003 - the value of an option
        if sent["disable"] is False:
            self._report_opt_out(environment, options, is_dry_run=bool(sent["dry_run"]))
        leaves_publishing = options["source"] == "master" and sent["disable"] is False and self._opt_out is None
        self._forward_custom(environment, options if leaves_publishing and not options["disable"] else None)

    def _forward_custom(self, environment: Environment, options: Options | None) -> None:
        """Forward custom metrics and marks to a master that publishes them; without options, forward nothing."""
        before, self._forwarder = self._forwarder, None
        if before is not None and options is not None and before.run_id == options["run_id"]:
            before.resume()
            self._forwarder = before
            return
        if before is not None and (message := before.end()) is not None:
            locust_fleet.send(environment, message)
        self.forwarding = None
        if options is not None:
            self._forwarder = CustomForwarder(environment, options)
            self.forwarding = self._forwarder.times, self._forwarder.collector

    def _report_opt_out(self, environment: Environment, options: Options, *, is_dry_run: bool) -> None:
        """Report this worker's opt-out to a master that publishes.

        A worker that publishes for itself reports its dry run. A master that publishes for its workers leaves this one
        out.
        """
        opts_out = ["disable"]
        if options["source"] == "master" and not is_dry_run:
            opts_out.append("dry_run")
            if locust_adapter.sent_by_master(environment, "local_url") is None:
                opts_out.append("local")
        for name in opts_out:
            if options.own[name]:
                self._opt_out = messages.opt_out(options["run_id"], f"--cw-{name.replace('_', '-')}")
                locust_fleet.send(environment, self._opt_out)
                return

    def publishes(self, options: Options) -> bool:
        """Whether this worker publishes, or its master does that from its reports."""
        return super().publishes(options) and options["source"] != "master"

    def measured_from(self, environment: Environment) -> float | None:
        """The end of the warm-up that the master has determined, by the clock of this process."""
        start: float | None = locust_adapter.sent_by_master(environment, "measured_from")
        sent_at: float | None = locust_adapter.sent_by_master(environment, "clock")
        if start is None or sent_at is None or abs(offset := time.time() - sent_at) < _MIN_OFFSET_S:
            return start
        return start + offset

    def begin(self, run: TestRun) -> None:
        """The master has determined when the measured time begins."""

    def end_measured_time(self, run: TestRun) -> None:
        """The master determines when the measured time ends: this worker may return to its run."""

    def resumes(self, run: TestRun, options: Options) -> bool:
        """Whether the worker is back in its run, after it had lost the connection to its master."""
        # The run ID of a test that is not published is that of the test before.
        return run.run_id == options["run_id"] and not options["disable"]

    def local_url(self, environment: Environment, options: Options, _url: str | None) -> str | None:
        """The address that the master has sent: it may be that of its program, of which its options say nothing."""
        url: str | None = locust_adapter.sent_by_master(environment, "local_url")
        if url is None and options["local"] and not options["dry_run"]:
            # What should stay on this machine must not go to AWS.
            raise StartError(
                "the master sent no address of a local CloudWatch: set local on the master too, and install the same "
                "version of locust-cw on all machines"
            )
        return url

    # Reports.

    def on_start(self, run: TestRun) -> None:
        """Report the start: from now on the master waits for this worker."""
        self._runs[run.run_id] = run
        names = locust_adapter.sent_by_master(run.environment, "request_names")
        if names is not None:
            run.publisher.restrict_requests(names)
        locust_fleet.register(run.environment, self._handle_message)
        self._send_status(run)
        if run.publisher.statistics.may_abort:
            spawn(self._report_each_second, run)

    def _report_each_second(self, run: TestRun) -> None:
        """Report each second as soon as it is closed, because a check may stop the test."""
        reported = 0
        while run.is_attached:
            gevent.sleep(_SECONDS_POLL_S)
            if (open_second := run.publisher.statistics.open_second) > reported:
                reported = open_second
                self._send_status(run)

    def on_tick(self, run: TestRun) -> None:
        """Report a run that has been replaced: Locust's reports contain the new one."""
        if not run.is_attached:
            self._send_status(run)

    def on_refused(self, run: TestRun) -> None:
        """Report a refusal: the master ends the test of the whole fleet."""
        self._send_status(run)

    def on_report_to_master(self, run: TestRun | None, data: dict[str, Any]) -> None:
        """Add the report to Locust's, so that it goes with the statistics that it agrees with."""
        if run is not None:
            data[locust_fleet.MESSAGE] = self._status_message(run, run.publisher.statistics.take_increments())
        elif self._opt_out is not None:
            data[locust_fleet.MESSAGE] = self._opt_out
        elif self._forwarder is not None and (message := self._forwarder.take_message()) is not None:
            data[locust_fleet.MESSAGE] = message

    def _send_status(self, run: TestRun) -> None:
        locust_fleet.send(run.environment, self._status_message(run, run.publisher.statistics.take_increments()))

    def _status_message(self, run: TestRun, increments: list[bytes]) -> dict[str, Any]:
        report = run.status_report(self._remarks.get(run.run_id, ())).to_message()
        return report | {messages.INCREMENTS: increments, messages.CLOCK: time.time()}

    def _handle_message(self, _sender: str, message: Any) -> None:  # noqa: ANN401 - a master may send anything
        run_id = messages.acknowledged_run(message)
        if run_id is not None:
            self._acknowledged.add(run_id)
        increments = messages.acknowledged_increments(message)
        if increments is not None and increments[0] in self._runs:
            for sequence in increments[1]:
                self._runs[increments[0]].publisher.statistics.acknowledge(sequence)
        names = messages.allowed_request_names(message)
        if names is not None and names[0] in self._runs:
            self._runs[names[0]].publisher.restrict_requests(names[1])

    def hand_over(self, run: TestRun, receipt: _core.Receipt, remarks: list[str]) -> bool:
        """Send the last report, and wait until the master has it.

        A master without locust-cw never has it, and a master that sends no heartbeats has died.
        """
        from locust_cw._terminal.receipt import remarks_on  # noqa: PLC0415 - only needed at the end

        self._remarks[run.run_id] = [*remarks_on(receipt), *remarks]
        # Reports that Locust sent for this worker may be lost, because its master receives nothing at its own end.
        locust_fleet.send(run.environment, self._status_message(run, run.publisher.statistics.take_last_increments()))
        self._remarks.clear()
        self._runs.pop(run.run_id, None)
        is_expected = locust_adapter.sent_by_master(run.environment, "disable") is not None
        if not is_expected or locust_fleet.is_master_lost(run.environment):
            return False
        receiver = None
        if not locust_fleet.is_receiving(run.environment):
            receiver = spawn(locust_fleet.receive, run.environment, self._handle_message)
        deadline = time.monotonic() + _ACKNOWLEDGEMENT_TIMEOUT_S
        while run.run_id not in self._acknowledged and time.monotonic() < deadline:
            gevent.sleep(_POLL_S)
        if receiver is not None:
            receiver.kill(block=False)
        return run.run_id in self._acknowledged
