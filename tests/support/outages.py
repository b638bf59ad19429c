"""Bad times on order, and what is left to be seen of them: in a process's memory, in a spool, in CloudWatch."""

from __future__ import annotations

import os
import random
import re
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Self
from zlib import crc32

from support.cloudwatch import CloudWatch, LogEvent
from support.locust_run import LocustRun, clean_environment, launch_command
from support.proxy import Answer, Call, Exchange, Fault, Proxy, error, hang, passing, reset, swallow
from support.servers import ending, wait_until

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


# What goes wrong


@dataclass(frozen=True)
class Outage:
    """One way for AWS to be away."""

    begin: Callable[[Proxy], None]
    end: Callable[[Proxy], None]


def _faulty(fault: Fault) -> Outage:
    return Outage(lambda proxy: proxy.on("*", fault), Proxy.heal)


OUTAGES = {
    "refused": Outage(Proxy.refuse, Proxy.listen),
    "hanging": _faulty(hang),
    "unavailable": _faulty(error("ServiceUnavailable", 503)),
}


class BadWeather:
    """Of every ten calls of an operation three are throttled and one is cut off, in turn before and after it is done.

    Which first is by chance, as is the order of the ten.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._decks: defaultdict[str, list[Fault]] = defaultdict(list)

    def __call__(self, exchange: Exchange) -> Answer | None:
        throttled = error("Throttling" if exchange.call.service == "cloudwatch" else "ThrottlingException", 400)
        with self._lock:
            deck = self._decks[exchange.call.operation]
            if not deck:
                for cut_off in self._random.sample([reset, swallow], 2):
                    ten = [*[throttled] * 3, cut_off, *[passing] * 6]
                    self._random.shuffle(ten)
                    deck += ten
            fault = deck.pop()
        return fault(exchange)


class Sessions:
    """Sessions of an assumed role: each ends `lifetime` seconds after it was given and is good for nothing then."""

    def __init__(self, proxy: Proxy, lifetime: float) -> None:
        self._lifetime = lifetime
        self._ends: dict[str, float] = {}
        proxy.on("*", self._check)
        proxy.on("AssumeRole", self._give)

    def _give(self, exchange: Exchange) -> Answer:
        answer = exchange.forward(exchange.call)
        key = re.search(rb"<AccessKeyId>(.*?)</AccessKeyId>", answer.body)
        assert key, answer.body
        end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=self._lifetime)
        self._ends[key[1].decode()] = end.timestamp()
        stamp = b"<Expiration>%s</Expiration>" % end.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
        return Answer(answer.status, answer.headers, re.sub(rb"<Expiration>.*?</Expiration>", stamp, answer.body))

    def _check(self, exchange: Exchange) -> Answer | None:
        found = re.search(r"Credential=([^/]+)/", exchange.call.headers["authorization"])
        if not found or time.time() > self._ends.get(found[1], 0):
            return error("ExpiredTokenException", 403, "The security token included in the request is expired")(
                exchange
            )
        return exchange.forward(exchange.call)


class Answered:
    """Passes every call on and knows when each was answered."""

    def __init__(self) -> None:
        self._times: dict[int, float] = {}

    def __call__(self, exchange: Exchange) -> Answer:
        answer = exchange.forward(exchange.call)
        self._times[id(exchange.call)] = time.time()
        return answer

    def time(self, call: Call) -> float:
        return self._times.get(id(call), float("inf"))


# What is to be seen of it


class Memory:
    """The largest resident size of a process, looked at twenty times a second until it ends."""

    def __init__(self, run: LocustRun) -> None:
        self.peak_mb = 0.0
        self._status = Path(f"/proc/{run.process.pid}/status")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            try:
                resident = re.search(r"VmRSS:\s+(\d+) kB", self._status.read_text())
            except OSError:
                return
            if resident:
                self.peak_mb = max(self.peak_mb, int(resident[1]) / 1024)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def wait_until_current(proxy: Proxy, within: float = 20) -> None:
    """AWS gets metrics of this very moment."""

    def newest(call: Call) -> float:
        datums = [datum for datum in call.params["MetricData"] if datum["MetricName"] == "RequestCount"]
        return max((float(datum["Timestamp"].timestamp()) for datum in datums), default=0)

    now = time.time()
    _wait_until_taken(proxy, "PutMetricData", lambda call: newest(call) >= int(now), now + within)


def wait_until_logged(proxy: Proxy, within: float = 20) -> None:
    """AWS gets log events of this very moment."""

    def newest(call: Call) -> float:
        return max(float(event["timestamp"]) for event in call.params["logEvents"]) / 1000

    now = time.time()
    _wait_until_taken(proxy, "PutLogEvents", lambda call: newest(call) >= now, now + within)


def _wait_until_taken(proxy: Proxy, operation: str, wanted: Callable[[Call], bool], until: float) -> None:
    """By when it came to AWS: the local one becomes slow with what it holds."""

    def taken() -> Call | None:
        return next((call for call in proxy.calls(operation) if call.accepted and wanted(call)), None)

    call = wait_until(taken, f"{operation} of what is as new as this wait")
    assert call
    assert call.received_at <= until, f"{operation} came {call.received_at - until:g} s too late"


def identities(events: list[LogEvent]) -> Counter[tuple[str, str, int]]:
    """How often each log event is there. None is damaged, or this fails."""
    fields = [event.fields for event in events]
    return Counter((each["run_id"], each["worker"], each["seq"]) for each in fields)


def check_at_least_once(cloudwatch: CloudWatch, run: LocustRun) -> None:
    """CloudWatch holds all of a run of `paced.py`, and what it holds twice is within the receipt's `uncertain`."""
    stats, receipt = run.stats, run.receipt.check()
    events = cloudwatch.events(f"load-generator/{receipt['run_id']}/")
    logged = identities(events)
    assert len(logged) == receipt["log_events"]["observed"]
    assert {seq for *_, seq in logged} == set(range(1, len(logged) + 1))
    fields = (event.fields for event in events)
    names = Counter({each["seq"]: each["name"] for each in fields if "outcome" in each}.values())
    assert names == +stats.requests
    logged_twice = logged.total() - len(logged)
    assert logged_twice + count_twice(cloudwatch, run) <= receipt["uncertain"]


def count_twice(cloudwatch: CloudWatch, run: LocustRun) -> int:
    """How many requests of a run of `paced.py` are counted twice in its metrics, which have all of it."""
    stats, requests = run.stats, run.receipt.check()["requests"]["observed"]
    assert requests == stats.requests.total() > 0
    counted_twice: int = round(cloudwatch.sum("RequestCount", Host=HOST)) - requests
    assert counted_twice >= 0
    for name, number in stats.requests.items():
        assert 0 <= cloudwatch.sum("RequestCount", Host=HOST, Request=name) - number <= counted_twice, name
        failures = cloudwatch.sum("FailureCount", Host=HOST, Request=name) - stats.failures[name]
        assert 0 <= failures <= counted_twice, name
        for metric in ("ResponseTime_ms", "ResponseSize_Bytes"):
            successes = cloudwatch.count(metric, Host=HOST, Request=name) - (number - stats.failures[name])
            assert 0 <= successes <= counted_twice, (metric, name)
    return counted_twice


# The spool, and the command that sends it


def spool_of(run: LocustRun) -> Path:
    """The default spool folder of a run."""
    return run.folder / "state" / "locust-cw"


def folders_in(spool: Path) -> list[Path]:
    """Those of all runs; their records, which stay, have a folder of their own."""
    return [path for path in spool.glob("*") if path.is_dir() and path.name != ".records"]


def files_in(spool: Path) -> list[Path]:
    """Everything to be sent of all runs."""
    return sorted(path for lane in ("metrics", "logs") for path in spool.glob(f"*/*/*-{lane}.jsonl"))


def rewrite(file: Path, text: str) -> None:
    """Give a file to be sent another content, and the name that goes with it."""
    number, _, lane = file.name.split("-")
    file.with_name(f"{number}-{crc32(text.encode()):08x}-{lane}").write_text(text)
    file.unlink()


@contextmanager
def commanding(folder: Path, *args: str, env: dict[str, str | None] | None = None) -> Iterator[LocustRun]:
    """A `locust-cw` under way, at home in `folder` as the run it is about; its output goes to a folder within."""
    own = next(path for number in count(1) if not (path := folder / f"command{number}").exists())
    own.mkdir(parents=True)
    command = launch_command(own, *args, env=clean_environment(folder, **(env or {})))
    with ending(command.process):
        yield command


def replay(folder: Path, *args: str, **how: Any) -> LocustRun:
    """`locust-cw replay`, ended by itself and without a stumble."""
    with commanding(folder, "replay", *args, **how) as command:
        command.finish(timeout=90)
    assert "Traceback" not in command.output, command.output
    return command


def run(folder: Path, *args: str, code: int = 0, env: dict[str, str | None] | None = None) -> str:
    """The standard output of a command, ended by itself with this exit code and without a stumble."""
    with commanding(folder, *args, env=env) as command:
        assert command.exit_code == code, command.output
    assert "Traceback" not in command.output, command.output
    return command.out
