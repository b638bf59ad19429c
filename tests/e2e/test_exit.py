"""A publishing process exits without a crash or a hang, with its own exit code, and without losing data."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from support.commands import replay
from support.fixtures import Aws, Locust
from support.locust_run import clean_environment, launch, run_python
from support.proxy import hang
from support.servers import ending, wait_until

HOST = "http://service.example"

BUSY = """
import asyncio, atexit, faulthandler, json, os, signal, sys, threading, time
from locust_cw import Publisher

faulthandler.dump_traceback_later(90, exit=True)
options = json.loads(sys.argv[1])
taken = [0, 0, 0, 0]

def tell():
    # After the publisher was closed: a thread that finds it closed has ended.
    for thread in threads:
        thread.join(10)
    receipt = json.loads(publisher.close().json)
    print(json.dumps([sum(taken), receipt["requests"], [thread.is_alive() for thread in threads]]), flush=True)

def record(number):
    while True:
        try:
            publisher.record("GET", "/", 1.0)
        except ValueError:
            return
        taken[number] += 1

def flush():
    while True:
        try:
            publisher.flush()
        except ValueError:
            return

async def await_flush():
    while True:
        try:
            await publisher.flush_async()
        except (ValueError, RuntimeError):
            return

atexit.register(tell)
publisher = Publisher(logs="failures", **options)
threads = [threading.Thread(target=record, args=(number,), daemon=True) for number in range(len(taken))]
others = [threading.Thread(target=flush, daemon=True)]
others += [threading.Thread(target=lambda: asyncio.run(await_flush()), daemon=True) for _ in range(8)]
[thread.start() for thread in threads + others]
while not all(taken):
    time.sleep(0.01)
"""

WAYS = {
    "the end of the program": ("", 0),
    "sys.exit": ("sys.exit(5)", 5),
    "an exception": ("1 / 0", 1),
    "Ctrl-C": ("os.kill(os.getpid(), signal.SIGINT); time.sleep(10)", -signal.SIGINT),
    "SIGTERM": (
        """
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
        """,
        143,
    ),
}


def options(aws: Aws) -> dict[str, object]:
    return {"host": HOST, **aws.in_python}


def run(folder: Path, code: str, **how: object) -> subprocess.CompletedProcess[str]:
    """Run a program."""
    return run_python(folder, "-c", code, json.dumps(how))


@pytest.mark.parametrize("away", [False, True], ids=["AWS answers", "AWS hangs"])
@pytest.mark.parametrize(("way", "code"), WAYS.values(), ids=WAYS)
def test_threads_may_be_busy_when_a_program_ends(aws: Aws, tmp_path: Path, *, way: str, code: int, away: bool) -> None:
    """Threads record at full speed and wait for a flush, with and without an event loop.

    Every recorded request is counted.
    """
    if away:
        aws.proxy.on("*", hang)
    done = run(tmp_path, BUSY + textwrap.dedent(way), drain_timeout=0.5 if away else 30, **options(aws))
    assert done.returncode == code, done.stderr
    taken, requests, alive = json.loads(done.stdout)
    assert alive == [False] * 4
    assert requests["observed"] == taken > 0
    assert requests["delivered"] + requests["spooled"] + requests["dropped"] == taken
    assert (requests["spooled"] > 0) == away
    aws.proxy.stop_faults()
    assert replay(tmp_path, "--all").exit_code == 0
    assert aws.cloudwatch.sum("RequestCount", Host=HOST) == taken - requests["dropped"]


def test_a_program_that_ends_at_once_leaves_what_it_flushed_in_the_spool(aws: Aws, tmp_path: Path) -> None:
    """`os._exit`, as after a crash, with threads that record, while AWS is unreachable."""
    aws.proxy.on("*", hang)
    done = run(
        tmp_path,
        BUSY
        + textwrap.dedent(
            """
            from pathlib import Path
            def is_in_the_spool(name):
                spool = Path(os.environ["XDG_STATE_HOME"])
                return any(name in path.read_text() for path in spool.rglob("*-metrics.jsonl"))
            for _ in range(1000):
                publisher.record("GET", "/flushed", 1.0)
            publisher.record("GET", "/last", 1.0)  # the others may be in the window before
            while not is_in_the_spool("/last"):
                time.sleep(0.01)
            os._exit(9)
            """
        ),
        **options(aws),
    )
    assert (done.returncode, done.stdout) == (9, "")
    aws.proxy.stop_faults()
    assert replay(tmp_path, "--all").exit_code == 0
    assert aws.cloudwatch.sum("RequestCount", Host=HOST, Request="/flushed") == 1000


def test_processes_that_a_busy_program_forks_exit_normally(aws: Aws, tmp_path: Path) -> None:
    """With their own exit codes, and without a message of the parent's publisher, which continues."""
    fork = """
    import warnings
    warnings.simplefilter("ignore", DeprecationWarning)  # that a program with threads forks
    faulthandler.cancel_dump_traceback_later()  # the child would wait for its thread
    atexit.unregister(tell)
    ends = (lambda: sys.exit(6), lambda: os._exit(6), lambda: os.kill(os.getpid(), signal.SIGTERM))
    codes = []
    for number in range(12):
        child = os.fork()
        if not child:
            ends[number % 3]()
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    print(json.dumps(codes))
    atexit.register(tell)
    publisher.close()
    """
    done = run(tmp_path, BUSY + textwrap.dedent(fork), **options(aws))
    # A program that does nothing else may record more than a slow machine takes in.
    said = [line for line in done.stderr.splitlines() if not line.startswith("The queue is full")]
    assert (done.returncode, said) == (0, [])
    codes, (taken, requests, _) = map(json.loads, done.stdout.splitlines())
    assert codes == [6, 6, -signal.SIGTERM] * 4
    assert requests["delivered"] + requests["dropped"] == requests["observed"] == taken
    assert aws.cloudwatch.sum("RequestCount", Host=HOST) == requests["delivered"]


def test_a_second_signal_ends_the_waiting_at_exit(aws: Aws, tmp_path: Path) -> None:
    """AWS does not respond, and the user stops the program twice. Recorded requests are in the spool."""
    aws.proxy.on("*", hang)
    code = """
    def tell_of_the_end():
        threads[0].join()
        print("closed", flush=True)
    threading.Thread(target=tell_of_the_end, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    atexit.unregister(tell)
    sys.exit(143)
    """
    how = json.dumps(options(aws) | {"drain_timeout": 35})
    program = launch(tmp_path, sys.executable, "-c", BUSY + textwrap.dedent(code), how, env=clean_environment(tmp_path))
    with ending(program.process):
        program.wait_for("closed")
        wait_until(lambda: aws.proxy.calls("PutMetricData"), "a call that hangs")
        program.signal(signal.SIGTERM)
        assert program.wait(20).exit_code == 143, program.err
    aws.proxy.stop_faults()
    assert replay(tmp_path, "--all").exit_code == 0
    assert aws.cloudwatch.sum("RequestCount", Host=HOST) > 0


# Locust

WALK = ["-u", "5", "-r", "100", "-t", "2s", "--host", "http://walked.test"]


@pytest.mark.parametrize("event", ["a task", "test_stop", "quitting", "quit"])
def test_a_listener_may_end_locust(aws: Aws, locust: Locust, event: str) -> None:
    """The exit code of the listener stays, and everything is delivered."""
    run = locust.run("leaving.py", *WALK, env={"LEAVE": f"sys.exit in {event}"})
    assert run.exit_code == 7
    receipt = run.receipt.check_delivered()
    assert aws.cloudwatch.sum("RequestCount", Host="http://walked.test") == receipt["requests"]["observed"] > 0


@pytest.mark.parametrize("event", ["test_start", "a task", "test_stop", "quit"])
def test_a_process_that_locust_forks_exits_normally(aws: Aws, locust: Locust, event: str) -> None:
    """With its own exit code and without a message. Locust continues."""
    run = locust.run("leaving.py", *WALK, env={"LEAVE": f"fork in {event}"}, new_interpreter=True)
    assert run.exit_code == 0
    assert "the child ended with 7" in run.out
    assert run.err.count("CloudWatch receipt") == 1
    receipt = run.receipt.check_delivered()
    assert aws.cloudwatch.sum("RequestCount", Host="http://walked.test") == receipt["requests"]["observed"] > 0


CTRL_C_IN_A_GREENLET = """
import os, signal
import gevent
from locust_cw._plugin.greenlets import spawn

def interrupted():
    os.kill(os.getpid(), signal.SIGINT)
    gevent.sleep(60)

interrupted = spawn(interrupted)
try:
    gevent.sleep(60)
except KeyboardInterrupt:
    interrupted.join()
    print("the main greenlet")
"""


def test_ctrl_c_reaches_the_main_greenlet_during_any_greenlet(tmp_path: Path) -> None:
    """The traceback shows no code of locust-cw."""
    done = run_python(tmp_path, "-c", CTRL_C_IN_A_GREENLET, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "the main greenlet\n", "")
