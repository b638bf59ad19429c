"""The command `locust-cw`: what all of its subcommands have in common, and the estimate of `cost`."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from locust_cw import _core
from support.commands import commanding, run
from support.fixtures import Aws, Locust
from support.locust_run import clean_environment, run_python
from support.paced import PACED
from support.proxy import hang
from support.servers import wait_until

COMMANDS = ("doctor", "policy", "template", "verify", "cost", "replay", "dashboard", "report")
COST = ("cost", "--requests-per-second=100")


@pytest.fixture
def without_locust(tmp_path: Path) -> dict[str, str | None]:
    """An environment in which neither Locust nor gevent can be imported."""
    for name in ("locust", "gevent"):
        (tmp_path / "broken" / name).mkdir(parents=True)
        (tmp_path / "broken" / name / "__init__.py").write_text(f"raise ImportError('no {name} here')\n")
    return {"PYTHONPATH": str(tmp_path / "broken")}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_has_examples_and_exit_codes(tmp_path: Path, command: str) -> None:
    text = run(tmp_path, command, "--help")
    assert f"locust-cw {command}" in text.split("example", 1)[1]
    assert "exit code: 0" in text
    assert max(map(len, text.splitlines())) <= 120


def test_the_help_lists_the_commands(tmp_path: Path, without_locust: dict[str, str | None]) -> None:
    text = run(tmp_path, "--help", env=without_locust)
    assert [command for command in COMMANDS if command not in text] == []


@pytest.mark.parametrize(
    ("args", "code"),
    [(COST, 0), (("policy",), 0), (("template",), 0), (("verify",), 1), (("doctor", "--json"), 1)],
)
def test_no_command_needs_locust(
    tmp_path: Path, without_locust: dict[str, str | None], args: tuple[str, ...], code: int
) -> None:
    env = without_locust | {"AWS_REGION": None}
    assert run_python(tmp_path, "-c", "import locust", env=env).returncode
    out = run(tmp_path, *args, code=code, env=env)
    if args[0] == "doctor":
        checks = {each["name"]: each for each in json.loads(out)["checks"]}
        assert checks["locust"]["state"] == "failed"
        assert "no gevent here" in checks["locust"]["text"] or "no locust here" in checks["locust"]["text"]
        assert "pip install" in checks["locust"]["remedy"]


@pytest.mark.parametrize("command", [("doctor",), ("verify",), ("report",), ("dashboard", "put")], ids=" ".join)
def test_ctrl_c_ends_a_command_at_once(aws: Aws, locust: Locust, command: tuple[str, ...]) -> None:
    """During a call without a response, with the exit code that shells expect."""
    folder = locust.run(*PACED, "-u1", "-t3").folder
    before = len(aws.proxy.calls())
    aws.proxy.on("*", hang)
    with commanding(folder, *command, env={"AWS_ENDPOINT_URL": aws.proxy.url}) as hanging:
        wait_until(lambda: len(aws.proxy.calls()) > before, "it has asked")
        hanging.signal(signal.SIGINT)
        hanging.wait(timeout=9)  # by itself it ends after 10
    assert (hanging.process.returncode, "Traceback" in hanging.output) == (130, False), hanging.output


def run_into(
    output: int, folder: Path, *args: str, env: dict[str, str | None], closed: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a command whose output goes to a file that cannot be written."""
    program = str(Path(sys.executable).with_name("locust-cw"))
    command = [program, *args] if not closed else ["/bin/sh", "-c", 'exec "$0" "$@" >&-', program, *args]
    return subprocess.run(
        command,
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
        env=clean_environment(folder, **env),
    )


@pytest.mark.parametrize(
    ("args", "unbuffered"),
    [
        *(
            pytest.param(args, "", id=f"{args[0]}, written at the end")
            for args in (("policy",), ("doctor",), ("replay",), COST)
        ),
        *(pytest.param(args, "1", id=f"{args[0]}, written at once") for args in (("policy",), ("doctor",))),
    ],
)
def test_output_that_cannot_be_written(tmp_path: Path, args: tuple[str, ...], unbuffered: str) -> None:
    """A closed pipe ends the command like other programs. A full disk and a missing output are errors."""
    env: dict[str, str | None] = {"AWS_REGION": None, "PYTHONUNBUFFERED": unbuffered}
    reading, writing = os.pipe()
    os.close(reading)
    done = run_into(writing, tmp_path, *args, env=env)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
    done = run_into(subprocess.DEVNULL, tmp_path, *args, env=env, closed=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith("locust-cw: error: standard output is closed")
    if Path("/dev/full").exists():
        with Path("/dev/full").open("w") as full:
            done = run_into(full.fileno(), tmp_path, *args, env=env)
        assert done.returncode == 1
        assert done.stderr == f"locust-cw: error: the output could not be written: {os.strerror(errno.ENOSPC)}\n"


def test_a_report_without_data_in_cloudwatch_shows_no_secret(aws: Aws, locust: Locust) -> None:
    """It has the run's own numbers, and a note with the endpoint without its password."""
    run_of_test = locust.run(*PACED, "--cw-live", "-u1", "-t2")
    (file,) = run_of_test.folder.rglob(f"{run_of_test.receipt['run_id']}.json")
    record = json.loads(file.read_text())
    address = aws.proxy.url.removeprefix("http://")
    role = "arn:aws:iam::123456789012:role/LoadTest"
    record["options"] |= {"namespace": "Elsewhere", "role_arn": role, "external_id": "s3cr3t"}
    # The account of the credentials is not that of the role.
    record["destination"] |= {"account_id": None, "cloudwatch_url": f"http://user:pw123@{address}"}
    file.write_text(json.dumps(record))
    with commanding(run_of_test.folder, "report") as command:
        assert command.exit_code == 0, command.output
    assert f"queried namespace Elsewhere at role arn {role.replace('123456789012', '...')}, " in command.out
    assert f"endpoint url http://{address}." in command.out
    assert not re.search("s3cr3t|pw123|user|local", command.output), command.output
    (page,) = run_of_test.folder.rglob("report.html")
    assert not re.search("s3cr3t|pw123", page.read_text())


# Cost

FACTOR = 1.5
"""By how much the estimate before a run and the receipt after it may differ."""


@pytest.mark.parametrize(
    ("live", "how", "planned"),
    [
        (("--cw-live", "--cw-flush-interval=1"), (), ("--flush-interval=1",)),
        ((), (), ("--at-end",)),
        (("--cw-live", "--cw-resolution=60", "--cw-logs=failures"), (), ("--resolution=60", "--logs=failures")),
        (("--cw-live",), ("--processes=2",), ("--workers=2",)),
    ],
    ids=["live", "at the end", "minutes", "workers"],
)
def test_the_estimate_is_close_to_the_receipt(
    aws: Aws, locust: Locust, live: tuple[str, ...], how: tuple[str, ...], planned: tuple[str, ...]
) -> None:
    if (left := 3600 - time.time() % 3600) < 45:
        time.sleep(left)  # metrics are paid for by the clock's hour
    seconds, users = 6, 2
    done = locust.run(*PACED, *live, *how, f"-u{users}", "-r100", f"-t{seconds}")
    receipt = done.receipt.check_delivered()
    observed, failed = (receipt[group]["observed"] for group in ("requests", "failures"))
    output = json.loads(
        run(
            done.folder,
            "cost",
            f"--requests-per-second={observed / seconds}",
            f"--minutes={seconds / 60}",
            "--names=5",
            f"--failure-share={failed / observed}",
            *planned,
            "--json",
        )
    )
    assert output["prices_as_of"] == _core.PRICES_AS_OF
    estimate = output["usd"]["run"]["total"]
    assert receipt["estimated_cost_usd"] / FACTOR < estimate < receipt["estimated_cost_usd"] * FACTOR, (output, receipt)
    calls = sum(call.accepted for call in aws.proxy.calls("PutMetricData"))
    # Slow calls are fewer, because data that arrives in the meantime shares one call.
    estimated = output["per_run"]["calls"]
    assert abs(estimated - calls) <= max(3, 0.5 * max(calls, estimated)), (output, calls)
    log_bytes = sum(
        len(event["message"].encode()) + 26
        for call in aws.proxy.calls("PutLogEvents")
        for event in call.params["logEvents"]
    )
    assert log_bytes / FACTOR < output["per_run"]["log_bytes"] < log_bytes * FACTOR
