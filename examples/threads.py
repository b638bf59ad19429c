"""A load test with threads, without Locust: each asks for a page, with the standard library's client.

    python examples/threads.py http://127.0.0.1:8000

With `--local` it publishes to a CloudWatch on this machine (`pip install 'locust-cw[local]'`), else to AWS.
"""

from __future__ import annotations

import argparse
import http
import http.client
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from locust_cw import Publisher

THREADS = 8


def user(publisher: Publisher, host: str, until: float) -> None:
    """Ask again and again, and tell how it went."""
    while time.monotonic() < until:
        begun = time.perf_counter()
        status: int | None = None
        length: int | None = None
        error: Exception | str | None = None
        connection = http.client.HTTPConnection(urlsplit(host).netloc, timeout=10)
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            status, length = answer.status, len(answer.read())
            if status >= http.HTTPStatus.BAD_REQUEST:
                error = f"status {status}"
        except (OSError, http.client.HTTPException) as caught:
            error = caught
        finally:
            connection.close()
        elapsed_ms = (time.perf_counter() - begun) * 1000
        publisher.record("GET", "/", elapsed_ms, length, status=status, exception=error)


def main() -> None:
    """Load the host for some seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("host", help="http://NAME:PORT; what asks it here does not speak TLS")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--local", action="store_true", help="publish to a CloudWatch on this machine")
    options = parser.parse_args()
    if urlsplit(options.host).scheme != "http":
        parser.error(f"argument host: must be an http:// URL, not {options.host}")
    with Publisher(host=options.host, local=options.local) as publisher:
        until = time.monotonic() + options.seconds
        with ThreadPoolExecutor(THREADS) as threads:
            users = [threads.submit(user, publisher, options.host, until) for _ in range(THREADS)]
        for each in users:
            # An exception that ended a thread is known to nobody else.
            each.result()
    print(publisher.close().text, end="")


if __name__ == "__main__":
    main()
