"""A killed process loses at most the last second, and the next start names the data that it left."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import psutil
import pytest

from support.commands import commanding, replay
from support.delivered import identities
from support.faults import Answered
from support.fixtures import Aws, Locust
from support.paced import HOST, LIVE, LONG, PACED, fired, kill_in_step, stop, stop_when, wait_for_more
from support.proxy import Call, hang, passing
from support.replays import check_all_there, left_behind, replay_commands, run_id_of
from support.servers import answers, wait_until
from support.spools import files_in, folders_in, spool_of

NOT_YET_ON_DISK = 1.0
"""Seconds that may be missing."""

WINDOW_CLOSES = 0.5
"""Seconds after a full second in which its samples are put together and written, on a machine that is busy."""

AT_ONCE = 100
"""Requests made between two lines in the file they are counted in."""

_random = random.Random(9)
MOMENTS = [round(_random.uniform(0.3, 6), 3) for _ in range(10 if LONG else 3)]


def metrics_sent_twice(calls: list[Call], answers: Answered, killed_at: float) -> float:
    """Requests that are counted twice because the process died before it read the response."""
    accepted = [call for call in calls if call.operation == "PutMetricData" and call.accepted]
    # A busy machine may have dealt with an answer late, but the threads that had no time for it sent nothing either.
    last_sent = max((call.received_at for call in accepted if call.received_at < killed_at - 0.5), default=0)
    seen: dict[str, Call] = {}
    twice = 0.0
    for call in accepted:
        for datum in call.params["MetricData"]:
            if datum["MetricName"] != "RequestCount" or len(datum["Dimensions"]) != 1:
                continue
            first = seen.setdefault(repr(datum), call)
            if first is not call:
                assert answers.time(first) > last_sent, "taken and known to be: not to be sent again"
                twice += datum["Value"]
    return twice


@pytest.mark.parametrize("live", [LIVE, ()], ids=["live", "end"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_crash_loses_at_most_the_last_second(aws: Aws, locust: Locust, moment: float, live: tuple[str, ...]) -> None:
    """`kill -9` during the load, and then `replay --all`. Metrics and log events arrive, and none is damaged."""
    aws.proxy.on("*", answers := Answered())
    run = locust.start(*PACED, *live)
    wait_until(lambda: fired(run), "requests are made")
    begun = time.time()
    wait_until(lambda: time.time() >= begun + moment, "the moment has come")
    killed_at = kill_in_step(run)
    run.process.wait()
    assert live or not aws.proxy.publishing(), "nothing was sent before the end"
    command = replay(run.folder, "--all")
    assert command.exit_code == 0, command.output
    assert files_in(spool_of(run)) == []

    least = fired(run, until=killed_at - NOT_YET_ON_DISK - WINDOW_CLOSES)
    most = fired(run) + AT_ONCE
    held = aws.cloudwatch.sum("RequestCount", Host=HOST)
    twice = metrics_sent_twice(aws.proxy.calls(), answers, killed_at)
    assert least <= held - twice <= most
    names = [aws.cloudwatch.sum("RequestCount", Host=HOST, Request=f"/{number}") for number in range(5)]
    assert sum(names) == held
    events = aws.cloudwatch.events()
    logged = identities([event for event in events if event.is_request])
    assert least <= len(logged) <= most
    assert {seq for *_, seq in identities(events)} == set(range(1, len(identities(events)) + 1)), "a gap"
    assert logged.total() == len(logged) or live


def test_a_crash_while_sending_loses_nothing(aws: Aws, locust: Locust) -> None:
    """The process is killed after the test, when a part is delivered.

    `replay` sends the rest, and nothing a second time.
    """
    run = locust.start(*PACED, env={"RATE": "4000"})
    wait_for_more(run, 20_000)
    # The metrics and one call of log events are taken, and that is seen.
    aws.proxy.on("PutLogEvents", hang)
    aws.proxy.on("PutLogEvents", passing, times=1)
    written = list(spool_of(run).glob("*/*/*-logs.jsonl"))
    stop(run)
    wait_until(lambda: not all(file.exists() for file in written), "the first log events have left the disk")
    wait_until(lambda: not list(spool_of(run).glob("*/*/*-metrics.jsonl")), "the metrics have left the disk")
    run.signal(signal.SIGKILL)
    run.process.wait()
    aws.proxy.stop_faults()
    assert replay(run.folder, "--all").exit_code == 0
    requests = fired(run)
    assert requests <= aws.cloudwatch.sum("RequestCount", Host=HOST) <= requests + AT_ONCE
    logged = identities([event for event in aws.cloudwatch.events() if event.is_request])
    assert logged.total() == len(logged) == aws.cloudwatch.sum("RequestCount", Host=HOST)


def test_replay_all_removes_the_empty_folder_of_a_killed_process(aws: Aws, locust: Locust) -> None:
    run = locust.start(*PACED, *LIVE, env={"RATE": "20"})
    wait_until(lambda: any(call.accepted for call in aws.proxy.calls("PutLogEvents")), "publication began")
    stop_when([run.process.pid], lambda: not files_in(spool_of(run)), "nothing is left for a moment")
    run.signal(signal.SIGKILL)
    run.process.wait()
    assert replay(run.folder, "--all").exit_code == 0
    assert folders_in(spool_of(run)) == []


def test_replay_sends_what_each_process_of_a_killed_run_left(aws: Aws, locust: Locust) -> None:
    """A master and two workers, with one command."""
    run = locust.start(*PACED, "--processes=2", "-u", "2", "-r", "2")
    processes = [run.process.pid]
    wait_until(lambda: len({file.parent for file in files_in(spool_of(run))}) == 3, "three processes have files")
    wait_for_more(run, 2000)
    processes += [child.pid for child in psutil.Process(run.process.pid).children()]
    assert len(processes) == 3
    killed_at = kill_in_step(run, *processes)
    psutil.wait_procs([psutil.Process(pid) for pid in processes if psutil.pid_exists(pid)], timeout=10)
    (folder,) = folders_in(spool_of(run))
    command = replay(run.folder, folder.name)
    assert command.exit_code == 0, command.output
    least = fired(run, until=killed_at - NOT_YET_ON_DISK - WINDOW_CLOSES)
    assert least <= aws.cloudwatch.sum("RequestCount", Host=HOST) <= fired(run) + 2 * AT_ONCE
    assert least <= sum(event.is_request for event in aws.cloudwatch.events()) <= fired(run) + 2 * AT_ONCE
    assert len({event.fields["worker"] for event in aws.cloudwatch.events() if event.is_request}) == 2
    assert aws.cloudwatch.count("UserCount", Host=HOST) > 0
    assert folders_in(spool_of(run)) == []


# The next start


def test_the_next_start_logs_pending_data_and_does_not_send_it(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    """With the command that sends it: the run ID if there is one run, and `--all` for several."""
    where = f"--cw-spool-dir={tmp_path / 'spool'}"
    first = left_behind(aws, locust, where)
    left = files_in(tmp_path / "spool")
    second = locust.run(*PACED, *LIVE, where, "-t", "2s")
    second.receipt.check_delivered()
    assert replay_commands(second)[0][:3] == ["locust-cw", "replay", run_id_of(first)]
    assert files_in(tmp_path / "spool") == left
    assert aws.cloudwatch.sum("RequestCount", Host=HOST) == second.stats.requests.total()

    third = left_behind(aws, locust, where)
    fourth = locust.run(*PACED, *LIVE, where, "-t", "2s")
    (every,) = replay_commands(fourth)
    assert every[:3] == ["locust-cw", "replay", "--all"]
    with commanding(first.folder, *every[1:]) as command:
        assert command.exit_code == 0, command.output
    check_all_there(aws, first, second, third, fourth)


@pytest.mark.parametrize("where", [None, "a spool", "{folder}/it's"], ids=["default", "relative", "absolute"])
def test_the_command_in_the_message_sends_the_pending_data(
    aws: Aws, locust: Locust, tmp_path: Path, where: str | None
) -> None:
    """As a user would copy it, from any working directory, and with any spool folder."""
    env = {} if where is None else {"LOCUST_CW_SPOOL_DIR": where.format(folder=tmp_path)}
    run = left_behind(aws, locust, env=env)
    (words,) = replay_commands(run)
    assert len(words) == (3 if where is None else 5)
    with commanding(run.folder, *words[1:]) as command:
        assert command.exit_code == 0, command.output
    check_all_there(aws, run)


def test_data_for_a_local_cloudwatch_is_not_pending(locust: Locust, tmp_path: Path) -> None:
    """The local CloudWatch has ended with its test.

    `--all` skips the data with a message, and the next start does not mention it.
    """
    where = f"--cw-spool-dir={tmp_path / 'spool'}"
    run = locust.start(*PACED, "--cw-local", "--cw-run-id=trial", where, options=[])
    wait_until(lambda: files_in(tmp_path / "spool"), "files in its spool")
    url = run.wait_for(r"A local CloudWatch listens at (\S+)")[1]
    run.signal(signal.SIGKILL)
    run.process.wait()
    wait_until(lambda: not answers(url), "the local CloudWatch has ended")
    left = files_in(tmp_path / "spool")
    for arguments, exit_code in (["--all"], 0), (["trial"], 1):
        command = replay(run.folder, *arguments, f"--spool-dir={tmp_path / 'spool'}")
        assert command.exit_code == exit_code, command.output
        assert "published to a local CloudWatch that has ended" in command.output
    assert files_in(tmp_path / "spool") == left
    assert "Send them with" not in locust.run(*PACED, *LIVE, where, "-t", "1s").err


def test_a_start_during_another_test_does_not_mention_its_data(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    where = f"--cw-spool-dir={tmp_path / 'spool'}"
    live = locust.start(*PACED, where)
    wait_until(lambda: files_in(tmp_path / "spool"), "files in its spool")
    beside = locust.run(*PACED, where, "-t", "1s")
    assert "Send them with" not in beside.err
    stop(live)
    live.wait()
    check_all_there(aws, live, beside)
