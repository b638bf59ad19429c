"""Each user fires RATE events a second by the clock, with NAMES names in turn, every 50th a failure.

After each burst a line goes to a file `counts-...` in the current folder: the time and how many were fired so far. What
these files say is true even of a process that was killed.
"""

import os
import resource
import time
from pathlib import Path

import gevent
from locust import User, task

import locust_cw

RATE = float(os.environ.get("RATE", "500"))
NAMES = int(os.environ.get("NAMES", "5"))

if limit := os.environ.get("FILE_LIMIT"):
    # As good as a full disk: no file grows beyond so many bytes.
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))


class Paced(User):
    @task
    def fire(self) -> None:
        fired, begun = 0, time.time()
        path = Path(f"counts-{os.getpid()}-{id(self)}")
        counts = path.open("wb", buffering=0)
        while True:
            due = int((time.time() - begun) * RATE)
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
