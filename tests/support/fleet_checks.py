"""What a fleet published, against what its processes did."""

from __future__ import annotations

import re

from support.checks import check_metrics
from support.fixtures import Aws
from support.fleet import (
    HOST,
    Fleet,
    Journal,
    check_one_receipt,
    check_streams,
    journals,
    late_turns,
    requests_in,
    stats_of,
    timeline,
    users_known,
)
from support.locust_run import LocustRun

LIVE = ["--cw-live", "--cw-flush-interval=1"]
USERS = ["-u", "6", "-r", "100", "--host", HOST]


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


def check_exit_code(run: LocustRun) -> None:
    """It is the one that Locust chose: 1 if it knows of failures. The children of `--processes` log theirs, too."""
    failures = run.stats.failures.total() if run.has_stats else run.receipt["locust"]["failures"]
    failed = 1 if failures else 0
    assert str(failed) in re.findall(r"Shutting down \(exit code (\d)\)", run.output)
    assert run.exit_code == failed


def check_everything_fired(aws: Aws, runs: list[LocustRun], *, has_stats: bool = True) -> None:
    """The master, first of these, has a receipt of all, which says whether Locust knows of all."""
    fired = stats_of(line for journal in journals(runs) for line in journal.of("fired"))
    receipt = runs[0].receipt
    assert receipt["requests"]["observed"] == receipt["requests"]["delivered"] == fired.requests.total() > 0
    assert receipt["failures"]["observed"] == receipt["failures"]["delivered"] == fired.failures.total()
    assert receipt["log_events"]["observed"] == receipt["log_events"]["delivered"]
    assert runs[0].has_stats is has_stats
    if has_stats:
        assert receipt["locust"]["requests"] == runs[0].stats.requests.total()
    assert receipt["reconciled"] is (receipt["locust"]["requests"] == receipt["requests"]["observed"])
    check_metrics(aws.cloudwatch, fired, HOST)
    events = aws.cloudwatch.events()
    logged = requests_in(events)
    assert (logged.requests, logged.failures) == (fired.requests, fired.failures)
    workers = [journal for journal in journals(runs) if journal.of("fired")]
    check_streams(events, receipt["run_id"], {journal.client_id: len(journal.of("fired")) for journal in workers})
    check_one_receipt(runs)
