"""A load test with threads, without Locust. Each thread requests a page with the standard library's client.

    python examples/threads.py http://127.0.0.1:8000

With `--local`, it publishes to a local CloudWatch (`pip install 'locust-cw[local]'`), otherwise to AWS.
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
    """Request the page repeatedly, and record each request."""
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
    """Load the host for ten seconds by default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("host", help="http://NAME:PORT; this client does not support TLS")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--local", action="store_true", help="publish to a local CloudWatch")
    options = parser.parse_args()
    if urlsplit(options.host).scheme != "http":
        parser.error(f"argument host: must be an http:// URL, not {options.host}")
    with Publisher(host=options.host, local=options.local) as publisher:
        until = time.monotonic() + options.seconds
        with ThreadPoolExecutor(THREADS) as threads:
            users = [threads.submit(user, publisher, options.host, until) for _ in range(THREADS)]
        for each in users:
            # Raises the exception of a thread that failed.
            each.result()
    print(publisher.close().text, end="")


if __name__ == "__main__":
    main()
