"""The service under test: a small shop. Each path has its own latency, and two sometimes fail.

It prints its URL once it listens on a free loopback port, and exits when its standard input is closed.
"""

from __future__ import annotations

import math
import os
import random
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import gevent
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


def shop(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Respond to a request, by the first part of its path."""
    page = PAGES.get(environ["PATH_INFO"].strip("/").split("/")[0])
    if page is None:
        start_response("404 Not Found", [])
        return [b"no such page"]
    gevent.sleep(random.lognormvariate(math.log(page.median_ms), page.spread) / 1000)
    failed = random.random() < page.failure_share
    start_response(page.failure_status if failed else "200 OK", [])
    return [b"." * (100 if failed else page.size)]


def leave_with_parent() -> None:
    """Exit when the parent closes the pipe or has exited."""
    os.read(0, 1)
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=leave_with_parent, daemon=True).start()
    server = WSGIServer(("127.0.0.1", 0), shop, log=None)
    server.start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
