"""Workers that join late, vanish, publish nothing or are killed are counted correctly and named."""

from __future__ import annotations

import re
import signal
import time

import pytest

from support.checks import check_metrics
from support.commands import replay
from support.fixtures import Aws, Locust
from support.fleet import (
    HOST,
    Fleet,
    check_delivered_fleet,
    check_one_receipt,
    journals,
    stats_of,
    timeline,
)
from support.fleet_checks import (
    LIVE,
    USERS,
    while_they_ran,
)
from support.paced import stop_when
from support.proxy import error
from support.servers import wait_until
from support.spools import files_in, spool_of


def test_a_worker_that_joins_late_publishes_under_the_same_run_id(aws: Aws, locust: Locust) -> None:
    """Its `test_start` may be fired before Locust has created its runner."""

    def is_published(number_of_workers: int) -> bool:
        return [number_of_workers] in timeline(aws.proxy.calls(), "WorkerCount", Host=HOST).values()

    fleet = Fleet(locust, *LIVE, *USERS, workers=2)
    wait_until(lambda: is_published(2), "the count of the first two")
    fleet.join()
    fleet.wait_for(40)
    wait_until(lambda: is_published(3), "the count with the late one")
    fleet.wait_for(1)  # of each, after the second in which it was
    fleet.master.shut_down()
    check_delivered_fleet(aws.cloudwatch, fleet)
    counts = while_they_ran(aws, fleet.journals, "WorkerCount")
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (2, 3)


def test_a_worker_that_was_suspended_continues_its_run(aws: Aws, locust: Locust) -> None:
    """The worker is suspended until the master gives it up.

    It then rejoins the same test: nothing is lost or counted twice.
    """
    fleet = Fleet(locust, *LIVE, *USERS, workers=2, heartbeats=3)
    fleet.wait_for(40)
    gone, name = fleet.workers[0], fleet.journals[0].client_id

    def between_calls() -> bool:
        """A call in progress would get no response in time, and would be made twice."""
        calls = aws.proxy.publishing()
        return all(call.answer and call.received_at < time.time() - 0.1 for call in calls)

    stop_when([gone.process.pid], between_calls, "no call is under way")
    fleet.master.wait_for(f"{name} failed to send heartbeat")
    gone.signal(signal.SIGCONT)
    fleet.master.wait_for(f"{name} self-healed")
    fleet.wait_for(40)
    fleet.master.shut_down()
    check_delivered_fleet(aws.cloudwatch, fleet)


def test_the_master_waits_for_workers_that_start_after_the_end_of_the_test(aws: Aws, locust: Locust) -> None:
    """On a slow machine. The receipt counts their log events, and CloudWatch has everything."""
    fleet = Fleet(locust, *LIVE, "-u2", "-t2s", workers=2, locustfile="late.py", worker_env={"LATE": "3"})
    fleet.wait()
    receipt = fleet.master.receipt.check_delivered()
    assert len(aws.cloudwatch.streams()) == 3
    assert receipt["log_events"]["observed"] == len(aws.cloudwatch.events())
    assert "vanished" not in fleet.master.output


def test_a_worker_starts_a_test_without_delay(locust: Locust) -> None:
    """Locust alone makes a parser for each option that its master sends, which locust-cw doubles."""
    fleet = Fleet(locust, "--cw-dry-run", "-u1", "-t1s", workers=1, locustfile="parsing.py")
    fleet.wait()
    assert int((fleet.workers[0].folder / "parsers").read_text()) <= 1


def test_a_worker_that_never_starts_is_named(locust: Locust) -> None:
    """The master has sent it the start, and gets no report. The end waits for it for a limited time."""
    fleet = Fleet(locust, *LIVE, "-u1", "-t2s", workers=1, locustfile="late.py", worker_env={"LATE": "600"})
    fleet.master.wait()
    printed = fleet.master.output[fleet.master.output.index("CloudWatch receipt") :]
    assert re.search(r"_[0-9a-f]{32}: vanished; its results may be in its spool", printed), printed


def test_a_worker_that_publishes_nothing_is_named(aws: Aws, locust: Locust) -> None:
    """Only Locust's totals contain its requests, so the receipt is not complete."""
    fleet = Fleet(
        locust, *LIVE, *USERS, "--exit-code-on-error=0", "--cw-fail-on-loss", workers=1,
        locustfile="attached_fleet.py", worker_env={"ATTACH": '{"local": true}'}, env={},
    )  # fmt: skip
    fleet.wait_for(20)
    fleet.join(ATTACH="{}")
    fleet.wait_for(40)
    fleet.master.shut_down()
    fleet.wait()
    (refused, silent), (_, publishing) = zip(fleet.workers, fleet.journals, strict=True)
    refused.wait_for("locust-cw does not publish this test: the master sent no address of a local CloudWatch")
    receipt = fleet.master.receipt
    assert receipt["requests"]["observed"] == receipt["requests"]["delivered"] == len(publishing.of("fired"))
    assert receipt["reconciled"] is False
    printed = fleet.master.output[fleet.master.output.index("CloudWatch receipt") :]
    assert "all reported data delivered\n" in printed
    assert f"{silent.client_id}: reported no results" in printed
    assert publishing.client_id not in printed
    assert fleet.master.exit_code == 1, "as --cw-fail-on-loss asks"
    check_metrics(aws.cloudwatch, stats_of(publishing.of("fired")), HOST)


@pytest.mark.parametrize("option", ["--cw-strict", "--cw-stop-on-alarm=missing"])
def test_a_refused_test_names_no_worker_as_missing(aws: Aws, locust: Locust, option: str) -> None:
    if option == "--cw-strict":
        aws.proxy.on("PutMetricData", error("AccessDeniedException", 403, "not authorized"))
    fleet = Fleet(locust, *LIVE, *USERS, option, workers=1)
    fleet.wait()
    assert "The test was not started" in fleet.master.output
    printed = fleet.master.output[fleet.master.output.index("CloudWatch receipt") :]
    assert ": no requests were made\n" in printed
    assert "vanished" not in printed
    assert "no account" not in printed


def test_a_worker_that_was_killed_before_its_first_report_is_named(locust: Locust) -> None:
    """The master only knows that it existed. The receipt counts the other workers."""
    fleet = Fleet(
        locust, *LIVE, *USERS, "--exit-code-on-error=0", "--cw-fail-on-loss", workers=2,
        worker_env={"REPORTS": "600"}, heartbeats=3,
    )  # fmt: skip
    fleet.wait_for(5)
    victim, journal = fleet.workers[0], fleet.journals[0]
    victim.signal(signal.SIGKILL)
    victim.process.wait()
    assert not journal.of("reported", since=journal.of("started")[0].at)
    fleet.master.wait_for(f"{journal.client_id} failed to send heartbeat")
    fleet.master.shut_down()
    fleet.master.wait()
    receipt = fleet.master.receipt.check()
    assert receipt["requests"]["observed"] == len(fleet.journals[1].of("fired"))
    assert journal.client_id in fleet.master.output[fleet.master.output.index("CloudWatch receipt") :]
    assert fleet.master.exit_code == 1, "it is unknown whether everything was delivered"


IN_MEMORY_S = 2
"""For how long results may be, on a busy machine, before they are on disk."""


@pytest.mark.long
def test_a_worker_that_was_killed_is_named_and_the_rest_reconciled(aws: Aws, locust: Locust) -> None:
    """The receipt counts what it had reported, and `replay` sends what its spool contains."""
    fleet = Fleet(locust, "--cw-live", "--cw-flush-interval=2", *USERS, "--exit-code-on-error=0", heartbeats=3)
    fleet.wait_for(40)
    victim, journal = fleet.workers[1], fleet.journals[1]
    name = journal.client_id
    wait_until(
        lambda: any(
            call.accepted and call.params["logStreamName"].endswith(f"/{name}")
            for call in aws.proxy.calls("PutLogEvents")
        ),
        "the victim has published something",
    )
    # Killed when all that it reported is published or on disk, a window being written when its second is over; while
    # no call is done of which it would never know, and which `replay` would do again.
    aws.proxy.on("*", error("ServiceUnavailable", 503))
    reports = len(journal.of("reported"))
    wait_until(lambda: len(journal.of("reported")) > reports, "one more report of the victim's")
    stop_when(
        [victim.process.pid],
        lambda: bool(journal.of("fired", since=journal.of("reported")[-1].at + IN_MEMORY_S)),
        "more results of the victim's, and no report of them",
    )
    victim.signal(signal.SIGKILL)
    victim.process.wait()
    aws.proxy.stop_faults()
    fleet.master.wait_for(f"{name} failed to send heartbeat")
    missed_at = time.time()
    wait_until(lambda: fleet.journals[0].of("fired", since=missed_at + 3.2), "the others go on")
    held_in_spool = files_in(spool_of(victim))
    fleet.master.shut_down()
    fleet.master.wait()
    others = [fleet.workers[0], fleet.workers[2]]
    assert [run.exit_code for run in (fleet.master, *others)] == [0, 0, 0]

    # The receipt.
    survivors = stats_of(line for each in journals(others) for line in each.of("fired"))
    known = stats_of(journal.of("fired", until=journal.of("reported")[-1].at))
    stats, receipt = fleet.master.stats, fleet.master.receipt.check()
    assert stats.requests == survivors.requests + known.requests, "Locust's master knows what was reported"
    assert receipt["requests"]["observed"] == stats.requests.total()
    check_one_receipt([fleet.master, *others])
    printed = fleet.master.output[fleet.master.output.index("CloudWatch receipt") :]
    assert re.search(rf"{name}.*vanished.*\b{known.requests.total():,}\b", printed), printed

    # The gauges.
    for metric, values in {"WorkerCount": (3, 2), "UserCount": (6, 4)}.items():
        found = while_they_ran(aws, journals(others), metric)
        assert (max(found), found[-1]) == values, metric

    # CloudWatch, before and after what the spool holds was sent.
    assert held_in_spool
    before = aws.cloudwatch.sum("RequestCount", Host=HOST)
    assert before >= survivors.requests.total()
    assert replay(victim.folder, "--all").exit_code == 0
    after = aws.cloudwatch.sum("RequestCount", Host=HOST)
    fired = len(journal.of("fired"))
    in_memory = len(journal.of("fired", since=journal.of("fired")[-1].at - IN_MEMORY_S))
    assert before < after
    assert after >= stats.requests.total()
    assert fired - in_memory <= after - survivors.requests.total() <= fired
    numbers = sorted(event.fields["seq"] for event in aws.cloudwatch.events() if event.stream.endswith(name))
    assert numbers == list(range(1, len(numbers) + 1))
    assert fired - in_memory <= len(numbers) <= fired + 2, "requests and life-cycle events"


@pytest.mark.long
def test_the_master_logs_the_end_of_an_outage_in_which_a_worker_was_killed(aws: Aws, locust: Locust) -> None:
    """The remaining worker publishes again, so no process has an outage any more."""
    aws.proxy.on("PutMetricData", error("ServiceUnavailable", 503))
    aws.proxy.on("PutLogEvents", error("ServiceUnavailable", 503))
    fleet = Fleet(locust, *LIVE, *USERS, "--exit-code-on-error=0", workers=2, heartbeats=3)
    fleet.master.wait_for("2 of 2 workers cannot publish")
    fleet.workers[0].signal(signal.SIGKILL)
    fleet.workers[0].process.wait()
    aws.proxy.stop_faults()
    fleet.master.wait_for("All remaining workers publish again after an outage of ")
    fleet.master.shut_down()
    fleet.master.wait()
    assert fleet.master.err.count("workers cannot publish") == 1
