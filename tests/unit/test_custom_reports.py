"""Custom metrics and marks of a worker whose master publishes: what the worker reports, and what the master takes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from locust_cw import _core
from locust_cw._distributed import messages
from locust_cw._distributed.custom_forwarding import CustomForwarder
from locust_cw._distributed.master import Master, _Entry
from locust_cw._plugin.locust_fleet import MESSAGE
from locust_cw._plugin.run import RunOutcome, RunPhase


class Hook:
    """Stands for a hook of Locust's events."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[], None]] = []
        self.add_listener = self.listeners.append
        self.remove_listener = self.listeners.remove

    def fire(self) -> None:
        for listener in self.listeners:
            listener()


class Runner:
    """Stands for a worker's runner: it has the messages that were sent."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def send_message(self, _name: str, message: dict[str, Any], _client_id: str | None) -> None:
        self.sent.append(message)


def new_forwarder(test_stop: Hook, runner: Runner | None = None) -> CustomForwarder:
    environment: Any = SimpleNamespace(events=SimpleNamespace(test_stop=test_stop), runner=runner or Runner())
    options: Any = type("Options", (dict,), {"core": {}})(run_id="r")
    return CustomForwarder(environment, options)


def test_a_report_has_what_was_recorded_since_the_last_one() -> None:
    forwarder = new_forwarder(Hook())
    assert forwarder.take_message() is None
    forwarder.collector.custom("count", "tokens", 3, "Count", {}, in_test=True)
    forwarder.collector.mark("begin", in_test=True)
    message = forwarder.take_message()
    assert message is not None
    assert message["run_id"] == "r"
    assert isinstance(message[messages.CUSTOM], bytes)
    assert abs(message[messages.CLOCK] - time.time()) < 60
    assert forwarder.take_message() is None


def test_the_last_report_is_made_when_another_test_starts() -> None:
    """The stop of the test is noted until then, and no longer."""
    test_stop = Hook()
    forwarder = new_forwarder(test_stop)
    test_stop.fire()
    assert forwarder.times.stopped is not None
    forwarder.resume()
    assert forwarder.times.stopped is None
    forwarder.collector.mark("late", in_test=True)
    assert forwarder.end() is not None
    test_stop.fire()
    assert forwarder.times.stopped is None


def test_a_report_is_sent_when_the_test_stops() -> None:
    """Locust's next report comes when the master may have started another test, and has ended this run."""
    test_stop, runner = Hook(), Runner()
    forwarder = new_forwarder(test_stop, runner)
    test_stop.fire()
    assert runner.sent == [], "nothing was recorded"
    forwarder.collector.mark("last", in_test=True)
    test_stop.fire()
    assert [message["run_id"] for message in runner.sent] == ["r"]
    assert messages.CUSTOM in runner.sent[0]
    assert forwarder.take_message() is None


def test_an_invalid_value_is_logged_once_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    forwarder = new_forwarder(Hook())
    for _ in range(3):
        forwarder.collector.custom("gauge", "RequestCount", 1, "Count", {}, in_test=True)
    assert forwarder.take_message() is not None, "the number of ignored values"
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


class Taken:
    """Stands for the publisher of a run: it has the reports that the master passes on."""

    def __init__(self) -> None:
        self.reports: list[tuple[str, bytes, int]] = []

    def add_custom_report(self, *report: Any) -> None:
        self.reports.append(report)
        if report[1] == b"junk":
            raise ValueError("no report")

    @property
    def statistics(self) -> Taken:
        return self

    def add_increment(self, *_increment: Any) -> int:
        raise ValueError("no increment")


def master_with(taken: Taken, source: str) -> Master:
    master = Master()
    run: Any = SimpleNamespace(
        run_id="r", publisher=taken, options={"source": source}, phase=RunPhase.RUNNING, outcome=RunOutcome.OK
    )
    master._runs["r"] = _Entry(run)  # noqa: SLF001 - of a run that has started
    return master


def deliver(master: Master, message: dict[str, Any]) -> None:
    master.on_worker_report(None, "w1", {MESSAGE: message})


@pytest.mark.parametrize(("source", "number"), [("master", 1), ("workers", 0)])
def test_a_master_takes_reports_if_it_publishes(source: str, number: int) -> None:
    taken = Taken()
    master = master_with(taken, source)
    deliver(master, messages.custom_report("r", b"report"))
    deliver(master, messages.custom_report("another run", b"report"))
    deliver(master, messages.custom_report("r", "text"))  # type: ignore[arg-type]
    assert taken.reports == [("w1", b"report", 0)] * number


def test_a_worker_that_opts_out_adds_nothing() -> None:
    taken = Taken()
    master = master_with(taken, "master")
    deliver(master, messages.opt_out("r", "--cw-disable"))
    deliver(master, messages.custom_report("r", b"report"))
    assert taken.reports == []


def test_a_report_that_cannot_be_read_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    master = master_with(Taken(), "master")
    for _ in range(2):
        deliver(master, messages.custom_report("r", b"junk"))
    assert [record.getMessage() for record in caplog.records] == [
        "Custom metrics and marks of worker w1 are missing: no report"
    ]


def test_the_receipt_names_the_sender_of_each_kind_of_message_that_cannot_be_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One kind does not hide another, and a later run has remarks, too."""
    master = master_with(Taken(), "master")
    master._environment = SimpleNamespace(runner=Runner())  # type: ignore[assignment]  # noqa: SLF001 - the same
    deliver(master, messages.custom_report("r", b"junk"))
    deliver(master, {"run_id": "r", messages.INCREMENTS: [b"junk"]})
    texts = [record.getMessage() for record in caplog.records]
    assert "The checks and the summary do not include all requests of worker w1: no increment" in texts
    run = master._runs["r"].run  # noqa: SLF001 - the same
    _, remarks, _ = master.worker_reports(run)
    assert "w1: custom metrics and marks are missing, because its reports of them cannot be read" in remarks
    assert any(remark.startswith("w1: the checks and the summary do not include all") for remark in remarks)
    master._runs["r"] = _Entry(run)  # noqa: SLF001 - the next run
    deliver(master, messages.custom_report("r", b"junk"))
    assert master.worker_reports(run).remarks[-1].startswith("w1: custom metrics and marks are missing")


def test_the_wrong_clock_of_a_worker_is_corrected_without_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """The worker publishes nothing, so that nothing has a wrong time."""
    taken = Taken()
    deliver(master_with(taken, "master"), messages.custom_report("r", b"report") | {messages.CLOCK: time.time() - 90})
    assert taken.reports == [("w1", b"report", 90)]
    assert caplog.records == []


def test_the_core_names_the_reason(tmp_path: Path) -> None:
    options = {"dry_run": True, "spool_dir": str(tmp_path)}
    publisher = _core.Publisher(options, run_id="r", worker="m")
    with pytest.raises(ValueError, match="it has format 9"):
        publisher.add_custom_report("w1", b"\x09", 0)
