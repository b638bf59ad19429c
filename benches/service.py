"""The service under test of `load.py`: a cheap HTTP server on a free loopback port, with one response for all requests.

It prints its URL once it listens, and exits when its standard input is closed.
"""

import asyncio
import os
import threading

BODY = b"." * 6_000
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


class Answer(asyncio.Protocol):
    """A connection. A request ends with an empty line, as a GET does."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's type is wider
        self.transport = transport
        self.begun = b""

    def data_received(self, data: bytes) -> None:
        """Respond to each complete request."""
        *requests, self.begun = (self.begun + data).split(b"\r\n\r\n")
        self.transport.write(ANSWER * len(requests))


def leave_with_parent() -> None:
    """Exit when the parent closes the pipe or has exited."""
    os.read(0, 1)
    os._exit(0)


async def main() -> None:
    """Start the server."""
    server = await asyncio.get_running_loop().create_server(Answer, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    threading.Thread(target=leave_with_parent, daemon=True).start()
    asyncio.run(main())
