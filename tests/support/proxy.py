"""A recording, fault-injecting reverse proxy before the local CloudWatch: what was on the wire, and what if it fails.

with Proxy(upstream) as proxy:
    proxy.on("PutMetricData", error("Throttling", 400, "Rate exceeded"), times=2)
    ...
    assert proxy.calls("PutMetricData")
"""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import cbor2

from support.servers import free_port, wait_until

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "date", "server"}


@dataclass
class Answer:
    """What went back to the caller."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Call:
    """One call as it was on the wire."""

    operation: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes  # as sent, perhaps compressed
    received_at: float
    answer: Answer | None = None  # None while unanswered and for ever when the answer was withheld

    @property
    def accepted(self) -> bool:
        return self.answer is not None and self.answer.status == 200

    @property
    def service(self) -> str:
        if self.path.startswith("/service/GraniteServiceVersion20100801/"):
            return "cloudwatch"
        return "logs" if self.headers.get("x-amz-target", "").startswith("Logs_20140328.") else "sts"

    @cached_property
    def plain_body(self) -> bytes:
        return gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body

    @cached_property
    def params(self) -> dict[str, Any]:
        """The operation's input, in botocore's names and types."""
        if self.service == "cloudwatch":
            return dict(cbor2.loads(self.plain_body))
        return dict(json.loads(self.plain_body) if self.service == "logs" else parse_qsl(self.plain_body.decode()))


@dataclass(frozen=True)
class Exchange:
    """A call under way, as a fault sees it."""

    call: Call
    connection: socket.socket
    forward: Callable[[Call], Answer]
    ended: threading.Event


Fault = Callable[[Exchange], Answer | None]
"""What to do with a call: the answer to give, or None when the connection is finished with."""


def passing(exchange: Exchange) -> Answer:
    return exchange.forward(exchange.call)


def hang(exchange: Exchange) -> None:
    """Take the call and never answer."""
    exchange.ended.wait()


def reset(exchange: Exchange) -> None:
    """Break the connection with a TCP reset, the call not done."""
    exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def lose_answer(exchange: Exchange) -> None:
    """Pass the call on, then break the connection: the caller gets no response."""
    exchange.forward(exchange.call)
    reset(exchange)


REQUEST_ID = "0f5c8a4e-7d6b-4c1e-9a42-000000000000"


def json_answer(value: object) -> Answer:
    """A success of CloudWatch Logs with this output."""
    headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": REQUEST_ID}
    return Answer(200, headers, json.dumps(value).encode())


def cbor_answer(value: object) -> Answer:
    """A success of CloudWatch with this output."""
    headers = {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor", "x-amzn-RequestId": REQUEST_ID}
    return Answer(200, headers, cbor2.dumps(value))


def error(code: str, status: int, message: str = "as the test ordered") -> Fault:
    """AWS's error `code` in the protocol of the call."""

    def fault(exchange: Exchange) -> Answer:
        service = exchange.call.service
        by_aws = {"x-amzn-RequestId": REQUEST_ID}
        if service == "cloudwatch":
            who = "Sender" if status < 500 else "Receiver"
            headers = by_aws | {
                "Content-Type": "application/cbor",
                "smithy-protocol": "rpc-v2-cbor",
                "x-amzn-query-error": f"{code};{who}",
            }
            return Answer(
                status, headers, cbor2.dumps({"__type": f"com.amazonaws.cloudwatch#{code}", "message": message})
            )
        if service == "logs":
            headers = by_aws | {"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": code}
            return Answer(status, headers, json.dumps({"__type": code, "message": message}).encode())
        text = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        return Answer(status, by_aws | {"Content-Type": "text/xml"}, text.encode())

    return fault


@dataclass
class _Rule:
    operation: str
    fault: Fault
    times: float


class Proxy:
    """Listens on a free loopback port from `__enter__` to `__exit__`; a fault stands until its `times` are used up."""

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream).netloc
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []
        self._calls: list[Call] = []
        self._ended = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self._open: set[socket.socket] = set()
        # From the reserved range, so that no outgoing connection gets it while the proxy refuses calls.
        self._port = free_port()

    # What the test asks and orders

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def calls(self, *operations: str) -> list[Call]:
        """The calls so far in their order, of these operations or of all."""
        with self._lock:
            return [call for call in self._calls if not operations or call.operation in operations]

    def publishing(self) -> list[Call]:
        """All calls except `GetCallerIdentity`, which a test makes at any time."""
        return [call for call in self.calls() if call.operation != "GetCallerIdentity"]

    def on(self, operation: str, fault: Fault, times: float = float("inf")) -> None:
        """From now on do `fault` with the next `times` calls of `operation` (`*` is any). The newest order counts."""
        with self._lock:
            self._rules.insert(0, _Rule(operation, fault, times))

    def stop_faults(self) -> None:
        """Back to passing everything on; what hangs stays hanging."""
        with self._lock:
            self._rules.clear()

    def wait_for_hanging(self) -> None:
        """Wait until only hanging calls have open connections, so that a new fault applies only to later calls."""
        wait_until(lambda: self._unanswered() == len(self._open), "the callers have ended")

    def _unanswered(self) -> int:
        return sum(call.answer is None for call in self.calls())

    def refuse(self) -> None:
        """Close the port and every connection: callers are refused until `listen`."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def listen(self) -> None:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def handle(self) -> None:
                with suppress(OSError):  # the caller went away
                    super().handle()

            def finish(self) -> None:
                with suppress(OSError):
                    super().finish()

            def do_POST(self) -> None:
                proxy._handle(self)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def process_request(self, request: Any, client_address: Any) -> None:
                with proxy._lock:
                    proxy._open.add(request)
                super().process_request(request, client_address)

            def shutdown_request(self, request: Any) -> None:
                with proxy._lock:
                    proxy._open.discard(request)
                super().shutdown_request(request)

        self._server = Server(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self) -> Self:
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.refuse()

    # What it does with a call

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        body = _read_body(handler, headers)
        call = Call(_operation(handler.path, headers, body), handler.path, headers, body, time.time())
        with self._lock:
            self._calls.append(call)
            fault = self._fault_for(call.operation)
        answer = fault(Exchange(call, handler.request, self._forward, self._ended))
        if answer is None:
            handler.close_connection = True
            handler.request.close()  # the handler's files hold the socket open; closed with them
            return
        call.answer = answer
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        handler.wfile.write(answer.body)

    def _fault_for(self, operation: str) -> Fault:
        for rule in self._rules:
            if rule.operation in ("*", operation) and rule.times > 0:
                rule.times -= 1
                return rule.fault
        return passing

    def _forward(self, call: Call) -> Answer:
        upstream = http.client.HTTPConnection(self._upstream, timeout=60)
        try:
            headers = {name: value for name, value in call.headers.items() if name not in HOP_BY_HOP}
            upstream.request("POST", call.path, call.body, headers)
            response = upstream.getresponse()
            kept = {name: value for name, value in response.getheaders() if name.lower() not in HOP_BY_HOP}
            return Answer(response.status, kept, response.read())
        finally:
            upstream.close()


def _read_body(handler: BaseHTTPRequestHandler, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return handler.rfile.read(int(headers.get("content-length", 0)))
    body = b""
    while size := int(handler.rfile.readline().split(b";")[0], 16):
        body += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    return body


def _operation(path: str, headers: Mapping[str, str], body: bytes) -> str:
    if "/operation/" in path:
        return path.rsplit("/", 1)[1]
    if target := headers.get("x-amz-target"):
        return target.rsplit(".", 1)[1]
    return dict(parse_qsl(body.decode("latin-1"))).get("Action", "?")
