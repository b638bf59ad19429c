"""Sources of credentials: metadata services of instances and containers, credential processes and login sessions."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from support.servers import answering_with

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

    with answering_with(Handler) as url:
        running = Metadata(url)
        yield running


@dataclass
class CredentialProcess:
    """A program that prints credentials after a while, and writes down when it starts and ends."""

    folder: Path
    seconds: float = 0
    output: str = '{"Version": 1, "AccessKeyId": "AKIAPROCESS", "SecretAccessKey": "secret"}'
    exit_code: int = 0

    @property
    def command(self) -> str:
        """What the profile names."""
        script = self.folder / "credential-process"
        script.write_text(
            f"#!/bin/sh\necho start >> {self._log}\nsleep {self.seconds}\necho end >> {self._log}\n"
            f"echo '{self.output}'\necho 'log in first' >&2\nexit {self.exit_code}\n"
        )
        script.chmod(0o755)
        return str(script)

    @property
    def profile(self) -> str:
        """The AWS configuration file, with the profile `corp`."""
        return f"[profile corp]\nregion = eu-north-1\ncredential_process = {self.command}\n"

    @property
    def _log(self) -> Path:
        return self.folder / "credential-process.log"

    @property
    def starts(self) -> int:
        """How often it was started."""
        return self._lines.count("start")

    @property
    def most_at_once(self) -> int:
        """The most of them that ran at the same time."""
        running = most = 0
        for line in self._lines:
            running += 1 if line == "start" else -1
            most = max(most, running)
        return most

    @property
    def _lines(self) -> list[str]:
        return self._log.read_text().split() if self._log.exists() else []


@contextmanager
def sign_in(key: str) -> Iterator[str]:
    """AWS Sign-In: the URL of a server that gives the credentials of a login session for its refresh token."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert (self.path, asked["refreshToken"], bool(self.headers["DPoP"])) == ("/v1/token", "refresh", True)
            token = {"accessKeyId": key, "secretAccessKey": "secret", "sessionToken": "renewed"}
            answer = {"accessToken": token, "tokenType": "aws_sigv4", "expiresIn": 900, "refreshToken": "next"}
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with answering_with(Handler) as url:
        yield url


@dataclass
class IdentityCenter:
    """IAM Identity Center: who asked for what."""

    url: str
    asked: list[str] = field(default_factory=list)
    """The bearer tokens with which credentials of a role were asked for."""
    renewed: int = 0
    refuses: bool = False

    @property
    def env(self) -> dict[str, str]:
        """Variables that lead to it."""
        return {"AWS_ENDPOINT_URL_SSO": self.url, "AWS_ENDPOINT_URL_SSO_OIDC": self.url}


@contextmanager
def identity_center(key: str) -> Iterator[IdentityCenter]:
    """A server that gives the credentials of a role for a token, and a new token for a refresh token."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, value: dict[str, object]) -> None:
            body = json.dumps(
                value if not running.refuses else {"message": "Session token not found or invalid"}
            ).encode()
            self.send_response(401 if running.refuses else 200)
            if running.refuses:
                self.send_header("x-amzn-ErrorType", "UnauthorizedException")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            assert self.path.startswith("/federation/credentials?"), self.path
            assert "role_name=Tester" in self.path
            running.asked.append(self.headers["x-amz-sso_bearer_token"])
            until = datetime.now(UTC) + timedelta(hours=1)
            role = {"accessKeyId": key, "secretAccessKey": "secret", "sessionToken": "session"}
            self._answer({"roleCredentials": {**role, "expiration": round(until.timestamp() * 1000)}})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert (self.path, asked["grantType"], asked["refreshToken"]) == ("/token", "refresh_token", "refresh")
            running.renewed += 1
            self._answer({"accessToken": "renewed", "expiresIn": 3600, "refreshToken": "next", "tokenType": "Bearer"})

        def log_message(self, *_: object) -> None:
            pass

    with answering_with(Handler) as url:
        running = IdentityCenter(url)
        yield running


def sso_session(home: Path, name: str, expires: datetime) -> None:
    """Write what `aws sso login` leaves behind, for a session or, in profiles without one, a start URL."""
    cache = home / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    token = {
        "startUrl": "https://corp.awsapps.com/start",
        "region": "eu-west-1",
        "accessToken": "cached",
        "expiresAt": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "clientId": "client",
        "clientSecret": "secret",
        "refreshToken": "refresh",
        "registrationExpiresAt": (expires + timedelta(days=90)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    # The AWS CLI's name of the file.
    digest = hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()
    (cache / f"{digest}.json").write_text(json.dumps(token))


def private_key() -> str:
    """An elliptic-curve key as OpenSSL writes it."""
    command = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def login_session(cache: Path, session: str, key: str, expires: datetime) -> None:
    """Write what `aws login` leaves behind."""
    cache.mkdir(parents=True)
    token = {
        "accessToken": {
            "accessKeyId": key,
            "secretAccessKey": "secret",
            "sessionToken": "session",
            "accountId": "000000000000",
            "expiresAt": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
        "tokenType": "aws_sigv4",
        "refreshToken": "refresh",
        "clientId": "arn:aws:signin:::devtools/same-device",
        "dpopKey": private_key(),
    }
    (cache / f"{hashlib.sha256(session.encode()).hexdigest()}.json").write_text(json.dumps(token))
