"""Users that fire the requests of a plan, and then wait. Each process keeps a journal of what it fired.

PLAN is a JSON list of phases, which each user goes through. `fire` is a list of requests, which are fired once or, if
the phase has `seconds`, again and again for so long. A request is a list: its method, its name, the response time in
milliseconds or the first and the last one of a range, the number of requests with each time, and whether they fail. In
a name, `{}` is replaced by a number, and `{pid}` by that of the process. With `busy`, a phase uses most of a CPU.

With RAISES, each user raises an exception before. With QUIT, the only process of a test ends the test when all users
have gone through the plan.
"""

import json
import os
import time
from collections.abc import Iterator
from typing import Any

import gevent
import psutil
from locust import User, events, runners, task
from locust.env import Environment
from locust.runners import WorkerRunner

import patient  # noqa: F401 - the master is
from journal import note
from uninterrupted import uninterrupted

if not os.environ.get("WITHOUT_LOCUST_CW"):
    # Before the listeners that are to come after those of locust-cw.
    import locust_cw  # noqa: F401 - registers locust-cw

PLAN: list[dict[str, Any]] = json.loads(os.environ["PLAN"])
PAUSE_S = 0.05
UNTIL_OTHERS_RUN = 50

through: list[User] = []

runners.WORKER_REPORT_INTERVAL = float(os.environ.get("REPORTS", runners.WORKER_REPORT_INTERVAL))


def note_usage(what: str) -> None:
    """Note the CPU time and the memory of this process."""
    note(what, cpu_s=time.process_time(), memory_bytes=psutil.Process().memory_info().rss)


def before_others(hook: Any, listener: Any) -> None:
    """Call a listener before the registered ones, which are those of locust-cw."""
    hook._handlers.insert(0, listener)  # noqa: SLF001 - Locust appends listeners


before_others(events.test_start, lambda **_: note_usage("starting"))
events.test_start.add_listener(lambda **_: note_usage("started"))
before_others(events.test_stopping, lambda **_: note_usage("ending"))
events.test_stopping.add_listener(lambda **_: note_usage("ended"))
events.test_stop.add_listener(lambda **_: note_usage("stopped"))


@events.report_to_master.add_listener
def reported(client_id: str, **_: Any) -> None:
    note("reported", client_id=client_id)


@events.init.add_listener
def watch(environment: Environment, **_: Any) -> None:
    note("role", is_worker=isinstance(environment.runner, WorkerRunner))
    gevent.spawn(note_turns)


def note_turns() -> None:
    """Note the usage once a second, and when this process had no turn for a while."""
    noted = turn = time.time()
    while True:
        gevent.sleep(0.02)
        before, turn = turn, time.time()
        if turn - before > 0.2:
            note("late", since=before)
        if turn - noted > 1:
            noted = turn
            note_usage("usage")


def requests(plan: list[Any]) -> Iterator[dict[str, Any]]:
    for method, name, times, number, fails in plan:
        first, last = times if isinstance(times, list) else (times, times)
        for ms in range(first, last + 1):
            for index in range(number):
                yield {
                    "method": method,
                    "name": name.replace("{pid}", str(os.getpid())).replace("{}", str(index)),
                    "ms": ms,
                    "failed": fails,
                }


class Planned(User):
    has_raised = not os.environ.get("RAISES")

    @task
    def follow_the_plan(self) -> None:
        if not self.has_raised:
            self.has_raised = True
            raise RuntimeError("as planned")
        note("user")
        for phase in PLAN:
            until = time.time() + phase.get("seconds", 0)
            while True:
                for number, request in enumerate(requests(phase["fire"])):
                    self.fire(**request)
                    if number % UNTIL_OTHERS_RUN == 0:
                        gevent.sleep(0)
                if time.time() >= until:
                    break
                self.pause(is_busy=phase.get("busy", False))
        note("planned")
        through.append(self)
        runner = self.environment.runner
        if os.environ.get("QUIT") and runner and len(through) == runner.target_user_count:
            # As `--run-time` does.
            gevent.spawn(runner.quit)
        gevent.sleep(1_000_000)

    def pause(self, *, is_busy: bool) -> None:
        until = time.process_time() + PAUSE_S
        while is_busy and time.process_time() < until:
            pass
        gevent.sleep(0 if is_busy else PAUSE_S)

    def fire(self, method: str, name: str, ms: float, *, failed: bool) -> None:
        with uninterrupted():
            begun = time.time()
            self.environment.events.request.fire(
                request_type=method,
                name=name,
                response_time=ms,
                response_length=100,
                exception=RuntimeError("as planned") if failed else None,
            )
            note("fired", begun=begun, method=method, name=name, ms=ms, failed=failed)
