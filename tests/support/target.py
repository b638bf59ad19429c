"""The service under test: a small fast HTTP server in a process of its own. Prints its port, then serves until killed.

`/ok` and `/items/<n>` answer 200 with bodies of different sizes, `/slow/<ms>` 200 after so long, `/missing` 404,
`/broken` 500; `/_count` tells how many requests, itself left out, were served.
"""

from __future__ import annotations

import asyncio
import re

CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def _answer(status: str, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\nContent-Type: text/plain\r\n\r\n%s" % (
        status.encode(),
        len(body),
        body,
    )


class Target(asyncio.Protocol):
    """One keep-alive connection; pipelined requests are answered in order, except for slow ones."""

    served = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.pending = b""

    def data_received(self, data: bytes) -> None:
        self.pending += data
        while (end := self.pending.find(b"\r\n\r\n")) >= 0:
            head = self.pending[:end]
            length = CONTENT_LENGTH.search(head)
            stop = end + 4 + (int(length[1]) if length else 0)
            if len(self.pending) < stop:
                return
            self.pending = self.pending[stop:]
            path = head.split(b" ", 2)[1].decode()
            answer = self.answer(path)
            if path.startswith("/slow/"):
                delay_s = int(path.removeprefix("/slow/")) / 1000
                asyncio.get_running_loop().call_later(delay_s, self.transport.write, answer)
            else:
                self.transport.write(answer)

    def answer(self, path: str) -> bytes:
        if path == "/_count":
            return _answer("200 OK", str(Target.served).encode())
        Target.served += 1
        if path == "/ok" or path.startswith("/slow/"):
            return _answer("200 OK", b"fine")
        if path.startswith("/items/"):
            return _answer("200 OK", b"x" * (int(path.rsplit("/", 1)[1]) * 100))
        if path == "/broken":
            return _answer("500 Internal Server Error", b"oh no")
        return _answer("404 Not Found", b"")


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Target, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
