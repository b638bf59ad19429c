"""A Locust worker that is not Locust's: nothing but msgpack and ZeroMQ, as boomer and locust4j do it.

    python foreign_worker.py PORT NAME TRUTH

Reports requests of known response times once a second from the first `spawn` on until `quit`, and writes to the file
TRUTH what it reported: by request name the numbers of requests and failures and the count of each response time, and
the requests of each second.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter, defaultdict
from itertools import count
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]
import zmq

REPORT_EVERY_S = 1.0
REQUESTS_PER_REPORT = 400
NAMES = ("/go", "/java")
ANY_VERSION = -1
"""The version of a worker that is not Locust's own."""


def rounded(milliseconds: int) -> int:
    """Two significant figures above 100, as Locust's protocol has it."""
    digits = len(str(milliseconds)) - 2
    return milliseconds if milliseconds < 100 else round(milliseconds, -digits)


class Entry:
    """What happened to one name since the last report."""

    def __init__(self, name: str, method: str) -> None:
        self.name, self.method = name, method
        self.times: list[int] = []
        self.failures = 0
        self.bytes = 0
        self.per_second: Counter[int] = Counter()
        self.failures_per_second: Counter[int] = Counter()

    def add(self, milliseconds: int, size: int, *, failed: bool) -> None:
        now = int(time.time())
        self.times.append(milliseconds)
        self.bytes += size
        self.per_second[now] += 1
        if failed:
            self.failures += 1
            self.failures_per_second[now] += 1

    def serialized(self) -> dict[str, Any]:
        """In whole seconds and milliseconds, as boomer has them."""
        return {
            "name": self.name,
            "method": self.method,
            "last_request_timestamp": int(time.time()),
            "start_time": int(time.time()) - 1,
            "num_requests": len(self.times),
            "num_none_requests": 0,
            "num_failures": self.failures,
            "total_response_time": sum(self.times),
            "max_response_time": max(self.times, default=0),
            "min_response_time": min(self.times, default=0),
            "total_content_length": self.bytes,
            "response_times": dict(Counter(map(rounded, self.times))),
            "num_reqs_per_sec": dict(self.per_second),
            "num_fail_per_sec": dict(self.failures_per_second),
        }


class Worker:
    def __init__(self, port: int, name: str, truth: Path) -> None:
        self._name = name
        self._truth = truth
        self._socket = zmq.Context().socket(zmq.DEALER)
        self._socket.setsockopt(zmq.IDENTITY, name.encode())
        self._socket.connect(f"tcp://127.0.0.1:{port}")
        self._numbers = count()
        self._users: dict[str, int] = {}
        self._requests: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._seconds: Counter[int] = Counter()
        self._times: defaultdict[str, Counter[int]] = defaultdict(Counter)

    def send(self, what: str, data: Any) -> None:
        self._socket.send(msgpack.dumps((what, data, self._name)))

    def run(self) -> None:
        self.send("client_ready", ANY_VERSION)
        state, report_at, beat_at = "ready", float("inf"), 0.0
        while True:
            if time.time() >= beat_at:
                self.send("heartbeat", {"state": state, "current_cpu_usage": 1.0})
                beat_at = time.time() + 1
            if time.time() >= report_at:
                self.report()
                report_at += REPORT_EVERY_S
            if not self._socket.poll(20):
                continue
            what, data, _ = msgpack.loads(self._socket.recv(), strict_map_key=False)
            if what == "spawn":
                self.send("spawning", None)
                self._users = data["user_classes_count"]
                self.send("spawning_complete", self.users())
                state, report_at = "running", min(report_at, time.time() + REPORT_EVERY_S)
            elif what == "stop":
                self.report()
                self.send("client_stopped", None)
                self.send("client_ready", ANY_VERSION)
                state, report_at = "ready", float("inf")
            elif what == "quit":
                self.report()
                self.send("quit", None)
                self.tell()
                return

    def users(self) -> dict[str, Any]:
        return {"user_classes_count": self._users, "user_count": sum(self._users.values())}

    def report(self) -> None:
        entries = {name: Entry(name, "rpc") for name in NAMES}
        total = Entry("Aggregated", "")
        errors: dict[str, Any] = {}
        for number in (next(self._numbers) for _ in range(REQUESTS_PER_REPORT)):
            name = NAMES[number % len(NAMES)]
            milliseconds, failed = 1 + number * 7919 % 2503, number % 20 == 19
            for entry in (entries[name], total):
                entry.add(milliseconds, number % 1000, failed=failed)
            self._requests[name] += 1
            self._times[name][rounded(milliseconds)] += 1
            if failed:
                self._failures[name] += 1
                error = errors.setdefault(
                    name, {"method": "rpc", "name": name, "error": "as every twentieth", "occurrences": 0}
                )
                error["occurrences"] += 1
        self._seconds += total.per_second
        self.send(
            "stats",
            {
                "stats": [entry.serialized() for entry in entries.values()],
                "stats_total": total.serialized(),
                "errors": errors,
                **self.users(),
            },
        )

    def tell(self) -> None:
        truth = {"requests": self._requests, "failures": self._failures, "times": self._times, "seconds": self._seconds}
        self._truth.write_text(json.dumps(truth))


if __name__ == "__main__":
    Worker(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])).run()
