"""A load that is known at each moment, and its end at such a moment: runs of `paced.py`."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from support.locust_run import LocustRun
from support.servers import wait_until

LONG = os.environ.get("LOCUST_CW_LONG_TESTS") == "1"
"""Whether to take the full lengths and numbers, for which few have the time."""

HOST = "http://paced.test"

PACED = ("paced.py", "--host", HOST, "--exit-code-on-error=0")
"""A load that is known to the hundredth of a second."""

LIVE = ("--cw-live", "--cw-flush-interval=1")


def fired(run: LocustRun, until: float = float("inf")) -> int:
    """How many events a run of `paced.py` has fired, now or at a moment in the past."""
    return sum(_last_count(path, until) for path in run.folder.glob("counts-*"))


def _last_count(path: Path, until: float) -> int:
    if until == float("inf"):
        # Asked again and again while a test waits.
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 1000))
            last = file.read().rpartition(b"\n")[0].rpartition(b"\n")[2]
        return int(last.split()[1]) if last else 0
    return max((number for at, number in _counts(path) if at <= until), default=0)


def _counts(path: Path) -> Iterator[tuple[float, int]]:
    """When, and how many events were fired by then."""
    for line in path.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            at, number = line.split()
            yield float(at), int(number)


def wait_for_more(run: LocustRun, requests: int) -> None:
    """Return when so many more events have been fired."""
    enough = fired(run) + requests
    wait_until(lambda: fired(run) >= enough, f"{requests} more requests are made", timeout=60)


def stop(run: LocustRun) -> None:
    """Have Locust end the test.

    Not by Ctrl-C: it raises an exception in the line that Python executes. At a high load, this can be between the
    line in which Locust counts a request and the line in which it notifies the other listeners.
    """
    run.signal(signal.SIGTERM)


def stop_when(processes: Iterable[int], condition: Callable[[], bool], what: str) -> None:
    """Wait until `condition` holds, and hold the processes as with Ctrl-Z in such a moment."""
    processes = list(processes)

    def stopped() -> bool:
        # Checked before, too, so that the processes are not stopped repeatedly without need.
        if not condition():
            return False
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        if condition():
            return True
        for process in processes:
            os.kill(process, signal.SIGCONT)
        return False

    wait_until(stopped, what)


LOOKS_BACK_S = 2.5
"""Over all that may not be on disk yet."""

LONGEST_PAUSE_S = 0.25
"""A turn comes every hundredth of a second."""


def kill_in_step(run: LocustRun, *processes: int) -> float:
    """Kill processes of a run of `paced.py`, and return when: at the end of a time in which its users had their turns.

    One that a busy machine gave no turn for a while has less on disk than its last requests would have one think.
    """
    killed_at = 0.0

    def in_step() -> bool:
        nonlocal killed_at
        killed_at = time.time()
        for path in run.folder.glob("counts-*"):
            turns = [at for at, _ in _counts(path)]
            ends = zip(turns, [*turns[1:], killed_at], strict=True)
            if any(end - begin >= LONGEST_PAUSE_S for begin, end in ends if end > killed_at - LOOKS_BACK_S):
                return False
        return True

    processes = processes or (run.process.pid,)
    stop_when(processes, in_step, "the users have their turns")
    for process in processes:
        os.kill(process, signal.SIGKILL)
    return killed_at
