"""The service that `load.py` loads, which costs little: the same answer to every request, on a free loopback port.

It prints its URL once it listens, and lives as long as the pipe to its standard input.
"""

import asyncio
import os
import threading

BODY = b"." * 6_000
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


class Answer(asyncio.Protocol):
    """One connection. A request is what ends in an empty line, as GETs do."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection to answer on."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's types say less than it promises
        self.transport = transport
        self.begun = b""

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        *requests, self.begun = (self.begun + data).split(b"\r\n\r\n")
        self.transport.write(ANSWER * len(requests))


def leave_with_parent() -> None:
    """End when the parent closes the pipe, or is gone."""
    os.read(0, 1)
    os._exit(0)


async def main() -> None:
    """Listen."""
    server = await asyncio.get_running_loop().create_server(Answer, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    threading.Thread(target=leave_with_parent, daemon=True).start()
    asyncio.run(main())
