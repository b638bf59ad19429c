"""Credentials of roles: a server on loopback that answers as the metadata services of instances and containers do."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROLE = "load-generator"
TOKEN = "a-token-for-the-agent-alone"  # noqa: S105 - the test's own


@dataclass
class Metadata:
    """What has been asked for, and where to ask."""

    url: str
    asked: list[str] = field(default_factory=list)

    @property
    def ecs(self) -> dict[str, str | None]:
        """The environment of a container on ECS."""
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{self.url}/container",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": TOKEN,
        }

    def eks(self, token_file: str) -> dict[str, str | None]:
        """That of a pod on EKS."""
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{self.url}/container",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": token_file,
        }

    @property
    def instance(self) -> dict[str, str | None]:
        """That of an instance."""
        return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": self.url, "AWS_EC2_METADATA_DISABLED": None}


def _credentials() -> bytes:
    until = datetime.now(UTC) + timedelta(hours=6)
    return json.dumps(
        {
            "Code": "Success",
            "Type": "AWS-HMAC",
            "LastUpdated": "2026-01-01T00:00:00Z",
            "AccessKeyId": "ASIAROLE",
            "SecretAccessKey": "secret",
            "Token": "session",
            "Expiration": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    ).encode()


@contextmanager
def metadata(delay_s: float = 0) -> Iterator[Metadata]:
    """Answer for instances and containers until the block ends, each time after a delay."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self, body: bytes | None) -> None:
            running.asked.append(f"{self.command} {self.path}")
            time.sleep(delay_s)
            self.send_response(404 if body is None else 200)
            if self.path.endswith("/api/token"):
                self.send_header("x-aws-ec2-metadata-token-ttl-seconds", "21600")
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def do_PUT(self) -> None:
            self._answer(b"token" if self.path == "/latest/api/token" else None)

        def do_GET(self) -> None:
            if self.path == "/container":
                self._answer(_credentials() if self.headers.get("Authorization") == TOKEN else None)
            elif self.path.rstrip("/").endswith("security-credentials"):
                self._answer(ROLE.encode())
            elif self.path.endswith(f"/{ROLE}"):
                self._answer(_credentials())
            else:
                self._answer(None)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running = Metadata(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
