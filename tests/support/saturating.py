"""A service under test of known capacity: a fixed number of threads, each busy with a request for a fixed time.

Prints its port, then serves until killed, and every second publishes as metrics how busy its threads are, in percent,
and how many requests wait for one.

    saturating.py ENDPOINT REGION NAMESPACE THREADS SERVICE_S
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3


class Crew:
    """The threads: so many requests are served at once, and the others wait in the order of their coming."""

    def __init__(self, threads: int, service_s: float) -> None:
        self.threads = threads
        self.service_s = service_s
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()
        self._busy = 0
        self._busy_s = 0.0
        self._longest_queue = 0

    def serve(self) -> None:
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            self._longest_queue = max(self._longest_queue, len(self._queue))
            self._changed.wait_for(lambda: self._busy < self.threads and self._queue[0] is ticket)
            self._queue.popleft()
            self._busy += 1
            self._changed.notify_all()
        time.sleep(self.service_s)
        with self._changed:
            self._busy -= 1
            self._busy_s += self.service_s
            self._changed.notify_all()

    def take(self) -> tuple[float, int]:
        """Seconds that threads were busy, all together, and the longest queue, since it was last asked."""
        with self._changed:
            taken = self._busy_s, self._longest_queue
            self._busy_s, self._longest_queue = 0.0, len(self._queue)
            return taken


def publish(crew: Crew, endpoint: str, region: str, namespace: str) -> None:
    client = boto3.Session("test", "test", region_name=region).client("cloudwatch", endpoint_url=endpoint)
    begun = time.monotonic()
    while True:
        time.sleep(1 - time.time() % 1)
        now, seconds = time.monotonic(), time.monotonic() - begun
        begun = now
        busy_s, queue = crew.take()
        values = {"CPUUtilization": min(100.0, 100 * busy_s / seconds / crew.threads), "QueueLength": queue}
        client.put_metric_data(
            Namespace=namespace,
            MetricData=[
                {
                    "MetricName": name,
                    "Dimensions": [{"Name": "Pool", "Value": "web"}],
                    "Timestamp": datetime.fromtimestamp(time.time() // 1 - 1, UTC),
                    "Value": value,
                    "StorageResolution": 1,
                }
                for name, value in values.items()
            ],
        )


def main(endpoint: str, region: str, namespace: str, threads: str, service_s: str) -> None:
    crew = Crew(int(threads), float(service_s))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or the body waits for the acknowledgement of the head

        def do_GET(self) -> None:
            crew.serve()
            # At the end of a test Locust does not wait for its answers.
            with suppress(BrokenPipeError, ConnectionResetError):
                self.send_response(200)
                self.send_header("Content-Length", "4")
                self.end_headers()
                self.wfile.write(b"done")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=publish, args=(crew, endpoint, region, namespace), daemon=True).start()
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
