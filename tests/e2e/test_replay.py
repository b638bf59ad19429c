"""`locust-cw replay`: a message names the data that a test left in the spool, and the command sends it.

With LOCUST_CW_LONG_TESTS=1, there are more crashes.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections import Counter
from pathlib import Path

import pytest

from support.commands import commanding, replay
from support.fixtures import Aws, Locust
from support.locust_run import NO_KEYS
from support.paced import HOST, PACED, stop
from support.proxy import Answer, Exchange, Proxy, error, hang
from support.replays import GONE, check_all_there, left_behind, run_id_of
from support.servers import wait_until
from support.spools import files_in, folders_in, rewrite, spool_of

# The command


def test_replay_lists_pending_data(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    """Without a run ID, it sends nothing."""
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


def test_an_unknown_run_is_an_error(aws: Aws, locust: Locust) -> None:
    run = left_behind(aws, locust)
    calls = len(aws.proxy.calls())
    command = replay(run.folder, "20200101T000000Z-0000")
    assert command.exit_code > 0
    assert command.err.startswith("locust-cw: error: there are no undelivered results of run 20200101T000000Z-0000 in ")
    assert len(aws.proxy.calls()) == calls
    assert files_in(spool_of(run))


def test_a_dry_run_of_replay_sends_nothing(aws: Aws, locust: Locust) -> None:
    """It prints what it would send, and keeps the data."""
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


def test_replay_does_not_touch_the_spool_of_a_running_test(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    """It says so and fails. It sends the data of other runs, and the test delivers its own."""
    where, spool = f"--cw-spool-dir={tmp_path / 'spool'}", f"--spool-dir={tmp_path / 'spool'}"
    dead = left_behind(aws, locust, where)
    live = locust.start(*PACED, where, "--cw-run-id=ongoing")
    wait_until(lambda: any((tmp_path / "spool" / "ongoing").glob("*/*.jsonl")), "files in its spool")
    calls = len(aws.proxy.publishing())
    command = replay(tmp_path, "ongoing", spool)
    assert command.exit_code > 0
    # The account may not be recorded yet, which a line before it says.
    assert "locust-cw: error: not replayed: " in command.err, command.err
    assert re.search(r"(?i)\b(lives?|alive|runs|running)\b", command.err), command.err
    assert len(aws.proxy.publishing()) == calls
    replay(tmp_path, "--all", spool)
    check_all_there(aws, dead)
    stop(live)
    live.wait()
    live.receipt.check_delivered()
    check_all_there(aws, dead, live)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["SIGINT", "SIGKILL"])
def test_replay_can_be_interrupted_and_run_again(aws: Aws, locust: Locust, number: signal.Signals) -> None:
    """The second replay sends only what the first one did not deliver."""
    run = left_behind(aws, locust)
    aws.proxy.on("PutLogEvents", hang)
    with commanding(run.folder, "replay", run_id_of(run)) as command:
        wait_until(lambda: any(call.accepted for call in aws.proxy.calls("PutMetricData")), "metrics are taken")
        wait_until(lambda: not list(spool_of(run).glob("*/*/*-metrics.jsonl")), "that is seen")
        wait_until(lambda: sum(call.answer is None for call in aws.proxy.calls("PutLogEvents")), "logs hang")
        command.signal(number)
        command.wait(timeout=30)
        assert command.process.returncode != 0
        assert "Traceback" not in command.output
        if number == signal.SIGINT:
            assert "again" in command.output
    assert files_in(spool_of(run))
    # The interrupted program's last call must not reach CloudWatch.
    aws.proxy.wait_for_hanging()
    aws.proxy.stop_faults()
    command = replay(run.folder, run_id_of(run))
    assert command.exit_code == 0, command.output
    check_all_there(aws, run)
    assert folders_in(spool_of(run)) == []


def test_replay_retries_during_an_outage(aws: Aws, locust: Locust) -> None:
    """It prints a message, and retries."""
    run = left_behind(aws, locust)
    aws.proxy.on("*", GONE)
    with commanding(run.folder, "replay", run_id_of(run)) as command:
        command.wait_for("ServiceUnavailable")
        aws.proxy.stop_faults()
        command.wait()
        assert command.exit_code == 0, command.output
    check_all_there(aws, run)


def test_replay_ends_at_a_cause_that_only_the_user_can_resolve(aws: Aws, locust: Locust) -> None:
    """Without credentials, it ends with a message, and keeps all data."""
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


def test_replay_uses_the_given_endpoint_region_and_profile(aws: Aws, locust: Locust, ministack: str) -> None:
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


def test_data_that_is_too_old_is_rejected_and_counted(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    """CloudWatch accepts no data that is more than 14 days old. The rest is sent, and nothing remains in the spool."""
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


def test_a_damaged_file_does_not_delay_the_others(aws: Aws, locust: Locust) -> None:
    """It is moved to the folder `rejected`, and a message names it. Unknown files stay."""
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


def test_a_throttled_stream_does_not_delay_another(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    """The log events of the first of two runs are throttled. The second run is delivered."""
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
