"""A load test with asyncio, without Locust. Fifty users request a page as fast as the service responds.

    python examples/asyncio_load.py http://127.0.0.1:8000

With `--local`, it publishes to a local CloudWatch (`pip install 'locust-cw[local]'`), otherwise to AWS.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from http import HTTPStatus
from urllib.parse import urlsplit

from locust_cw import Publisher

USERS = 50


async def get(host: str) -> tuple[int, int]:
    """Request the page over a new connection; return the status and the length of the body."""
    parts = urlsplit(host)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    try:
        writer.write(f"GET / HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode())
        status_line, *headers = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        value = next((line.split(":")[1] for line in headers if line.startswith("content-length:")), None)
        if value is None:
            raise ValueError("the response has no content-length")
        length = int(value)
        await reader.readexactly(length)
    finally:
        writer.close()
    return int(status_line.split()[1]), length


async def user(publisher: Publisher, host: str, until: float) -> None:
    """Request the page repeatedly, and record each request."""
    while time.monotonic() < until:
        begun = time.perf_counter()
        status: int | None = None
        length: int | None = None
        error: Exception | str | None = None
        try:
            async with asyncio.timeout(10):
                status, length = await get(host)
            if status >= HTTPStatus.BAD_REQUEST:
                error = f"status {status}"
        except (OSError, EOFError, ValueError) as caught:
            error = caught
        elapsed_ms = (time.perf_counter() - begun) * 1000
        await publisher.record_async("GET", "/", elapsed_ms, length, status=status, exception=error)


async def main() -> None:
    """Load the host for ten seconds by default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("host", help="http://NAME:PORT; this client does not support TLS")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--local", action="store_true", help="publish to a local CloudWatch")
    options = parser.parse_args()
    if urlsplit(options.host).scheme != "http":
        parser.error(f"argument host: must be an http:// URL, not {options.host}")
    async with Publisher(host=options.host, local=options.local) as publisher:
        until = time.monotonic() + options.seconds
        await asyncio.gather(*(user(publisher, options.host, until) for _ in range(USERS)))
        receipt = await publisher.close_async()
    print(receipt.text, end="")


if __name__ == "__main__":
    asyncio.run(main())
