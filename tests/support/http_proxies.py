"""HTTP proxies between a program and AWS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from support.servers import answering_with

VARIABLES = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]


@contextmanager
def logging_proxy() -> Iterator[tuple[str, list[str]]]:
    """A proxy that lets nothing through: its URL, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def _refuse(self) -> None:
            asked.append(f"{self.command} {self.path} {self.headers.get('Authorization', '')}")
            self.send_error(502)

        do_GET = do_POST = do_PUT = do_HEAD = do_CONNECT = _refuse  # noqa: N815 - names that http.server looks for

        def log_message(self, *_: object) -> None:
            pass

    with answering_with(Handler) as url:
        yield url, asked
