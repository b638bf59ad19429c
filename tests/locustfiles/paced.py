"""Each user fires RATE events a second by the clock, with NAMES names in turn, every 50th a failure.

After each burst a line goes to a file `counts-...` in the current folder: the time and how many were fired so far. What
these files say is true even of a process that was killed. With LAST_CTRL_C there is one when the interpreter ends.
"""

import os
import resource
import signal
import sys
import time
from functools import partial
from pathlib import Path

import gevent
from locust import User, task

import locust_cw
import patient  # noqa: F401 - a master is

RATE = float(os.environ.get("RATE", "500"))
NAMES = int(os.environ.get("NAMES", "5"))

if limit := os.environ.get("FILE_LIMIT"):
    # As good as a full disk: no file grows beyond so many bytes.
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))


class LastWords:
    press_ctrl_c = partial(os.kill, os.getpid(), signal.SIGINT)

    def __del__(self) -> None:
        self.press_ctrl_c()


if os.environ.get("LAST_CTRL_C"):
    # What hangs on this module goes when the interpreter has taken its signal handlers off.
    sys.last_words = LastWords()  # type: ignore[attr-defined]


class Paced(User):
    @task
    def fire(self) -> None:
        fired, begun = 0, time.time()
        path = Path(f"counts-{os.getpid()}-{id(self)}")
        counts = path.open("wb", buffering=0)
        while True:
            # One at its first turn: in a short test on a busy machine there may be no other.
            due = 1 + int((time.time() - begun) * RATE)
            # Others have a turn however late it is.
            for number in range(fired, min(due, fired + 100)):
                self.environment.events.request.fire(
                    request_type="GET",
                    name=f"/{number % NAMES}",
                    response_time=1 + number * 7919 % 99991 / 100,
                    response_length=number % 1000,
                    exception=RuntimeError("as every 50th") if number % 50 == 49 else None,
                )
                fired = number + 1
            if not limit:
                counts.write(f"{time.time()} {fired}\n".encode())
            gevent.sleep(0.01)


__all__ = ["Paced", "locust_cw"]
