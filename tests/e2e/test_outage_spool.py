"""The spool during an outage: if it is full or cannot be written, only the excess is lost, with a message."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Any

import pytest

from support.checks import check_delivered_run, check_log_events, check_metrics
from support.commands import replay
from support.fixtures import Aws, Locust
from support.paced import HOST, LIVE, PACED, stop, wait_for_more
from support.proxy import Answer, Fault, error, hang, passing
from support.servers import wait_until
from support.spools import files_in, folders_in, spool_of

MEGABYTE = 1024 * 1024


def size_of(spool: Path) -> int:
    return sum(file.stat().st_size for file in files_in(spool))


def test_a_full_spool_drops_the_oldest_logs_first(aws: Aws, locust: Locust) -> None:
    """Each is counted, no metrics are lost, and the rest can be sent."""
    aws.proxy.refuse()
    run = locust.start(*PACED, *LIVE, "--cw-spool-max-mb=1", "--cw-drain-timeout=0", env={"RATE": "1000"})
    wait_for_more(run, 6000)
    stop(run)
    run.wait()
    receipt = run.receipt.check()
    assert receipt["requests"]["spooled"] == receipt["requests"]["observed"]
    logged = receipt["log_events"]
    assert logged["dropped"] > 0
    assert logged["spooled"] + logged["dropped"] == logged["observed"]
    assert MEGABYTE / 2 < size_of(spool_of(run)) <= MEGABYTE
    assert len([each for each in run.logged_problems() if "--cw-spool-max-mb" in each]) == 1

    aws.proxy.listen()
    assert replay(run.folder, receipt["run_id"]).exit_code == 0
    check_metrics(aws.cloudwatch, run.stats, HOST)
    numbers = sorted(event.fields["seq"] for event in aws.cloudwatch.events())
    assert numbers == list(range(logged["dropped"] + 1, logged["observed"] + 1))


def test_a_spool_that_is_full_of_metrics_drops_the_oldest(aws: Aws, locust: Locust) -> None:
    """Requests that do not fit are counted as dropped, and the others are delivered."""
    aws.proxy.refuse()
    weight = "x" * 900
    options = ("--cw-logs=off", "--cw-spool-max-mb=1", "--cw-drain-timeout=0", f"--cw-dimension=Weight={weight}")
    run = locust.start(*PACED, *LIVE, *options, env={"RATE": "1000", "NAMES": "100"})
    run.wait_for("raise --cw-spool-max-mb")
    wait_for_more(run, 5000)
    stop(run)
    run.wait()
    requests = run.receipt.check()["requests"]
    assert requests["dropped"] > 0
    assert requests["spooled"] > 0
    assert requests["spooled"] + requests["dropped"] == requests["observed"]
    assert size_of(spool_of(run)) <= MEGABYTE

    aws.proxy.listen()
    assert replay(run.folder, "--all").exit_code == 0
    series = [{"Host": HOST, "Request": f"/{number}", "Weight": weight} for number in range(100)]
    assert sum(aws.cloudwatch.sum("RequestCount", **dimensions) for dimensions in series) == requests["spooled"]


UNWRITABLE: dict[str, Any] = {
    "no folder": {"args": ["--cw-spool-dir=file/spool"], "files": {"file": ""}},
    "full disk": {"env": {"FILE_LIMIT": "40000"}},
}


@pytest.mark.parametrize("live", [LIVE, ()], ids=["live", "end"])
@pytest.mark.parametrize("trouble", UNWRITABLE.values(), ids=UNWRITABLE)
def test_without_a_disk_all_is_delivered_from_memory(
    aws: Aws, locust: Locust, trouble: dict[str, Any], live: tuple[str, ...]
) -> None:
    """One message says so."""
    how = {key: value for key, value in trouble.items() if key != "args"}
    run = locust.run(*PACED, *live, *trouble.get("args", ()), "-t", "3s", **how)
    assert run.exit_code == 0
    (problem,) = run.logged_problems()
    assert re.search(r"(?i)memory", problem)
    run.receipt.check_delivered()
    check_metrics(aws.cloudwatch, run.stats, HOST)
    check_log_events(aws.cloudwatch.events(), run.stats)


@pytest.mark.parametrize("fault", [error("ServiceUnavailable", 503), hang], ids=["unavailable", "hanging"])
def test_without_a_disk_and_without_aws_the_loss_is_counted(aws: Aws, locust: Locust, fault: Fault) -> None:
    """At the end, data that is only in memory counts as `dropped`, also if it is in flight, and not as spooled."""
    aws.proxy.on("*", fault)
    trouble = UNWRITABLE["no folder"]
    run = locust.start(*PACED, *LIVE, *trouble["args"], "--cw-drain-timeout=1", files=trouble["files"])
    wait_for_more(run, 100)
    stop(run)
    run.wait()
    receipt = run.receipt.check()
    for group in ("requests", "failures", "log_events"):
        assert receipt[group]["dropped"] == receipt[group]["observed"] > 0
    assert "locust-cw replay" not in run.output


def test_a_long_test_without_live_is_published_early_rather_than_dropped(aws: Aws, locust: Locust) -> None:
    """While AWS accepts data, a spool that is too small for the whole test loses nothing."""
    run = locust.start(*PACED, "--cw-spool-max-mb=1", "--cw-drain-timeout=60", env={"RATE": "300"})
    wait_for_more(run, 3500)
    wait_until(lambda: aws.proxy.calls("PutLogEvents"), "half of the spool is full")
    stop(run)
    run.wait()
    run.receipt.check_delivered()
    check_delivered_run(aws.cloudwatch, run, HOST)


def test_a_response_of_another_server_rejects_nothing(aws: Aws, locust: Locust) -> None:
    """The error page of a proxy: the calls are repeated until AWS itself responds."""
    page = Answer(404, {"Content-Type": "text/html"}, b"<html>no such page</html>")
    aws.proxy.on("*", lambda _: page, times=4)
    run = locust.start(*PACED, *LIVE, "--cw-drain-timeout=60")
    wait_for_more(run, 1000)
    stop(run)
    run.wait(timeout=90)
    run.receipt.check_delivered()
    check_delivered_run(aws.cloudwatch, run, HOST)


def test_only_the_user_can_read_the_spool_and_it_is_deleted_after_delivery(aws: Aws, locust: Locust) -> None:
    aws.proxy.on("*", error("ServiceUnavailable", 503))
    run = locust.start(*PACED, *LIVE)
    spool = spool_of(run)
    wait_until(lambda: {"metrics", "logs"} <= {file.stem.split("-")[-1] for file in files_in(spool)}, "files in it")
    modes = set()
    for path in (spool, *spool.rglob("*")):
        try:
            modes.add((path.is_dir(), stat.S_IMODE(path.stat().st_mode)))
        except FileNotFoundError:  # delivered meanwhile
            continue
    assert modes == {(True, 0o700), (False, 0o600)}
    aws.proxy.stop_faults()
    stop(run)
    run.wait()
    check_delivered_run(aws.cloudwatch, run, HOST)
    assert folders_in(spool) == []


# The exit code

FATES = {
    "delivered": passing,
    "spooled": error("ServiceUnavailable", 503),
    "rejected": error("UnsupportedOperation", 400),
}


@pytest.mark.parametrize(
    ("asked", "fate", "locusts_own", "failed"),
    [
        (True, "delivered", 0, False),
        (True, "spooled", 0, True),
        (True, "rejected", 0, True),
        (True, "delivered", 7, True),
        (True, "spooled", 7, True),
        (False, "spooled", 0, False),
    ],
)
def test_fail_on_loss_sets_the_exit_code(  # noqa: PLR0913 - a table
    aws: Aws, locust: Locust, *, asked: bool, fate: str, locusts_own: int, failed: bool
) -> None:
    """Locust's own exit code takes precedence if it is not 0."""
    aws.proxy.on("PutMetricData", FATES[fate])
    options = [f"--exit-code-on-error={locusts_own}", *(["--cw-fail-on-loss"] if asked else [])]
    run = locust.start(*PACED, *options, f"--cw-drain-timeout={1 if fate == 'spooled' else 60}")
    wait_for_more(run, 100)
    stop(run)
    run.wait()
    requests = run.receipt.check()["requests"]
    assert requests[fate] == requests["observed"] > 0
    assert (run.exit_code != 0) == failed
    assert run.exit_code == locusts_own or not locusts_own
