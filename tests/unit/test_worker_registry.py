"""The master's registry of workers: their outages, those without reports, and reports that cannot be read."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from locust_cw._core import StatusReport
from locust_cw._distributed import messages
from locust_cw._distributed import registry as _fleet
from locust_cw._distributed.outages import WorkerOutages
from locust_cw._distributed.reported_status import ReportedStatus
from locust_cw._plugin.locust_fleet import WorkerStates
from locust_cw._webui import status as _status
from locust_cw._webui.status import Run
from support import status_reports


class Clock:
    """The clock of the master's registry."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(_fleet, "time", SimpleNamespace(monotonic=lambda: self.now))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def account(run_id: str = "one", *, why: str | None = None, **changes: Any) -> dict[str, Any]:
    """The report of a worker. `why` is the reason of failed calls."""
    counts = {"observed": 10, "delivered": 4, "spooled": 6, "rejected": 0, "dropped": 0}
    outage = {"failures": [] if why is None else [why], "outage_since": None if why is None else 1.0, "delay_s": 2.0}
    values = {
        "receipt": status_reports.receipt(run_id, requests=counts),
        "left": 6,
        "settled": 4,
        "status": outage,
        **changes,
    }
    return status_reports.message(run_id, **values)


def test_a_worker_that_vanishes_in_an_outage_does_not_prolong_it(clock: Clock) -> None:
    """The master logs that the others publish again. It does not know the state of a worker without reports."""
    fleet, outages = _fleet.WorkerRegistry(), WorkerOutages()
    for worker in ("a", "b"):
        fleet.update(worker, account(why="denied"))
    assert outages.next_message(fleet.call_failures("one"), clock.now) is None
    clock.now += 4
    assert outages.next_message(fleet.call_failures("one"), clock.now) == (
        logging.WARNING,
        "2 of 2 workers cannot publish. a: denied",
    )
    fleet.update("a", account())
    assert outages.next_message(fleet.call_failures("one"), clock.now) is None, "b may still be there"
    clock.now += 5
    assert outages.next_message(fleet.call_failures("one"), clock.now) == (
        logging.INFO,
        "All remaining workers publish again after an outage of 9 s.",
    )
    part = fleet.statuses("one")["b"]
    assert part.vanished
    assert (part.report.call_failures, part.report.outage_since, part.report.delay_s) == ([], None, None)
    own = ReportedStatus(StatusReport.from_message(account()))
    whole, a, b = _status.statuses(Run("one", "live", 1.0), own, fleet.statuses("one"), 9.0)
    assert (whole.health, a.health, b.health) == ("vanished", "healthy", "vanished")
    assert (whole.delay_s, a.delay_s, b.delay_s) == (7, 7, None)
    clock.now += 9
    assert outages.next_message(fleet.call_failures("one"), clock.now) is None, "no worker is left"


def test_the_end_of_an_outage_is_logged(clock: Clock) -> None:
    fleet, outages = _fleet.WorkerRegistry(), WorkerOutages()
    fleet.update("a", account(why="denied"))
    assert outages.next_message(fleet.call_failures("one"), clock.now) is None
    assert outages.next_message(fleet.call_failures("one"), clock.now + 4) is not None
    fleet.update("a", account())
    assert outages.next_message(fleet.call_failures("one"), clock.now + 5) == (
        logging.INFO,
        "All workers publish again after an outage of 5 s.",
    )


def test_an_outage_does_not_end_when_the_last_worker_vanishes(clock: Clock) -> None:
    fleet, outages = _fleet.WorkerRegistry(), WorkerOutages()
    fleet.update("a", account(why="denied"))
    assert outages.next_message(fleet.call_failures("one"), clock.now) is None
    clock.now += 4
    assert outages.next_message(fleet.call_failures("one"), clock.now) is not None
    clock.now += 4
    assert outages.next_message(fleet.call_failures("one"), clock.now) is None


def test_an_outage_continues_in_the_next_run(clock: Clock) -> None:
    """The master no longer logs failures of the earlier run, but still logs the end."""
    fleet = _fleet.WorkerRegistry()
    fleet.update("a", account("one", why="denied"))
    assert fleet.call_failures("one") == {"a": "denied"}
    fleet.update("a", account("two", why="denied"))
    assert fleet.call_failures("one") == {}
    assert fleet.call_failures("two") == {"a": "denied"}
    fleet.update("a", account("one", final=True))
    assert fleet.call_failures("two") == {"a": "denied"}
    fleet.update("b", account("two"))
    fleet.update("b", account("one", why="gone"))
    assert fleet.call_failures("one") == {"b": "gone"}, "it waits for the end of the earlier one"
    fleet.update("b", account("one", final=True))
    assert fleet.reports("one", publishing=True)[2], "it is complete"
    clock.now += 9
    assert fleet.call_failures("two") == {}


# Workers that have not reported


def test_each_worker_without_a_report_is_named_once(clock: Clock) -> None:
    """The last state that Locust knew decides the text. Workers that reported or had no work are not named."""
    fleet = _fleet.WorkerRegistry()
    fleet.update("reporting", account(final=True))
    fleet.update("unread", account(receipt="{}"))
    fleet.observe("one", WorkerStates.of({"left": "running", "idle": "ready", "stopped": "running"}), publishing=True)
    workers = {"reporting": "running", "unread": "running", "silent": "running", "slow": "spawning", "gone": "running"}
    workers["stopped"] = "ready"
    fleet.observe("one", WorkerStates.of(workers), publishing=True)
    fleet.observe("one", WorkerStates.of({**workers, "gone": "missing"}), publishing=True)
    clock.now += 9
    _, remarks, complete = fleet.reports("one", publishing=True)
    assert [remark.partition(";")[0] for remark in remarks] == [
        "unread: its reports cannot be read and are not included",
        "gone: vanished",
        "slow: vanished",
        "left: reported no results",
        "silent: reported no results",
        "stopped: reported no results",
    ]
    assert not complete


def test_a_worker_is_silent_if_it_opts_out_vanishes_cannot_be_read_or_runs_without_locust_cw(clock: Clock) -> None:
    """A worker reports before it has spawned its users, so that one with users and without a report never will."""
    fleet = _fleet.WorkerRegistry()
    workers = dict.fromkeys(("reports", "unread", "out", "plain"), "spawning")
    fleet.observe("one", WorkerStates.of(workers), publishing=True)
    assert fleet.silent("one", set()) == set()
    fleet.update("reports", account())
    fleet.update("unread", account(receipt="{}"))
    fleet.update("out", messages.opt_out("one", "--cw-disable"))
    fleet.observe("one", WorkerStates.of(dict.fromkeys(workers, "running")), publishing=True)
    assert fleet.silent("one", set()) == {"unread", "out", "plain"}
    clock.now += 9
    assert fleet.silent("one", {"out"}) == set(workers)
    assert fleet.silent("one", {"reports"}) == {"unread", "out", "plain"}, "it is only busy"
    fleet.update("reports", account())
    assert fleet.silent("one", set()) == {"unread", "out", "plain"}
    assert fleet.silent("another run", set()) == set()


def test_the_master_does_not_wait_for_workers_that_it_publishes_for() -> None:
    fleet = _fleet.WorkerRegistry()
    fleet.observe("one", WorkerStates.of({"a": "running"}), publishing=False)
    assert fleet.reports("one", publishing=False) == ([], [], True)


# A worker that tells something else


UNREADABLE: dict[str, Any] = {
    "an empty receipt": account(receipt={}),
    "an empty receipt of an older version": account(receipt="{}"),
    "no JSON": account(receipt="?"),
    "bytes": account(receipt=b"{}"),
    "counts of another kind": account(receipt=status_reports.receipt(requests={"observed": "10"})),
    "no receipt": {key: value for key, value in account().items() if key != "receipt"},
    "no counts": {key: value for key, value in account().items() if key != "left"},
    "text for a count": account(settled="4"),
    "a status of another kind": account(status=["trouble"]),
    "failures of another kind": account(status={"failures": 1}),
    "a failure of another kind": account(status={"failures": [1], "outage_since": 1.0}),
    "a remark of another kind": account(remarks=[1]),
    "a delay of another kind": account(status={"delay_s": "1"}),
    "a time of another kind": account(status={"outage_since": "1"}),
    "a problem of another kind": account(status={"problem": 1, "problem_at": "1"}),
    "bytes that wait of another kind": account(status={"waiting_bytes": "1"}),
    "less than no bytes that wait": account(status={"waiting_bytes": -1}),
    "more bytes than there are": account(status={"waiting_bytes": 2**70}),
    "no run": {},
    "a run of another kind": {**account(), "run_id": []},
    "nothing": None,
}


@pytest.mark.parametrize("message", UNREADABLE.values(), ids=UNREADABLE)
def test_a_report_that_cannot_be_read_is_ignored_and_logged_once(
    message: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The others add up to statuses and a receipt, which says what is missing."""
    fleet = _fleet.WorkerRegistry()
    fleet.update("good", account())
    for _ in range(3):
        fleet.update("bad", message)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "The reports of worker bad cannot be read" in caplog.text
    own = ReportedStatus(StatusReport.from_message(account()))
    statuses = _status.statuses(Run("one", "live", 1.0), own, fleet.statuses("one"), 2.0)
    assert [status.process for status in statuses] == [None, "good"]
    assert list(fleet.call_failures("one")) == ["good"]
    assert fleet.progress("one") == (6, 4)
    fleet.update("good", account(final=True))
    last, remarks, complete = fleet.reports("one", publishing=True)
    assert [report.receipt.requests.observed for report in last] == [10]
    if isinstance(message, dict) and message.get("run_id") == "one":
        assert remarks == ["bad: its reports cannot be read and are not included"]
        assert not complete


def test_a_later_valid_report_replaces_an_invalid_one() -> None:
    fleet = _fleet.WorkerRegistry()
    fleet.update("a", account(receipt="{}"))
    fleet.update("a", account(final=True))
    assert fleet.reports("one", publishing=True)[1:] == ([], True)
