"""What a test left behind, killed or not, is told of, kept, and sent by `locust-cw replay`.

With LOCUST_CW_LONG_TESTS=1 there are more crashes.
"""

from __future__ import annotations

import json
import random
import re
import shlex
import shutil
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.checks import check_log_events, check_metrics
from support.fixtures import Aws, Locust
from support.locust_run import NO_KEYS, LocustRun
from support.outages import (
    HOST,
    LIVE,
    LONG,
    PACED,
    Answered,
    commanding,
    files_in,
    fired,
    folders_in,
    identities,
    kill_in_step,
    replay,
    rewrite,
    spool_of,
    stop,
    stop_when,
    wait_for_more,
)
from support.proxy import Answer, Call, Exchange, Proxy, error, hang, passing
from support.servers import wait_until

GONE = error("ServiceUnavailable", 503)


def left_behind(
    aws: Aws, locust: Locust, *args: str, requests: int = 600, files_each: int = 0, **how: Any
) -> LocustRun:
    """A run that is over, with AWS away all the time; AWS is back now.

    At least so many files are left of metrics, and of logs.
    """
    aws.proxy.on("*", GONE)
    run = locust.start(*PACED, "--cw-drain-timeout=0", *args, **how)
    wait_for_more(run, requests)
    for lane in ("metrics", "logs"):
        wait_until(
            lambda: len(list(spool_of(run).glob(f"*/*/*-{lane}.jsonl"))) >= files_each,  # noqa: B023 - called at once
            f"{files_each} files of {lane}",
        )
    stop(run)
    run.finish()
    receipt = run.receipt.check()
    for group in ("requests", "log_events"):
        assert receipt[group]["spooled"] == receipt[group]["observed"] > 0
    aws.proxy.heal()
    return run


def run_id_of(run: LocustRun) -> str:
    return str(run.receipt["run_id"])


def told_commands(run: LocustRun) -> list[list[str]]:
    """What to type to send what is left, as a shell takes it, each command once."""
    told = re.findall(r"Send (?:it|them) with: (.*)$", run.output, re.MULTILINE)
    return [shlex.split(command) for command in dict.fromkeys(told)]


def check_all_there(aws: Aws, *runs: LocustRun) -> None:
    """These runs and no others, all of them, nothing twice."""
    for metric, group in (("RequestCount", "requests"), ("FailureCount", "failures")):
        observed = sum(run.receipt[group]["observed"] for run in runs)
        assert aws.cloudwatch.sum(metric, Host=HOST) == observed
    for run in runs:
        check_log_events(aws.cloudwatch.events(f"load-generator/{run_id_of(run)}/"), run.stats)
    if len(runs) == 1:
        check_metrics(aws.cloudwatch, runs[0].stats, HOST)


# A crash

NOT_YET_ON_DISK = 1.0
"""Seconds that may be missing."""

WINDOW_CLOSES = 0.5
"""Seconds after a full second in which its samples are put together and written, on a machine that is busy."""

AT_ONCE = 100
"""Requests made between two lines in the file they are counted in."""

_random = random.Random(9)
MOMENTS = [round(_random.uniform(0.3, 6), 3) for _ in range(10 if LONG else 3)]


def metrics_sent_twice(calls: list[Call], answers: Answered, killed_at: float) -> float:
    """Requests counted again because the process died before it had seen that they were taken."""
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
def test_a_crash_costs_the_last_second_at_most(aws: Aws, locust: Locust, moment: float, live: tuple[str, ...]) -> None:
    """`kill -9` while the load runs, then `replay --all`: of metrics and of log events, none of which is damaged."""
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


def test_a_crash_while_sending_costs_nothing(aws: Aws, locust: Locust) -> None:
    """Killed when some was taken after the test: what was not is sent by `replay`, and nothing a second time."""
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
    aws.proxy.heal()
    assert replay(run.folder, "--all").exit_code == 0
    requests = fired(run)
    assert requests <= aws.cloudwatch.sum("RequestCount", Host=HOST) <= requests + AT_ONCE
    logged = identities([event for event in aws.cloudwatch.events() if event.is_request])
    assert logged.total() == len(logged) == aws.cloudwatch.sum("RequestCount", Host=HOST)


def test_a_crash_with_nothing_left_to_send_leaves_no_litter(aws: Aws, locust: Locust) -> None:
    """`replay --all` takes the folder away, too, that had nothing in it when its process was killed."""
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


def test_the_next_start_tells_of_what_is_left_and_leaves_it_alone(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    """And how to send it: of one run its name, of several `--all`."""
    where = f"--cw-spool-dir={tmp_path / 'spool'}"
    first = left_behind(aws, locust, where)
    left = files_in(tmp_path / "spool")
    second = locust.run(*PACED, *LIVE, where, "-t", "2s")
    second.receipt.check_delivered()
    assert told_commands(second)[0][:3] == ["locust-cw", "replay", run_id_of(first)]
    assert files_in(tmp_path / "spool") == left
    assert aws.cloudwatch.sum("RequestCount", Host=HOST) == second.stats.requests.total()

    third = left_behind(aws, locust, where)
    fourth = locust.run(*PACED, *LIVE, where, "-t", "2s")
    (every,) = told_commands(fourth)
    assert every[:3] == ["locust-cw", "replay", "--all"]
    with commanding(first.folder, *every[1:]) as command:
        assert command.exit_code == 0, command.output
    check_all_there(aws, first, second, third, fourth)


@pytest.mark.parametrize("where", [None, "a spool", "{folder}/it's"], ids=["default", "relative", "absolute"])
def test_the_command_that_is_told_sends_what_is_left(
    aws: Aws, locust: Locust, tmp_path: Path, where: str | None
) -> None:
    """Typed as it stands there, in any folder, wherever the spool is."""
    env = {} if where is None else {"LOCUST_CW_SPOOL_DIR": where.format(folder=tmp_path)}
    run = left_behind(aws, locust, env=env)
    (told,) = told_commands(run)
    assert len(told) == (3 if where is None else 5)
    with commanding(run.folder, *told[1:]) as command:
        assert command.exit_code == 0, command.output
    check_all_there(aws, run)


def test_what_was_meant_for_a_local_cloudwatch_keeps_nobody_waiting(locust: Locust, tmp_path: Path) -> None:
    """It ended with its test: `--all` passes it over and says so, and no start speaks of it."""
    where = f"--cw-spool-dir={tmp_path / 'spool'}"
    run = locust.start(*PACED, "--cw-local", "--cw-run-id=trial", where, options=[])
    wait_until(lambda: files_in(tmp_path / "spool"), "files in its spool")
    run.signal(signal.SIGKILL)
    run.process.wait()
    left = files_in(tmp_path / "spool")
    for arguments, exit_code in (["--all"], 0), (["trial"], 1):
        command = replay(run.folder, *arguments, f"--spool-dir={tmp_path / 'spool'}")
        assert command.exit_code == exit_code, command.output
        assert "published to a local CloudWatch that has ended" in command.output
    assert files_in(tmp_path / "spool") == left
    assert "Send them with" not in locust.run(*PACED, *LIVE, where, "-t", "1s").err


def test_a_start_beside_a_live_test_tells_of_nothing(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    where = f"--cw-spool-dir={tmp_path / 'spool'}"
    live = locust.start(*PACED, where)
    wait_until(lambda: files_in(tmp_path / "spool"), "files in its spool")
    beside = locust.run(*PACED, where, "-t", "1s")
    assert "Send them with" not in beside.err
    stop(live)
    live.finish()
    check_all_there(aws, live, beside)


# The command


def test_replay_lists_what_there_is(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    """Without a name it sends nothing."""
    spool = f"--spool-dir={tmp_path / 'spool'}"
    where = tmp_path / "state" / "locust-cw"
    assert replay(tmp_path).out == replay(tmp_path, "--all").out == f"There is nothing to send in {where}.\n"
    runs = [left_behind(aws, locust, f"--cw-spool-dir={tmp_path / 'spool'}") for _ in range(2)]
    calls = len(aws.proxy.calls())
    command = replay(tmp_path, spool)
    assert command.exit_code == 0
    for run in runs:
        assert run_id_of(run) in command.out
    assert len(aws.proxy.calls()) == calls


def test_a_run_that_is_not_there_is_an_error(aws: Aws, locust: Locust) -> None:
    run = left_behind(aws, locust)
    calls = len(aws.proxy.calls())
    command = replay(run.folder, "20200101T000000Z-0000")
    assert command.exit_code > 0
    assert command.err.startswith("locust-cw: error: there are no undelivered results of run 20200101T000000Z-0000 in ")
    assert len(aws.proxy.calls()) == calls
    assert files_in(spool_of(run))


def test_a_dry_run_of_replay_sends_nothing(aws: Aws, locust: Locust) -> None:
    """It says what it would send, and leaves it to be sent."""
    run = left_behind(aws, locust)
    calls, files = len(aws.proxy.calls()), files_in(spool_of(run))
    command = replay(run.folder, run_id_of(run), "--dry-run")
    assert command.exit_code == 0, command.output
    for group in ("requests", "failures", "log_events"):
        number = run.receipt[group]["observed"]
        assert re.search(rf"\b{number}\b", command.out.replace(",", "")), (group, command.out)
    assert run_id_of(run) in command.out
    assert re.search(r"(?i)dry run", command.out)
    assert len(aws.proxy.calls()) == calls
    assert files_in(spool_of(run)) == files
    assert replay(run.folder, "--all", "--dry-run").exit_code == 0
    assert len(aws.proxy.calls()) == calls
    assert replay(run.folder, "--all").exit_code == 0
    check_all_there(aws, run)


def test_replay_leaves_a_live_test_alone(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    """It says so and fails; what others left it sends, and the test itself delivers what is its own."""
    where, spool = f"--cw-spool-dir={tmp_path / 'spool'}", f"--spool-dir={tmp_path / 'spool'}"
    dead = left_behind(aws, locust, where)
    live = locust.start(*PACED, where, "--cw-run-id=ongoing")
    wait_until(lambda: any((tmp_path / "spool" / "ongoing").glob("*/*.jsonl")), "files in its spool")
    calls = len(aws.proxy.publishing())
    command = replay(tmp_path, "ongoing", spool)
    assert command.exit_code > 0
    assert command.err.startswith("locust-cw: error: not replayed: ")
    assert re.search(r"(?i)\b(lives?|alive|runs|running)\b", command.err), command.err
    assert len(aws.proxy.publishing()) == calls
    replay(tmp_path, "--all", spool)
    check_all_there(aws, dead)
    stop(live)
    live.finish()
    live.receipt.check_delivered()
    check_all_there(aws, dead, live)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["SIGINT", "SIGKILL"])
def test_replay_can_be_interrupted_and_run_again(aws: Aws, locust: Locust, number: signal.Signals) -> None:
    """What was sent by then is not sent again, what was not is."""
    run = left_behind(aws, locust)
    aws.proxy.on("PutLogEvents", hang)
    with commanding(run.folder, "replay", run_id_of(run)) as command:
        wait_until(lambda: any(call.accepted for call in aws.proxy.calls("PutMetricData")), "metrics are taken")
        wait_until(lambda: not list(spool_of(run).glob("*/*/*-metrics.jsonl")), "that is seen")
        wait_until(lambda: sum(call.answer is None for call in aws.proxy.calls("PutLogEvents")), "logs hang")
        command.signal(number)
        command.finish(timeout=30)
        assert command.process.returncode != 0
        assert "Traceback" not in command.output
        if number == signal.SIGINT:
            assert "again" in command.output
    assert files_in(spool_of(run))
    aws.proxy.heal()
    command = replay(run.folder, run_id_of(run))
    assert command.exit_code == 0, command.output
    check_all_there(aws, run)
    assert folders_in(spool_of(run)) == []


def test_replay_waits_out_an_outage(aws: Aws, locust: Locust) -> None:
    """AWS being away is said, and tried again."""
    run = left_behind(aws, locust)
    aws.proxy.on("*", GONE)
    with commanding(run.folder, "replay", run_id_of(run)) as command:
        command.wait_for("ServiceUnavailable")
        aws.proxy.heal()
        command.finish()
        assert command.exit_code == 0, command.output
    check_all_there(aws, run)


def test_replay_tells_what_only_the_user_can_mend(aws: Aws, locust: Locust) -> None:
    """Without credentials it ends by itself, with a message, and everything is still there."""
    run = left_behind(aws, locust)
    files = files_in(spool_of(run))
    calls = len(aws.proxy.calls())
    command = replay(run.folder, run_id_of(run), env=NO_KEYS)
    assert command.exit_code > 0
    assert re.search(r"(?i)credentials", command.output)
    assert "--profile" in command.output
    assert "--cw-" not in command.output, "these are the test's"
    assert files_in(spool_of(run)) == files
    assert len(aws.proxy.calls()) == calls
    left = replay(run.folder, "--all", env=NO_KEYS)
    assert left.out.endswith(f"Not everything was delivered; results are left of: {run_id_of(run)}\n")


def test_replay_goes_where_it_is_told(aws: Aws, locust: Locust, ministack: str) -> None:
    """Another endpoint, another region, the credentials of a profile."""
    run = left_behind(
        aws, locust, files={".aws/credentials": "[b]\naws_access_key_id = key-b\naws_secret_access_key = s\n"}
    )
    with Proxy(ministack) as other:
        calls = len(aws.proxy.calls())
        command = replay(
            run.folder, run_id_of(run), f"--endpoint-url={other.url}", "--region=eu-south-2", "--profile=b"
        )
        assert command.exit_code == 0, command.output
        assert len(aws.proxy.calls()) == calls
        sent = other.calls("PutMetricData", "PutLogEvents")
        assert sent
        for call in sent:
            assert re.search(r"Credential=key-b/\d+/eu-south-2/", call.headers["authorization"])


def test_what_is_too_old_is_skipped_with_a_count(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    """CloudWatch takes nothing over 14 days old: the rest is sent, and nothing is left to be tried again."""
    run = left_behind(aws, locust, requests=1500, files_each=3)
    spool = tmp_path / "copy"
    shutil.copytree(spool_of(run), spool)
    old = Counter[str]()

    def age(file: Path, share: float) -> None:
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        for line in lines[: round(len(lines) * share)]:
            if "message" in line:
                line["timestamp"] -= 15 * 24 * 3600 * 1000
                old["log events"] += 1
            else:
                line["Timestamp"] -= 15 * 24 * 3600
                host_only = len(line["Dimensions"]) == 1
                old["requests of names"] += 0 if host_only or line["MetricName"] != "RequestCount" else line["Value"]
                old["requests of host"] += line["Value"] if host_only and line["MetricName"] == "RequestCount" else 0
        rewrite(file, "".join(json.dumps(line) + "\n" for line in lines))

    for lane in ("metrics", "logs"):
        first, second, *_ = sorted(spool.glob(f"*/*/*-{lane}.jsonl"))
        age(first, 1)
        age(second, 0.5)
    command = replay(run.folder, run_id_of(run), f"--spool-dir={spool}")
    assert re.search(r"14 days", command.output), command.output
    for what in ("log events", "requests of names"):
        assert re.search(rf"\b{round(old[what])}\b", command.output.replace(",", "")), (what, command.output)
    receipt = run.receipt
    held = [aws.cloudwatch.sum("RequestCount", Host=HOST, Request=f"/{number}") for number in range(5)]
    assert sum(held) == receipt["requests"]["observed"] - old["requests of names"]
    assert aws.cloudwatch.sum("RequestCount", Host=HOST) == receipt["requests"]["observed"] - old["requests of host"]
    assert len(aws.cloudwatch.events()) == receipt["log_events"]["observed"] - old["log events"]
    calls = len(aws.proxy.calls())
    assert replay(run.folder, "--all", f"--spool-dir={spool}").exit_code == 0
    assert len(aws.proxy.calls()) == calls


def test_a_damaged_file_does_not_keep_the_others_back(aws: Aws, locust: Locust) -> None:
    """It is put aside and told of; strange files are let be."""
    run = left_behind(aws, locust, requests=1500, files_each=3)
    damaged = [sorted(spool_of(run).glob(f"*/*/*-{lane}.jsonl"))[1] for lane in ("metrics", "logs")]
    lost = Counter[str]()
    for file in damaged:
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        lost["log events"] += sum("message" in line for line in lines)
        lost["requests"] += sum(
            line["Value"] for line in lines if line.get("MetricName") == "RequestCount" and len(line["Dimensions"]) == 1
        )
        file.write_bytes(file.read_bytes()[:-20])
    stranger = damaged[0].parent / "notes.txt"
    stranger.write_text("mine")
    (damaged[0].parent / "000009999-logs.jsonl.part").write_text('{"timestamp": 1')
    command = replay(run.folder, run_id_of(run))
    assert re.search(r"(?i)cannot be read|damaged", command.output), command.output
    assert aws.cloudwatch.sum("RequestCount", Host=HOST) == run.receipt["requests"]["observed"] - lost["requests"]
    assert len(aws.cloudwatch.events()) == run.receipt["log_events"]["observed"] - lost["log events"]
    rejected = {file.name for file in spool_of(run).glob("*/*/rejected/*")}
    assert rejected == {file.name for file in damaged}
    assert stranger.read_text() == "mine"


def test_a_throttled_stream_does_not_keep_another_back(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    """Of two runs in the spool the first cannot get rid of its log events; the second is delivered all the same."""
    where = f"--cw-spool-dir={tmp_path / 'spool'}"
    first, second = (left_behind(aws, locust, where, f"--cw-run-id={name}") for name in ("first", "second"))

    def throttle_first(exchange: Exchange) -> Answer | None:
        if "/first/" in exchange.call.params["logStreamName"]:
            return error("ThrottlingException", 400, "Rate exceeded")(exchange)
        return exchange.forward(exchange.call)

    aws.proxy.on("PutLogEvents", throttle_first)
    with commanding(tmp_path, "replay", "--all", f"--spool-dir={tmp_path / 'spool'}"):
        events = second.receipt["log_events"]["observed"]
        wait_until(
            lambda: len(aws.cloudwatch.events("load-generator/second/")) == events, "the second's log is delivered"
        )
        requests = first.receipt["requests"]["observed"] + second.receipt["requests"]["observed"]
        wait_until(
            lambda: aws.cloudwatch.sum("RequestCount", Host=HOST) == requests, "the metrics of both are delivered"
        )
