"""A cheap CloudWatch that accepts everything at once, on a free loopback port.

    python benches/sink.py FOLDER [--keep]

It answers every call like a successful one, CBOR with CBOR, JSON with JSON and OTLP over HTTP with OTLP, and decodes
nothing. It prints its URL once it listens, and exits when its standard input is closed. At exit, it writes `calls.json`
to the folder, and with `--keep` also each body, named after the number of its call. A record of a call has the path of
the endpoint URL, so that publishers can be distinguished.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

CBOR = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/cbor\r\nsmithy-protocol: rpc-v2-cbor\r\n"
    b"x-amzn-requestid: 0\r\n"
    b"content-length: 1\r\n\r\n\xa0"
)
JSON = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\nx-amzn-requestid: 0\r\ncontent-length: 2\r\n\r\n{}"
)
OTLP = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n"
"""The empty message: everything was accepted."""
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

OTLP_OPERATIONS = {"/v1/metrics": "ExportMetrics", "/v1/traces": "ExportTraces", "/v1/logs": "ExportLogs"}
"""By the end of the path."""

OPTIONS = {"local": True}
"""Options of the core for fake credentials and a Region."""

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "us-east-1"}
"""The same as environment variables, for programs."""


@dataclass(frozen=True)
class Call:
    """The record of a call."""

    operation: str
    prefix: str
    """The path of the endpoint's URL, without slashes."""
    time: float
    """When the request was complete, in seconds since the epoch."""
    head_bytes: int
    body_bytes: int
    """Bytes as sent, possibly compressed."""
    encoding: str


class Record:
    """The calls so far, and the folder of their bodies."""

    def __init__(self, folder: Path, *, keep: bool) -> None:
        """Start without calls."""
        self.folder = folder
        self.keep = keep
        self.calls: list[Call] = []

    def add(self, call: Call, body: list[bytes]) -> None:
        """Record a call."""
        if self.keep:
            (self.folder / str(len(self.calls))).write_bytes(b"".join(body))
        self.calls.append(call)

    def write(self) -> None:
        """Write the calls to the folder."""
        (self.folder / "calls.json").write_text(json.dumps([asdict(call) for call in self.calls]), encoding="utf-8")


class Answer(asyncio.Protocol):
    """A connection."""

    def __init__(self, record: Record) -> None:
        """Start between two requests."""
        self.record = record
        self.head = b""
        self.headers: dict[str, str] = {}
        self.body: list[bytes] = []
        self.lacking: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's type is wider
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Read, and respond to each complete request."""
        while data:
            if self.lacking is None:
                head, end, data = (self.head + data).partition(b"\r\n\r\n")
                if not end:
                    self.head = head
                    return
                self.begin(head + end)
            assert self.lacking is not None  # noqa: S101 - set by `begin`
            taken, data = data[: self.lacking], data[self.lacking :]
            self.lacking -= len(taken)
            if self.record.keep:
                self.body.append(taken)
            if self.lacking == 0:
                self.end()

    def begin(self, head: bytes) -> None:
        """Parse the headers of a request."""
        self.head = head
        lines = head.decode("latin-1").split("\r\n")
        self.path = lines[0].split(" ")[1]
        fields = [line.partition(":") for line in lines[1:]]
        self.headers = {name.lower(): value.strip() for name, _, value in fields}
        self.lacking = int(self.headers.get("content-length", "0"))
        if "expect" in self.headers:
            self.transport.write(CONTINUE)

    def end(self) -> None:
        """Respond, and reset for the next request."""
        operation, answer = self.operation()
        call = Call(
            operation=operation,
            prefix=self.path.partition("/service/")[0].strip("/"),
            time=time.time(),
            head_bytes=len(self.head),
            body_bytes=int(self.headers.get("content-length", "0")),
            encoding=self.headers.get("content-encoding", ""),
        )
        self.record.add(call, self.body)
        self.transport.write(answer)
        self.head, self.body, self.lacking = b"", [], None

    def operation(self) -> tuple[str, bytes]:
        """The operation of the request, and the response to it."""
        if "smithy-protocol" in self.headers:
            return self.path.rpartition("/")[2], CBOR
        for path, operation in OTLP_OPERATIONS.items():
            if self.path.endswith(path):
                return operation, OTLP
        return self.headers.get("x-amz-target", "").rpartition(".")[2], JSON


class Sink:
    """A sink in its own process, as a context manager."""

    def __init__(self, *, keep: bool = False) -> None:
        """Prepare the sink; with `keep`, it stores bodies."""
        self._folder = tempfile.TemporaryDirectory(prefix="locust-cw-sink-")
        self._process = subprocess.Popen(  # noqa: S603 - this file
            [sys.executable, __file__, self._folder.name, *(["--keep"] if keep else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout  # noqa: S101 - a pipe
        self.url = self._process.stdout.readline().strip()

    def __enter__(self) -> Self:
        """Start the process."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process, and delete its files."""
        self.stop()
        self._folder.cleanup()

    def stop(self) -> list[Call]:
        """End the process, and return its calls."""
        if self._process.poll() is None:
            self._process.communicate()
        return [Call(**call) for call in json.loads((Path(self._folder.name) / "calls.json").read_text())]

    def body(self, number: int) -> bytes:
        """The body of a call as sent; needs `keep`."""
        return (Path(self._folder.name) / str(number)).read_bytes()


async def serve(record: Record) -> None:
    """Start the server."""
    server = await asyncio.get_running_loop().create_server(lambda: Answer(record), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    """Accept calls until the parent closes the pipe or has exited."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder for the record of the calls")
    parser.add_argument("--keep", action="store_true", help="store the bodies too")
    arguments = parser.parse_args()
    record = Record(arguments.folder, keep=arguments.keep)

    def leave_with_parent() -> None:
        os.read(0, 1)
        record.write()
        os._exit(0)

    threading.Thread(target=leave_with_parent, daemon=True).start()
    asyncio.run(serve(record))


if __name__ == "__main__":
    main()
