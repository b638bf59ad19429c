"""The service under test: a small shop. Each path has its own latency, and two sometimes fail.

It prints its URL once it listens on a free loopback port, and exits when its standard input is closed.

With `--workers`, it handles only so many requests at once, and others wait: it saturates. With `--publish URL`, it
publishes its CPU utilization and the length of its queue to the CloudWatch at this URL, as an EC2 instance with an
agent does.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gevent
from gevent.lock import BoundedSemaphore
from gevent.pywsgi import WSGIServer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment


@dataclass(frozen=True)
class Page:
    """The behavior of a path: the median latency, and the `spread`, which makes the tail longer."""

    median_ms: float
    spread: float
    size: int
    failure_share: float = 0.0
    failure_status: str = "500 Internal Server Error"


PAGES = {
    "": Page(median_ms=4, spread=0.2, size=2_000),
    "product": Page(median_ms=12, spread=0.3, size=6_000),
    "search": Page(median_ms=35, spread=0.7, size=20_000),
    "cart": Page(median_ms=20, spread=0.3, size=300, failure_share=0.02, failure_status="503 Service Unavailable"),
    "checkout": Page(median_ms=80, spread=0.5, size=900, failure_share=0.06),
}


INSTANCE = "i-0a1b2c3d4e5f60718"
"""The instance whose CPU utilization is published."""
QUEUE_NAMESPACE, QUEUE_METRIC = "Shop", "QueueLength"
PUBLISH_EVERY_S = 5
# Before it was loaded, the instance was idle.
IDLE_MINUTES = 5
IDLE_CPU_PERCENT = 3.0


class Workers:
    """The workers of the shop, and how busy they are."""

    def __init__(self, number: int) -> None:
        """All are free."""
        self.number = number
        self.waiting = self.longest_queue = 0
        self.busy_s = 0.0
        self._free = BoundedSemaphore(number)

    def work(self, seconds: float) -> None:
        """Wait for a free worker, and occupy it."""
        self.waiting += 1
        self.longest_queue = max(self.longest_queue, self.waiting)
        with self._free:
            self.waiting -= 1
            gevent.sleep(seconds)
            self.busy_s += seconds


WORKERS = Workers(100_000)


def shop(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Respond to a request, by the first part of its path."""
    page = PAGES.get(environ["PATH_INFO"].strip("/").split("/")[0])
    if page is None:
        start_response("404 Not Found", [])
        return [b"no such page"]
    WORKERS.work(random.lognormvariate(math.log(page.median_ms), page.spread) / 1000)
    failed = random.random() < page.failure_share
    start_response(page.failure_status if failed else "200 OK", [])
    return [b"." * (100 if failed else page.size)]


def publish(endpoint_url: str, workers: Workers) -> None:
    """Publish every few seconds, in a thread."""
    import boto3  # noqa: PLC0415 - slow to import, and not needed otherwise

    cloudwatch = boto3.client("cloudwatch", endpoint_url=endpoint_url)
    now = time.time()
    for minute in range(1, IDLE_MINUTES + 1):
        put(cloudwatch, now - minute * 60, IDLE_CPU_PERCENT, 0)
    before_s, before = workers.busy_s, time.monotonic()
    while True:
        time.sleep(PUBLISH_EVERY_S)
        used_s, elapsed_s = workers.busy_s - before_s, time.monotonic() - before
        before_s, before = workers.busy_s, time.monotonic()
        cpu = IDLE_CPU_PERCENT + (100 - IDLE_CPU_PERCENT) * used_s / (elapsed_s * workers.number)
        longest, workers.longest_queue = workers.longest_queue, workers.waiting
        put(cloudwatch, time.time(), min(100.0, cpu), longest)


def put(cloudwatch: Any, timestamp: float, cpu_percent: float, queue_length: int) -> None:  # noqa: ANN401 - untyped
    """Publish the values of a moment."""
    cloudwatch.put_metric_data(
        Namespace="AWS/EC2",  # at AWS, only AWS can publish to this namespace
        MetricData=[
            {
                "MetricName": "CPUUtilization",
                "Dimensions": [{"Name": "InstanceId", "Value": INSTANCE}],
                "Timestamp": timestamp,
                "Value": cpu_percent,
                "Unit": "Percent",
            }
        ],
    )
    cloudwatch.put_metric_data(
        Namespace=QUEUE_NAMESPACE,
        MetricData=[{"MetricName": QUEUE_METRIC, "Timestamp": timestamp, "Value": queue_length, "Unit": "Count"}],
    )


def leave_with_parent() -> None:
    """Exit when the parent closes the pipe or has exited."""
    os.read(0, 1)
    os._exit(0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=WORKERS.number, help="requests handled at once")
    parser.add_argument("--publish", metavar="URL", help="publish CPU utilization and queue length to this CloudWatch")
    arguments = parser.parse_args()
    WORKERS = Workers(arguments.workers)
    threading.Thread(target=leave_with_parent, daemon=True).start()
    if arguments.publish:
        threading.Thread(target=publish, args=(arguments.publish, WORKERS), daemon=True).start()
    server = WSGIServer(("127.0.0.1", 0), shop, log=None)
    server.start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
