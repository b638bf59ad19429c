"""A forked program has the same environment as one in a new interpreter, and its end is noticed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.fork_server import AVAILABLE, ForkedProcess
from support.locust_run import LocustRun, clean_environment, launch_command, launch_locust
from support.paths import TESTS
from support.servers import ending, wait_until

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="programs start in new interpreters here")

PROBE = """
import atexit, json, os, signal, sys, threading, warnings
import gevent
import locust

def registered():
    return [len(hook._handlers) for hook in vars(locust.events).values()], len(sys.meta_path)

before = registered(), "locust_cw" in sys.modules
import locust_cw
from locust import User, events

at_exit = atexit._ncallbacks()
handlers = registered()

@events.init.add_listener
def look(environment, **_):
    hub = gevent.get_hub()
    seen = {
        "argv": sys.argv,
        "at_exit": at_exit,
        "cwd": os.getcwd(),
        "env": dict(os.environ),
        "files": sorted(os.readlink(f"/proc/self/fd/{number}") for number in range(3)),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "hub": [hub.loop.default, hub.loop.activecnt],
        "main": [__import__("__main__").__name__, __import__("__main__").__spec__.name],
        "registered_before": before,
        "registered": handlers,
        "path": sys.path,
        "signals": [str(signal.getsignal(number)).split(" at ")[0] for number in (2, 13, 15, 17)],
        "threads": [thread.name for thread in threading.enumerate()],
        "warnings": len(warnings.filters),
    }
    print(json.dumps(seen), flush=True)
    os._exit(0)

class Idle(User):
    pass
"""


def start(stack: ExitStack, folder: Path, code: str, *, new: bool = False, **env: str | None) -> LocustRun:
    folder.mkdir()
    (folder / "locustfile.py").write_text(code)
    args = ("--headless", "--only-summary", "-t1", "--cw-disable")
    run = launch_locust(folder, *args, env=clean_environment(folder, **env), new_interpreter=new)
    stack.enter_context(ending(run.process))
    assert isinstance(run.process, subprocess.Popen if new else ForkedProcess)
    return run


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What a program finds in a fork and in a new interpreter. Their folders have the same name."""
    with ExitStack() as stack:
        runs = [start(stack, tmp_path_factory.mktemp("seen") / "it", PROBE, new=new, MARK="1") for new in (False, True)]
        for run in runs:
            assert run.exit_code == 0, run.output
        texts = [run.wait_for(r"(?m)^\{.*").group().replace(str(run.folder), "FOLDER") for run in runs]
    found = [json.loads(text) for text in texts]
    for each in found:
        for name in ("LOCUST_MASTER_BIND_PORT", "LOCUST_MASTER_NODE_PORT"):
            del each["env"][name]
    return found


@pytest.mark.parametrize(
    "what",
    [
        *("argv", "at_exit", "cwd", "descriptors", "env", "files", "hub", "main", "path", "registered"),
        *("registered_before", "signals", "threads", "warnings"),
    ],
)
def test_a_fork_finds_what_a_new_interpreter_finds(seen: list[dict[str, Any]], what: str) -> None:
    forked, new = seen
    assert forked[what] == new[what]


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("import sys; sys.exit(7)", 7),
        ("import os; os._exit(8)", 8),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("import atexit, os; atexit.register(os._exit, 9); import sys; sys.exit(7)", 9),
        ("raise RuntimeError('broken')", 1),
    ],
)
def test_the_exit_code_is_that_of_the_program(tmp_path: Path, code: str, exit_code: int) -> None:
    with ExitStack() as stack:
        assert start(stack, tmp_path / "it", code).exit_code == exit_code


def test_a_program_that_runs_can_be_waited_for_and_killed(tmp_path: Path) -> None:
    with ExitStack() as stack:
        waiting = start(stack, tmp_path / "waiting", "print('begun', flush=True); import time; time.sleep(60)")
        waiting.wait_for("begun")
        # Another one may come and go meanwhile.
        assert start(stack, tmp_path / "other", "import sys; sys.exit(3)").exit_code == 3
        assert waiting.process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.process.wait(0.1)
        waiting.process.terminate()
        assert waiting.process.wait(30) == -signal.SIGTERM
        assert not psutil.pid_exists(waiting.process.pid)
        waiting.process.kill()  # of one that has ended, and perhaps another one has its number


def test_concurrent_programs_share_nothing(tmp_path: Path) -> None:
    """A pipe or file that one has open is not open in the next."""
    files = "import os; print(sorted(os.readlink(f'/proc/self/fd/{n}') for n in range(3)), flush=True)"
    count = "import os; print(len(os.listdir('/proc/self/fd')), flush=True)"
    with ExitStack() as stack:
        runs = [start(stack, tmp_path / name, f"{files}; {count}; import time; time.sleep(60)") for name in "abc"]
        numbers = [run.wait_for(r"(?m)^\d+$").group() for run in runs]
        assert len(set(numbers)) == 1
        for run in runs:
            assert str(run.folder) in run.wait_for(r"\[.*\]").group()


def test_programs_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    """Other processes that use the same server keep theirs."""
    code = """
    import os, sys
    from pathlib import Path
    from support.locust_run import clean_environment, launch_locust
    folder = Path(sys.argv[1])
    run = launch_locust(folder, "--headless", "-t1", "--cw-disable", env=clean_environment(folder))
    print(run.process.pid, run.wait_for("begun with .*")[0], flush=True)
    os._exit(0)
    """
    waiting = "import os, time; print('begun with', len(os.listdir('/proc/self/fd')), flush=True); time.sleep(60)"
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "locustfile.py").write_text(waiting)
    with ExitStack() as stack:
        ours = start(stack, tmp_path / "ours", waiting)
        begun = ours.wait_for("begun with .*")[0]
        client = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), tmp_path / "theirs"],
            # Without xdist, too, it uses the server of this process.
            env={"PYTEST_XDIST_TESTRUNUID": f"process-{os.getpid()}", **os.environ, "PYTHONPATH": str(TESTS)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        theirs, _, same = client.stdout.strip().partition(" ")
        assert same == begun
        wait_until(lambda: not psutil.pid_exists(int(theirs)), "the program is killed")
        assert ours.process.poll() is None


def test_a_program_with_other_interpreter_settings_gets_its_own_interpreter(tmp_path: Path) -> None:
    env = clean_environment(tmp_path, PYTHONUNBUFFERED=None)
    for launch in launch_locust, launch_command:
        run = launch(tmp_path, "--version", env=env)
        with ending(run.process):
            assert isinstance(run.process, subprocess.Popen)
            assert run.exit_code == 0


def test_a_command_is_the_same_forked(tmp_path: Path) -> None:
    outputs = []
    for new in (False, True):
        run = launch_command(tmp_path, "cost", "--help", env=clean_environment(tmp_path), new_interpreter=new)
        with ending(run.process):
            assert run.exit_code == 0
        outputs.append(run.output)
    assert outputs[0] == outputs[1] != ""
