"""One master and its workers: real processes, their own journals, and their output."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import urllib.parse
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from support.checks import check_metrics
from support.cloudwatch import CloudWatch, Dimensions, LogEvent
from support.fixtures import Locust
from support.locust_run import LocustRun, LocustStats, Receipt
from support.proxy import Answer, Call, Exchange, Fault
from support.servers import answers, free_port, get, wait_until

HOST = "http://traded.test"


# What each process did


@dataclass(frozen=True)
class Line:
    what: str
    at: float
    fields: dict[str, Any]


class Journal:
    """What one process that ran `traders.py` has done so far."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, what: str, *, since: float = 0, until: float = float("inf")) -> list[Line]:
        # Others are not parsed: most lines are requests, and most questions are about another kind.
        found = [json.loads(line) for line in self._lines_of(what)]
        lines = [Line(fields.pop("what"), fields.pop("at"), fields) for fields in found]
        return [line for line in lines if since <= line.at < until]

    def count(self, what: str) -> int:
        return len(self._lines_of(what))

    def _lines_of(self, what: str) -> list[bytes]:
        begin = f'{{"what": "{what}"'.encode()
        whole = self._path.read_bytes().rpartition(b"\n")[0]
        return [line for line in whole.splitlines() if line.startswith(begin)]

    @property
    def client_id(self) -> str:
        """Its name as a worker."""
        return str(self.of("reported")[0].fields["client_id"])


def journals(runs: Iterable[LocustRun]) -> list[Journal]:
    """Of these processes and their children, in the order of their paths."""
    return [Journal(path) for run in runs for path in sorted(run.folder.glob("journal-*"))]


def users_known(master: Journal, begin: float, end: float) -> set[int]:
    """How many users Locust's master knew of in a period, which was one after another."""
    # What is known is in the journal at the next turn.
    noted = max([end + 0.4, *(line.at + 0.1 for line in late_turns(master, begin, end + 0.4))])
    lines = master.of("users", until=noted)
    before = [line for line in lines if line.at < begin][-1:]
    return {line.fields["number"] for line in before + [line for line in lines if line.at >= begin]}


def late_turns(master: Journal, begin: float, end: float) -> list[Line]:
    """When, in a period, the machine was so busy that the master could do nothing once a second."""
    return [line for line in master.of("late", since=begin) if line.fields["since"] < end]


def stats_of(lines: Iterable[Line]) -> LocustStats:
    """What was fired, as Locust should have counted it."""
    fired = [line.fields for line in lines]
    return LocustStats(
        Counter(fields["name"] for fields in fired), Counter(fields["name"] for fields in fired if fields["failed"])
    )


# The processes


class Fleet:
    """A master and workers; options of locust-cw are the master's alone.

    Where the locustfile imports `patient`, a worker that is not heard of is given up after so many `heartbeats`, which
    are seconds.
    """

    def __init__(
        self,
        locust: Locust,
        *args: str,
        workers: int = 3,
        locustfile: str = "traders.py",
        worker_env: dict[str, str | None] | None = None,
        heartbeats: int = 30,
        **how: Any,
    ) -> None:
        self._locust = locust
        self._locustfile = locustfile
        self._worker_env = worker_env
        self._module = how.get("module", "locust")
        self.port = free_port()
        # The path is each process's own: what a worker wrote would lie in its folder.
        receipt = ["--cw-receipt=receipt.json"] if how.get("receipt", True) else []
        env = how.pop("env", worker_env) or {}
        self.master = locust.start(
            locustfile,
            "--master",
            "--master-bind-host=127.0.0.1",
            f"--master-bind-port={self.port}",
            f"--expect-workers={max(1, workers)}",
            *receipt,
            *args,
            env={"HEARTBEATS": str(heartbeats), **env},
            **how,
        )
        self.workers: list[LocustRun] = []
        for _ in range(workers):
            self.join()

    def join(self, *args: str, files: dict[str, str] | None = None, **env: str) -> LocustRun:
        """Start one more worker, with options and `files` of its own; `env` adds to the workers' environment."""
        worker = self._locust.start(
            self._locustfile,
            "--worker",
            "--master-host=127.0.0.1",
            f"--master-port={self.port}",
            *args,
            options=[],
            files=files,
            headless=False,
            receipt=False,
            json_file=False,
            module=self._module,
            env={**(self._worker_env or {}), **env},
        )
        self.workers.append(worker)
        return worker

    @property
    def processes(self) -> list[LocustRun]:
        return [self.master, *self.workers]

    @property
    def journals(self) -> list[Journal]:
        """The workers'."""
        return journals(self.workers)

    @property
    def fired(self) -> LocustStats:
        return stats_of(line for journal in self.journals for line in journal.of("fired"))

    def wait_for(self, requests: int) -> None:
        """Return when every worker has made so many more."""
        wait_until(lambda: len(self.journals) == len(self.workers), "every worker works")
        enough = [journal.count("fired") + requests for journal in self.journals]
        try:
            wait_until(
                lambda: all(
                    journal.count("fired") >= least for journal, least in zip(self.journals, enough, strict=True)
                ),
                f"{requests} requests of every worker",
            )
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *(run.output[-2000:] for run in self.processes)])) from None

    def wait(self) -> None:
        """Return when all have ended by themselves."""
        for run in self.processes:
            run.wait()

    @property
    def exit_codes(self) -> list[int]:
        return [run.exit_code for run in self.processes]


def interrupt_all(runs: Iterable[LocustRun]) -> None:
    """What Ctrl-C does in a terminal: SIGINT for each process and its children, at once.

    They are stopped first, so that all have the signal before any reacts. Otherwise, on a busy machine, the master
    could tell its workers to quit before the last one has its SIGINT, which would then interrupt that worker's wait for
    CloudWatch.
    """
    processes = [psutil.Process(run.process.pid) for run in runs]
    _signal_all(processes, signal.SIGSTOP)
    children = [child for parent in processes for child in parent.children(recursive=True)]
    _signal_all(children, signal.SIGSTOP)
    processes += children
    _signal_all(processes, signal.SIGINT)
    _signal_all(processes, signal.SIGCONT)


def _signal_all(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


class MasterWeb:
    """A Locust, mostly a master, driven as a browser would."""

    def __init__(self) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.options = ["--web-host=127.0.0.1", f"--web-port={port}"]

    def wait_for_workers(self, number: int) -> None:
        wait_until(lambda: answers(self.url) and len(self._requests()["workers"]) == number, f"{number} workers")

    def wait_for_users(self, number: int) -> None:
        """Return when so many run. A worker that joins while they are spawned may be given none."""
        wait_until(lambda: self._requests()["user_count"] == number, f"{number} users")

    def _requests(self) -> Any:
        return json.loads(get(f"{self.url}/stats/requests"))

    def swarm(self, users: int, host: str, **options: str) -> None:
        """What the form sends, also while a test runs."""
        form = {"user_count": users, "spawn_rate": 100, "host": host, **options}
        answer = json.loads(get(f"{self.url}/swarm", urllib.parse.urlencode(form).encode()))
        assert answer["success"], answer

    def stop(self) -> None:
        assert json.loads(get(f"{self.url}/stop", b""))["success"]

    @property
    def stats(self) -> LocustStats:
        """Locust's own of this moment; the JSON's are up to 2 s old."""
        rows = csv.DictReader(io.StringIO(get(f"{self.url}/stats/requests/csv").decode()))
        entries = [
            {
                "name": row["Name"],
                "num_requests": int(row["Request Count"]),
                "num_failures": int(row["Failure Count"]),
            }
            for row in rows
            if row["Name"] != "Aggregated"
        ]
        return LocustStats.of(entries)


# What is asked of the account


def slowly(seconds: float) -> Fault:
    """Calls are answered so much later."""

    def fault(exchange: Exchange) -> Answer:
        exchange.ended.wait(seconds)
        return exchange.forward(exchange.call)

    return fault


def timeline(calls: Iterable[Call], metric: str, **dimensions: str) -> dict[int, list[float]]:
    """The values that the accepted calls among these published, by second."""
    wanted: Dimensions = frozenset(dimensions.items())
    values: defaultdict[int, list[float]] = defaultdict(list)
    for call in calls:
        if call.operation == "PutMetricData" and call.accepted:
            for datum in call.params["MetricData"]:
                found = frozenset((each["Name"], each["Value"]) for each in datum.get("Dimensions", []))
                if datum["MetricName"] == metric and found == wanted:
                    numbers = datum.get("Values", [datum.get("Value")])
                    counts = datum.get("Counts", [1.0] * len(numbers))
                    for number, count in zip(numbers, counts, strict=True):
                        values[round(datum["Timestamp"].timestamp())] += [number] * round(count)
    return dict(sorted(values.items()))


# What workers published


def requests_in(events: Sequence[LogEvent]) -> LocustStats:
    """Log events, counted as Locust counts; none may be there twice."""
    logged = [event.fields for event in events if event.is_request]
    assert len({(fields["run_id"], fields["worker"], fields["seq"]) for fields in logged}) == len(logged)
    return LocustStats(
        Counter(fields["name"] for fields in logged),
        Counter(fields["name"] for fields in logged if fields["outcome"] == "failure"),
    )


def check_streams(events: Sequence[LogEvent], run_id: str, fired: dict[str, int]) -> None:
    """Each worker's requests are in its own stream, under the one run id; `fired` says how many by client id."""
    prefix = f"load-generator/{run_id}/"
    in_streams = Counter(event.stream.removeprefix(prefix) for event in events if event.is_request)
    assert in_streams == fired
    for event in events:
        assert event.stream.startswith(prefix), event
        if event.is_request:
            assert event.fields["run_id"] == run_id
            assert event.fields["worker"] == event.stream.removeprefix(prefix)


def receipts_printed(run: LocustRun) -> int:
    """How often a receipt begins in the output; its text may speak of those of workers."""
    return len(re.findall(r"^CloudWatch receipt for run ", run.output, re.MULTILINE))


def check_one_receipt(runs: Sequence[LocustRun], receipts: int = 1) -> None:
    """The first process, the master, printed so many, and wrote the last; the others none."""
    master, *workers = runs
    assert receipts_printed(master) == receipts
    assert [receipts_printed(worker) for worker in workers] == [0] * len(workers)
    assert master.has_receipt
    assert not any(worker.has_receipt for worker in workers)


def check_delivered_fleet(cloudwatch: CloudWatch, fleet: Fleet) -> Receipt:
    """A run of which everything was delivered: journals, Locust, CloudWatch and the receipt tell the same."""
    fleet.wait()
    stats, receipt = fleet.master.stats, fleet.master.receipt.check_delivered()
    fired = fleet.fired
    assert (+stats.requests, +stats.failures) == (fired.requests, fired.failures), "Locust lost something itself"
    assert receipt["requests"]["observed"] == stats.requests.total() > 0
    assert receipt["failures"]["observed"] == stats.failures.total() > 0
    check_metrics(cloudwatch, stats, HOST)
    events = cloudwatch.events()
    assert receipt["log_events"]["observed"] == len(events)
    logged = requests_in(events)
    assert (logged.requests, logged.failures) == (fired.requests, fired.failures)
    check_streams(
        events,
        receipt["run_id"],
        {journal.client_id: len(journal.of("fired")) for journal in fleet.journals},
    )
    ends = [event.fields for event in events if event.is_event("test_stop")]
    assert max((end["requests"], end["failures"]) for end in ends) == (stats.requests.total(), stats.failures.total())
    check_one_receipt(fleet.processes)
    for run in fleet.processes:
        assert run.listener_errors == 0, run.err
        assert run.logged_problems() == [], run.err
    return receipt
