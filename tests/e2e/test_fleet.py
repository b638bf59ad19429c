"""A fleet publishes as one test: workers their own requests, the master the users and the one receipt.

Real processes on this machine: a master and its workers, `--processes`, and workers that are not Locust's.
"""

from __future__ import annotations

import json
import logging
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from locust_cw._core import StatusReport
from locust_cw._distributed import registry as _fleet
from locust_cw._distributed.outages import WorkerOutages
from locust_cw._webui import status as _status
from locust_cw._webui.status import ProcessStatus, Run
from support import reports
from support.checks import check_metrics
from support.cloudwatch import Published, nearest_rank, published
from support.fixtures import Aws, Locust
from support.fleet import (
    HOST,
    Fleet,
    Journal,
    MasterWeb,
    check_fleet_story,
    check_one_receipt,
    check_streams,
    interrupt_all,
    journals,
    late_turns,
    receipts_printed,
    requests_in,
    slowly,
    stats_of,
    timeline,
    users_known,
)
from support.locust_run import LocustRun
from support.outages import files_in, replay, spool_of, stop_when
from support.paths import SCRIPTS
from support.proxy import Proxy, error, hang
from support.servers import ending, free_port, wait_until

LIVE = ["--cw-live", "--cw-flush-interval=1"]
USERS = ["-u", "6", "-r", "100", "--host", HOST]


# The usual fleet


def test_workers_publish_and_the_master_accounts(aws: Aws, locust: Locust) -> None:
    """Totals, streams, users and health of a master with three workers, told four times the same."""
    fleet = Fleet(locust, *LIVE, "-u", "6", "-r", "2", "--host", HOST)
    fleet.wait_for(100)
    wait_until(lambda: [6] in timeline(aws.proxy.calls(), "UserCount", Host=HOST).values(), "all users are counted")
    for metric in HEALTH:
        wait_until(
            lambda: 4 in map(len, timeline(aws.proxy.calls(), metric, Host=HOST).values()),  # noqa: B023 - called at once
            f"a second with {metric} of all processes",
        )
    fleet.master.signal(signal.SIGTERM)
    receipt = check_fleet_story(aws.cloudwatch, fleet)
    assert fleet.exit_codes == [1, 0, 0, 0], "as always when requests failed"
    assert receipt["api_calls"]["PutMetricData"] == len(aws.proxy.calls("PutMetricData"))
    assert receipt["api_calls"]["PutLogEvents"] == len(aws.proxy.calls("PutLogEvents"))
    check_users(aws, fleet, peak=6)
    check_health(aws, processes=4)
    assert set(while_they_ran(aws, fleet.journals, "WorkerCount")) == {3}


def while_they_ran(aws: Aws, workers: list[Journal], metric: str) -> list[float]:
    """What was published of the time in which all of these made requests: they leave one after another."""
    stopped = min(journal.of("fired")[-1].at for journal in workers)
    values = timeline(aws.proxy.calls(), metric, Host=HOST).items()
    return [value for second, of_second in values if second + 1 <= stopped for value in of_second]


def check_users(aws: Aws, fleet: Fleet, peak: int) -> None:
    """UserCount is what Locust knows of at each moment, once a second, and that of the classes adds up to it."""
    (master,) = journals([fleet.master])
    users = timeline(aws.proxy.calls(), "UserCount", Host=HOST)
    for second, values in users.items():
        assert set(values) <= users_known(master, second - 0.1, second + 1), second
    assert max(max(values) for values in users.values()) == peak
    seconds = list(users)
    gaps = set(range(seconds[0], seconds[-1])) - set(seconds)
    assert not [gap for gap in gaps if not late_turns(master, gap, gap + 1)], "a value for each second"
    assert sum(len(values) for values in users.values()) <= len(seconds) + 1, "the master's alone"
    classes = {name: timeline(aws.proxy.calls(), "UserCount", Host=HOST, UserClass=name) for name in KINDS}
    for second, values in users.items():
        of_classes = [sorted(classes[name].get(second, [])) for name in KINDS]
        # Of a sample that is late a part may be of the next second.
        adds_up = sum(map(sum, of_classes)) == sum(values)
        assert adds_up or late_turns(master, second - 1, second + 1), (second, values, of_classes)
    assert {name: max(map(max, classes[name].values())) for name in KINDS} == KINDS


KINDS = {"Buyer": 4, "Seller": 2}
"""What six users of `traders.py` are."""


HEALTH = ("GeneratorCpu_Percent", "GeneratorMemory_Bytes")


def check_health(aws: Aws, processes: int) -> None:
    """Every process publishes its own once a second, in the one series of the host."""
    host = frozenset({("Host", HOST)})
    for metric in HEALTH:
        assert aws.cloudwatch.series(metric) == {host}
        samples = timeline(aws.proxy.calls(), metric, Host=HOST)
        counts = [len(values) for values in samples.values()]
        # A process that has no turn in a second has none; none has two, but for one more at the end.
        assert processes * len(counts) / 2 <= sum(counts) <= processes * (len(counts) + 1), counts
        assert processes in counts
    assert min(map(min, timeline(aws.proxy.calls(), "GeneratorMemory_Bytes", Host=HOST).values())) > 10_000_000


def test_locusts_results_are_those_of_a_fleet_without(locust: Locust) -> None:
    """A fixed number of requests: the same statistics and exit codes with locust-cw as with it disabled."""
    how: dict[str, Any] = {"env": {"ITERATIONS": "20"}, "worker_env": {"ITERATIONS": "20"}}
    fleets = [Fleet(locust, *LIVE, *USERS, "-t", "10s", *args, **how) for args in ([], ["--cw-disable"])]
    for fleet in fleets:
        fleet.finish()
    stats = [fleet.master.stats for fleet in fleets]
    assert stats[0].requests.total() == 6 * 20
    assert stats[0] == stats[1]
    assert fleets[0].exit_codes == fleets[1].exit_codes == [1, 0, 0, 0]


# Other ways to start and to end


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_to_the_master_ends_the_fleet_and_all_is_delivered(
    aws: Aws, locust: Locust, number: signal.Signals
) -> None:
    fleet = Fleet(locust, *LIVE, *USERS)
    fleet.wait_for(60)
    fleet.master.signal(number)
    check_fleet_story(aws.cloudwatch, fleet)
    check_exit_code(fleet.master)
    assert fleet.exit_codes[1:] == [0, 0, 0]


def check_exit_code(run: LocustRun) -> None:
    """It is the one that Locust chose: 1 where it knows of failures. The children of `--processes` tell theirs, too."""
    failed = 1 if run.stats.failures.total() else 0
    assert str(failed) in re.findall(r"Shutting down \(exit code (\d)\)", run.output)
    assert run.exit_code == failed


def test_ctrl_c_for_all_processes_loses_nothing(aws: Aws, locust: Locust) -> None:
    """Locust's workers leave without their last report then: its statistics lack what CloudWatch has."""
    fleet = Fleet(locust, *LIVE, *USERS)
    fleet.wait_for(60)
    interrupt_all(fleet.processes)
    fleet.finish()
    check_everything_fired(aws, fleet.processes)


def check_everything_fired(aws: Aws, runs: list[LocustRun]) -> None:
    """The master, first of these, has a receipt of all, which says whether Locust knows of all."""
    fired = stats_of(line for journal in journals(runs) for line in journal.of("fired"))
    receipt = runs[0].receipt
    assert receipt["requests"]["observed"] == receipt["requests"]["delivered"] == fired.requests.total() > 0
    assert receipt["failures"]["observed"] == receipt["failures"]["delivered"] == fired.failures.total()
    assert receipt["log_events"]["observed"] == receipt["log_events"]["delivered"]
    assert receipt["locust"]["requests"] == runs[0].stats.requests.total()
    assert receipt["reconciled"] is (receipt["locust"]["requests"] == receipt["requests"]["observed"])
    check_metrics(aws.cloudwatch, fired, HOST)
    events = aws.cloudwatch.events()
    logged = requests_in(events)
    assert (logged.requests, logged.failures) == (fired.requests, fired.failures)
    workers = [journal for journal in journals(runs) if journal.of("fired")]
    check_streams(events, receipt["run_id"], {journal.client_id: len(journal.of("fired")) for journal in workers})
    check_one_receipt(runs)


@pytest.mark.parametrize("end", ["time", "SIGINT", "SIGINT for all", "SIGTERM"])
def test_processes_deliver_on_every_core(aws: Aws, locust: Locust, end: str) -> None:
    """`--processes 2`: the children's last results arrive although Locust's parent does not wait for them."""
    args = ["-t", "3s"] if end == "time" else []
    run = locust.start("traders.py", "--processes=2", *LIVE, *USERS, *args, "--cw-receipt=receipt.json")
    if end != "time":
        wait_until(
            lambda: sum(len(journal.of("fired")) >= 60 for journal in journals([run])) == 2, "both children work"
        )
        if end == "SIGINT for all":
            interrupt_all([run])
        else:
            run.signal(signal.Signals[end])
    run.finish()
    check_exit_code(run)
    check_everything_fired(aws, [run])
    if end == "time":
        run.receipt.check_delivered()
    assert run.stumbles == 0
    assert run.complaints() == []


def test_all_processes_of_a_trial_publish_to_one_local_cloudwatch(locust: Locust) -> None:
    run = locust.run("traders.py", "--processes=2", "--cw-local", *LIVE, *USERS, "-t", "3s", options=[])
    run.receipt.check_delivered()
    assert run.err.count("A local CloudWatch listens at") == 1


def test_what_is_recorded_until_the_end_is_delivered_by_every_worker(aws: Aws, locust: Locust) -> None:
    """Without --cw-live all is published when the test stops. AWS is slow, and the master alone shows progress."""
    aws.proxy.on("*", slowly(1))
    fleet = Fleet(locust, *USERS)
    fleet.wait_for(40)
    assert not aws.proxy.publishing()
    fleet.master.signal(signal.SIGTERM)
    check_fleet_story(aws.cloudwatch, fleet)
    assert "samples left" in fleet.master.output
    for worker in fleet.workers:
        assert "samples left" not in worker.output


def lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_the_parent_of_processes_waits_for_a_slow_drain(aws: Aws, locust: Locust) -> None:
    """Its children have gone when it goes, and all is delivered."""
    aws.proxy.on("*", slowly(1))
    run = locust.start("traders.py", "--processes=2", *USERS, "-t", "3s", "--cw-receipt=receipt.json")
    children: set[psutil.Process] = set()
    while run.process.poll() is None:
        try:
            children |= set(psutil.Process(run.process.pid).children())
        except psutil.NoSuchProcess:
            break
        time.sleep(0.05)
    assert len(children) == 2
    assert not [child for child in children if lives(child)], "the parent left its children behind"
    run.receipt.check_delivered()
    check_everything_fired(aws, [run])


def test_the_end_is_bounded_and_the_receipt_says_where_the_rest_is(aws: Aws, locust: Locust) -> None:
    """With AWS hanging every worker leaves its results in its spool, and `replay` sends them."""
    aws.proxy.on("*", hang)
    fleet = Fleet(locust, *LIVE, *USERS, "--cw-drain-timeout=2", "--exit-code-on-error=0", "--cw-fail-on-loss")
    fleet.wait_for(10)
    begun = time.monotonic()
    fleet.master.signal(signal.SIGTERM)
    fleet.finish()
    assert time.monotonic() - begun < 30
    assert fleet.master.exit_code == 1, "as --cw-fail-on-loss asks"
    receipt = fleet.master.receipt.check()
    assert receipt["requests"]["spooled"] == receipt["requests"]["observed"] == fleet.fired.requests.total()
    assert receipt["log_events"]["spooled"] == receipt["log_events"]["observed"]
    check_one_receipt(fleet.processes)

    aws.proxy.heal()
    for run in fleet.processes:
        assert replay(run.folder, "--all").exit_code == 0
    check_metrics(aws.cloudwatch, fleet.master.stats, HOST)
    assert len(aws.cloudwatch.events()) == receipt["log_events"]["observed"]


def test_stop_and_start_in_the_web_ui_are_two_runs(aws: Aws, locust: Locust) -> None:
    """Each under one run id on every worker, with its own totals and its own receipt."""
    web = MasterWeb()
    fleet = Fleet(locust, *LIVE, "--cw-dimensions=RunId", *web.options, headless=False)
    web.wait_for_workers(3)
    totals = []
    for users in (3, 6):
        begun = time.time()
        web.swarm(users, HOST)
        fleet.wait_for(40)
        web.stop()
        lines = [line for journal in fleet.journals for line in journal.of("fired", since=begun)]
        totals.append(stats_of(lines))
        wait_until(lambda: +web.stats.requests == totals[-1].requests, "Locust has the workers' last reports")
        enough = sum(each.requests.total() for each in totals)
        wait_until(
            lambda: aws.cloudwatch.sum("RequestCount", Host=HOST) == enough,  # noqa: B023 - called at once
            "the run is published when it stops, not when Locust quits",
        )
    fleet.master.signal(signal.SIGINT)
    fleet.finish()
    events = sorted(aws.cloudwatch.events(), key=lambda event: event.timestamp)
    runs = list(dict.fromkeys(event.stream.split("/")[1] for event in events))
    assert len(runs) == 2
    clients = {journal.client_id for journal in fleet.journals}
    for run_id, stats in zip(runs, totals, strict=True):
        of_run = [event for event in events if event.stream.startswith(f"load-generator/{run_id}/")]
        logged = requests_in(of_run)
        assert (logged.requests, logged.failures) == (stats.requests, stats.failures)
        assert {event.stream.rsplit("/", 1)[1] for event in of_run if event.is_request} == clients
        assert aws.cloudwatch.sum("RequestCount", RunId=run_id) == stats.requests.total()
        assert aws.cloudwatch.sum("FailureCount", RunId=run_id) == stats.failures.total()
        assert run_id in fleet.master.output
    check_one_receipt(fleet.processes, receipts=2)
    last = fleet.master.receipt.check_delivered()
    assert last["run_id"] == runs[-1]
    assert last["requests"]["observed"] == totals[-1].requests.total()


# Workers that come and go


def test_a_worker_that_joins_late_publishes_under_the_same_run_id(aws: Aws, locust: Locust) -> None:
    """Its `test_start` may come before Locust has finished making its runner."""
    fleet = Fleet(locust, *LIVE, *USERS, workers=2)
    fleet.wait_for(60)
    fleet.join()
    fleet.wait_for(40)
    wait_until(lambda: [3] in timeline(aws.proxy.calls(), "WorkerCount", Host=HOST).values(), "the late one is counted")
    fleet.wait_for(1)  # of each, after the second in which it was
    fleet.master.signal(signal.SIGINT)
    check_fleet_story(aws.cloudwatch, fleet)
    counts = while_they_ran(aws, fleet.journals, "WorkerCount")
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (2, 3)


def test_a_worker_that_was_gone_for_a_while_goes_on_with_the_run(aws: Aws, locust: Locust) -> None:
    """Stopped until the master gives it up, it comes back into the same test: nothing is lost or counted twice."""
    fleet = Fleet(locust, *LIVE, *USERS, workers=2, heartbeats=3)
    fleet.wait_for(40)
    gone, name = fleet.workers[0], fleet.journals[0].client_id

    def between_calls() -> bool:
        """A call that was under way would get no answer in time, and be done twice."""
        calls = aws.proxy.publishing()
        return all(call.answer and call.received_at < time.time() - 0.1 for call in calls)

    stop_when([gone.process.pid], between_calls, "no call is under way")
    fleet.master.wait_for(f"{name} failed to send heartbeat")
    gone.signal(signal.SIGCONT)
    fleet.master.wait_for(f"{name} self-healed")
    fleet.wait_for(40)
    fleet.master.signal(signal.SIGINT)
    check_fleet_story(aws.cloudwatch, fleet)


def test_workers_that_begin_when_the_test_is_over_are_waited_for(aws: Aws, locust: Locust) -> None:
    """The machine is slow. What they log of it is in the receipt, as all is that CloudWatch has."""
    fleet = Fleet(locust, *LIVE, "-u2", "-t2s", workers=2, locustfile="late.py", worker_env={"LATE": "3"})
    fleet.finish()
    receipt = fleet.master.receipt.check_delivered()
    assert len(aws.cloudwatch.streams()) == 3
    assert receipt["log_events"]["observed"] == len(aws.cloudwatch.events())
    assert "vanished" not in fleet.master.output


def test_a_worker_that_never_begins_is_named(locust: Locust) -> None:
    """It was told to, and nobody knows what became of that; the end waits for it only so long."""
    fleet = Fleet(locust, *LIVE, "-u1", "-t2s", workers=1, locustfile="late.py", worker_env={"LATE": "600"})
    fleet.master.finish()
    told = fleet.master.output[fleet.master.output.index("CloudWatch receipt") :]
    assert re.search(r"_[0-9a-f]{32}: vanished; what it had recorded may wait in its spool", told), told


def test_a_worker_that_publishes_nothing_is_named(aws: Aws, locust: Locust) -> None:
    """Its requests are in Locust's totals and nowhere else: nobody may take the others' for all there was."""
    fleet = Fleet(
        locust, *LIVE, *USERS, "--exit-code-on-error=0", "--cw-fail-on-loss", workers=1,
        locustfile="attached_fleet.py", worker_env={"ATTACH": '{"local": true}'}, env={},
    )  # fmt: skip
    fleet.wait_for(20)
    fleet.join(ATTACH="{}")
    fleet.wait_for(40)
    fleet.master.signal(signal.SIGINT)
    fleet.finish()
    (refused, silent), (_, heard) = zip(fleet.workers, fleet.journals, strict=True)
    refused.wait_for("Nothing of this test is published: the master does not tell where its local CloudWatch listens")
    receipt = fleet.master.receipt
    assert receipt["requests"]["observed"] == receipt["requests"]["delivered"] == len(heard.of("fired"))
    assert receipt["reconciled"] is False
    told = fleet.master.output[fleet.master.output.index("CloudWatch receipt") :]
    assert "all reported data delivered\n" in told
    assert f"{silent.client_id}: gave no account of its results" in told
    assert heard.client_id not in told
    assert fleet.master.exit_code == 1, "as --cw-fail-on-loss asks"
    check_metrics(aws.cloudwatch, stats_of(heard.of("fired")), HOST)


@pytest.mark.parametrize("option", ["--cw-strict", "--cw-stop-on-alarm=nobody"])
def test_a_test_that_is_refused_blames_no_worker(aws: Aws, locust: Locust, option: str) -> None:
    if option == "--cw-strict":
        aws.proxy.on("PutMetricData", error("AccessDeniedException", 403, "not authorized"))
    fleet = Fleet(locust, *LIVE, *USERS, option, workers=1)
    fleet.finish()
    assert "The test is not started" in fleet.master.output
    told = fleet.master.output[fleet.master.output.index("CloudWatch receipt") :]
    assert ": no requests were made\n" in told
    assert "vanished" not in told
    assert "no account" not in told


def test_a_worker_that_was_killed_before_its_first_report_is_named(locust: Locust) -> None:
    """Nothing is known of it but that it was there; the account of the others holds."""
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
    fleet.master.signal(signal.SIGINT)
    fleet.master.finish()
    receipt = fleet.master.receipt.check()
    assert receipt["requests"]["observed"] == len(fleet.journals[1].of("fired"))
    assert journal.client_id in fleet.master.output[fleet.master.output.index("CloudWatch receipt") :]
    assert fleet.master.exit_code == 1, "nobody can say that all was delivered"


IN_MEMORY_S = 2
"""For how long results may be, on a busy machine, before they are on disk."""


def test_a_worker_that_was_killed_is_named_and_the_rest_reconciled(aws: Aws, locust: Locust) -> None:
    """What it had reported counts for the receipt; what its spool holds `replay` sends."""
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
    aws.proxy.heal()
    fleet.master.wait_for(f"{name} failed to send heartbeat")
    missed_at = time.time()
    wait_until(lambda: fleet.journals[0].of("fired", since=missed_at + 3.2), "the others go on")
    held_in_spool = files_in(spool_of(victim))
    fleet.master.signal(signal.SIGINT)
    fleet.master.finish()
    others = [fleet.workers[0], fleet.workers[2]]
    assert [run.exit_code for run in (fleet.master, *others)] == [0, 0, 0]

    # The receipt.
    survivors = stats_of(line for each in journals(others) for line in each.of("fired"))
    known = stats_of(journal.of("fired", until=journal.of("reported")[-1].at))
    stats, receipt = fleet.master.stats, fleet.master.receipt.check()
    assert stats.requests == survivors.requests + known.requests, "Locust's master knows what was reported"
    assert receipt["requests"]["observed"] == stats.requests.total()
    check_one_receipt([fleet.master, *others])
    told = fleet.master.output[fleet.master.output.index("CloudWatch receipt") :]
    assert re.search(rf"{name}.*vanished.*\b{known.requests.total():,}\b", told), told

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


# What the master knows of its workers' trouble


class Clock:
    """What the master's book goes by."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(_fleet, "time", SimpleNamespace(monotonic=lambda: self.now))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def account(run_id: str = "one", *, why: str | None = None, **changes: Any) -> dict[str, Any]:
    """What a worker reports; `why` its calls fail."""
    counts = {"observed": 10, "delivered": 4, "spooled": 6, "rejected": 0, "dropped": 0}
    trouble = {"failures": [] if why is None else [why], "trouble_since": None if why is None else 1.0, "delay_s": 2.0}
    values = {
        "receipt": reports.receipt(run_id, requests=counts),
        "left": 6,
        "settled": 4,
        "status": trouble,
        **changes,
    }
    return reports.message(run_id, **values)


def test_a_worker_that_vanishes_in_trouble_does_not_keep_the_others_in_it(clock: Clock) -> None:
    """The others publish again, and are said to; nobody knows what fails where nobody is heard."""
    fleet, trouble = _fleet.WorkerRegistry(), WorkerOutages()
    for worker in ("a", "b"):
        fleet.update(worker, account(why="denied"))
    assert trouble.news(fleet.troubles("one"), clock.now) is None
    clock.now += 4
    assert trouble.news(fleet.troubles("one"), clock.now) == (
        logging.WARNING,
        "2 of 2 workers cannot publish at present. a: denied",
    )
    fleet.update("a", account())
    assert trouble.news(fleet.troubles("one"), clock.now) is None, "b may still be there"
    clock.now += 5
    assert trouble.news(fleet.troubles("one"), clock.now) == (
        logging.INFO,
        "All workers that are left publish again, after 9 s.",
    )
    part = fleet.parts("one")["b"]
    assert part.vanished
    assert (part.report.failures, part.report.trouble_since, part.report.delay_s) == ([], None, None)
    own = ProcessStatus(StatusReport.from_message(account()))
    whole, a, b = _status.statuses(Run("one", "live", 1.0), own, fleet.parts("one"), 9.0)
    assert (whole.health, a.health, b.health) == ("vanished", "healthy", "vanished")
    assert (whole.delay_s, a.delay_s, b.delay_s) == (7, 7, None)
    clock.now += 9
    assert trouble.news(fleet.troubles("one"), clock.now) is None, "nobody is left"


def test_the_master_says_that_trouble_is_over_when_a_worker_was_killed_in_it(aws: Aws, locust: Locust) -> None:
    """With real processes: the one that is left publishes again, and nothing is in trouble any more."""
    aws.proxy.on("PutMetricData", error("ServiceUnavailable", 503))
    aws.proxy.on("PutLogEvents", error("ServiceUnavailable", 503))
    fleet = Fleet(locust, *LIVE, *USERS, "--exit-code-on-error=0", workers=2, heartbeats=3)
    fleet.master.wait_for("2 of 2 workers cannot publish at present")
    fleet.workers[0].signal(signal.SIGKILL)
    fleet.workers[0].process.wait()
    aws.proxy.heal()
    fleet.master.wait_for("All workers that are left publish again, after ")
    fleet.master.signal(signal.SIGINT)
    fleet.master.finish()
    assert fleet.master.err.count("workers cannot publish at present") == 1


def test_trouble_that_passes_is_said_to(clock: Clock) -> None:
    fleet, trouble = _fleet.WorkerRegistry(), WorkerOutages()
    fleet.update("a", account(why="denied"))
    assert trouble.news(fleet.troubles("one"), clock.now) is None
    assert trouble.news(fleet.troubles("one"), clock.now + 4) is not None
    fleet.update("a", account())
    assert trouble.news(fleet.troubles("one"), clock.now + 5) == (
        logging.INFO,
        "All workers publish again, after 5 s.",
    )


def test_trouble_when_the_last_worker_vanishes_is_not_said_to_be_over(clock: Clock) -> None:
    fleet, trouble = _fleet.WorkerRegistry(), WorkerOutages()
    fleet.update("a", account(why="denied"))
    assert trouble.news(fleet.troubles("one"), clock.now) is None
    clock.now += 4
    assert trouble.news(fleet.troubles("one"), clock.now) is not None
    clock.now += 4
    assert trouble.news(fleet.troubles("one"), clock.now) is None


def test_trouble_goes_along_into_the_next_run(clock: Clock) -> None:
    """The earlier run's is not told of for ever, whatever its workers told last; how it ended is still taken down."""
    fleet = _fleet.WorkerRegistry()
    fleet.update("a", account("one", why="denied"))
    assert fleet.troubles("one") == {"a": "denied"}
    fleet.update("a", account("two", why="denied"))
    assert fleet.troubles("one") == {}
    assert fleet.troubles("two") == {"a": "denied"}
    fleet.update("a", account("one", final=True))
    assert fleet.troubles("two") == {"a": "denied"}
    fleet.update("b", account("two"))
    fleet.update("b", account("one", why="gone"))
    assert fleet.troubles("one") == {"b": "gone"}, "it waits for the end of the earlier one"
    fleet.update("b", account("one", final=True))
    assert fleet.reports("one", publishing=True)[2], "it is complete"
    clock.now += 9
    assert fleet.troubles("two") == {}


# Workers of which nothing was heard


def clients(**states: str) -> Any:
    """Workers as Locust's master has them, by name."""
    return SimpleNamespace(all=[SimpleNamespace(id=name, state=state) for name, state in states.items()])


def test_each_worker_of_which_nothing_was_heard_is_named_once(clock: Clock) -> None:
    """What Locust knew of it last decides how; and none that told, or that had nothing to do."""
    fleet = _fleet.WorkerRegistry()
    fleet.update("heard", account(final=True))
    fleet.update("unread", account(receipt="{}"))
    fleet.observe("one", clients(left="running", idle="ready", stopped="running"), publishing=True)
    workers = {"heard": "running", "unread": "running", "silent": "running", "slow": "spawning", "gone": "running"}
    workers["stopped"] = "ready"
    fleet.observe("one", clients(**workers), publishing=True)
    fleet.observe("one", clients(**{**workers, "gone": "missing"}), publishing=True)
    clock.now += 9
    _, remarks, complete = fleet.reports("one", publishing=True)
    assert [remark.partition(";")[0] for remark in remarks] == [
        "unread: its account cannot be read, and is left out",
        "gone: vanished",
        "slow: vanished",
        "left: gave no account of its results",
        "silent: gave no account of its results",
        "stopped: gave no account of its results",
    ]
    assert not complete


def test_nobody_waits_for_accounts_of_workers_that_the_master_publishes_for() -> None:
    fleet = _fleet.WorkerRegistry()
    fleet.observe("one", clients(a="running"), publishing=False)
    assert fleet.reports("one", publishing=False) == ([], [], True)


# A worker that tells something else


UNREADABLE: dict[str, Any] = {
    "an empty receipt": account(receipt={}),
    "an empty receipt of an older version": account(receipt="{}"),
    "no JSON": account(receipt="?"),
    "bytes": account(receipt=b"{}"),
    "counts of another kind": account(receipt=reports.receipt(requests={"observed": "10"})),
    "no receipt": {key: value for key, value in account().items() if key != "receipt"},
    "no counts": {key: value for key, value in account().items() if key != "left"},
    "text for a count": account(settled="4"),
    "a status of another kind": account(status=["trouble"]),
    "failures of another kind": account(status={"failures": 1}),
    "a failure of another kind": account(status={"failures": [1], "trouble_since": 1.0}),
    "a remark of another kind": account(remarks=[1]),
    "a delay of another kind": account(status={"delay_s": "1"}),
    "a time of another kind": account(status={"trouble_since": "1"}),
    "a problem of another kind": account(status={"problem": 1, "problem_at": "1"}),
    "bytes that wait of another kind": account(status={"waiting_bytes": "1"}),
    "less than no bytes that wait": account(status={"waiting_bytes": -1}),
    "more bytes than there are": account(status={"waiting_bytes": 2**70}),
    "no run": {},
    "a run of another kind": {**account(), "run_id": []},
    "nothing": None,
}


@pytest.mark.parametrize("message", UNREADABLE.values(), ids=UNREADABLE)
def test_an_account_that_cannot_be_read_is_left_out_and_told_once(
    message: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The others' add up to statuses and to a receipt, which says what is left out."""
    fleet = _fleet.WorkerRegistry()
    fleet.update("good", account())
    for _ in range(3):
        fleet.update("bad", message)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "What worker bad tells of its results cannot be read" in caplog.text
    own = ProcessStatus(StatusReport.from_message(account()))
    told = _status.statuses(Run("one", "live", 1.0), own, fleet.parts("one"), 2.0)
    assert [status.process for status in told] == [None, "good"]
    assert list(fleet.troubles("one")) == ["good"]
    assert fleet.progress("one") == (6, 4)
    fleet.update("good", account(final=True))
    last, remarks, complete = fleet.reports("one", publishing=True)
    assert [report.receipt.requests.observed for report in last] == [10]
    if isinstance(message, dict) and message.get("run_id") == "one":
        assert remarks == ["bad: its account cannot be read, and is left out"]
        assert not complete


def test_an_account_that_can_be_read_makes_up_for_one_that_cannot() -> None:
    fleet = _fleet.WorkerRegistry()
    fleet.update("a", account(receipt="{}"))
    fleet.update("a", account(final=True))
    assert fleet.reports("one", publishing=True)[1:] == ([], True)


# The master publishes


@pytest.fixture
def no_aws(ministack: str) -> Iterator[Proxy]:
    """Where workers would call that call at all."""
    with Proxy(ministack) as proxy:
        yield proxy
        assert not proxy.calls()


@pytest.fixture
def master_only(aws: Aws, no_aws: Proxy) -> dict[str, Any]:
    """Options and environments by which the master alone gets to AWS."""
    keys = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
    return {
        "env": {"AWS_ENDPOINT_URL": aws.proxy.url},
        "worker_env": {"AWS_ENDPOINT_URL": no_aws.url, **keys},
        "options": [*(each for each in aws.options if "endpoint" not in each), "--cw-source=master"],
    }


def test_the_master_alone_publishes_for_workers_without_credentials(
    aws: Aws, locust: Locust, master_only: dict[str, Any]
) -> None:
    fleet = Fleet(locust, *LIVE, *USERS, "-t", "4s", **master_only)
    fleet.finish()
    assert fleet.exit_codes == [1, 0, 0, 0]
    stats, receipt = fleet.master.stats, fleet.master.receipt.check_delivered()
    assert stats.requests == fleet.fired.requests
    assert receipt["requests"]["observed"] == stats.requests.total() > 0
    check_reported(aws, stats.requests, stats.failures)
    check_one_receipt(fleet.processes)
    assert not [event for event in aws.cloudwatch.events() if event.is_request]
    for run in fleet.processes:
        assert run.stumbles == 0, run.err
        assert run.complaints() == [], run.err
    for worker in fleet.workers:
        assert not files_in(spool_of(worker))


def check_reported(aws: Aws, requests: Counter[str], failures: Counter[str]) -> None:
    """Requests and failures are Locust's for each name and for the host."""
    series: list[tuple[dict[str, str], int, int]] = [({}, requests.total(), failures.total())]
    series += [({"Request": name}, requests[name], failures[name]) for name in requests]
    for dimensions, number, failed in series:
        held = [aws.cloudwatch.sum(metric, Host=HOST, **dimensions) for metric in ("RequestCount", "FailureCount")]
        assert held == [number, failed], dimensions
        assert aws.cloudwatch.count("ResponseTime_ms", Host=HOST, **dimensions) == number


def test_workers_that_are_not_locusts_are_published_by_the_master(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    """Two that speak nothing but Locust's protocol: sums are exact, percentiles as good as the times reported."""
    port = free_port()
    master = locust.start(
        "traders.py",
        "--master",
        "--master-bind-host=127.0.0.1",
        f"--master-bind-port={port}",
        "--expect-workers=2",
        "--cw-source=master",
        *LIVE,
        *USERS,
        "-t",
        "5s",
    )
    script = SCRIPTS / "foreign_worker.py"
    truths = [tmp_path / f"truth{number}.json" for number in range(2)]
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                ending(subprocess.Popen([sys.executable, script, str(port), f"foreign-{number}", truth]))
            )
            for number, truth in enumerate(truths)
        ]
        assert master.exit_code == 1
        assert [worker.wait(60) for worker in workers] == [0, 0]
    told = [json.loads(truth.read_text()) for truth in truths]
    requests = sum((Counter(each["requests"]) for each in told), Counter[str]())
    failures = sum((Counter(each["failures"]) for each in told), Counter[str]())
    stats, receipt = master.stats, master.receipt.check_delivered()
    assert (+stats.requests, +stats.failures) == (requests, failures)
    assert receipt["requests"]["observed"] == requests.total() >= 2 * 2 * 400
    assert receipts_printed(master) == 1
    assert master.stumbles == 0
    assert master.complaints() == []
    check_reported(aws, requests, failures)

    by_name = {
        name: sum(
            (Counter({float(time): count for time, count in each["times"][name].items()}) for each in told),
            Counter[float](),
        )
        for name in requests
    }
    held = published(aws.proxy.calls())
    for name, times in [*by_name.items(), (None, sum(by_name.values(), Counter[float]()))]:
        dimensions = {"Host": HOST, **({"Request": name} if name else {})}
        check_percentiles(held["ResponseTime_ms", frozenset(dimensions.items())], times)
    by_second = sum(
        (Counter({int(second): n for second, n in each["seconds"].items()}) for each in told), Counter[int]()
    )
    counts = timeline(aws.proxy.calls(), "RequestCount", Host=HOST)
    assert {second: sum(values) for second, values in counts.items()} == by_second
    users = timeline(aws.proxy.calls(), "UserCount", Host=HOST)
    assert max(max(values) for values in users.values()) == 6


def check_percentiles(held: Published, times: Counter[float]) -> None:
    """Within 1 % of those of the times as they were reported."""
    assert held.count == times.total()
    for percent in (1, 10, 50, 90, 95, 99, 99.9, 100):
        assert held.percentile(percent) == pytest.approx(nearest_rank(times, percent), rel=0.0101), percent
