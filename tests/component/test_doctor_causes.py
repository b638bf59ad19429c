"""`locust-cw doctor` names the cause of each broken configuration and its remedy, and reports no other failure."""

from __future__ import annotations

import email.utils
import json
import os
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer

import pytest

from locust_cw._cli.doctor import examination, local_checks
from locust_cw._cli.doctor.check import Check
from locust_cw._cli.main import main
from support.answering import answering
from support.proxy import Answer, Exchange, Fault, Proxy, error, hang
from support.servers import refused_url
from support.tls import Authority, tls_in_front_of

ROLE = "arn:aws:iam::123456789012:role/LoadTest"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
NO_KEYS = dict.fromkeys(KEYS)


class Greeting(BaseRequestHandler):
    """A port at which another service listens."""

    def handle(self) -> None:
        self.request.recv(65536)
        self.request.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


class QuietServer(ThreadingTCPServer):
    """A server whose clients may abort the handshake."""

    def handle_error(self, *_: object) -> None:
        pass


@contextmanager
def unknown_certificate(folder: Path) -> Iterator[str]:
    """A TLS server whose certificate no CA of this machine has signed."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -days 2"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*made.split(), *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with QuietServer(("127.0.0.1", 0), Greeting) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@contextmanager
def another_service() -> Iterator[str]:
    with ThreadingTCPServer(("127.0.0.1", 0), Greeting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def page(status: int) -> Fault:
    """The response of a proxy or a captive portal instead of AWS."""

    def answer(_: Exchange) -> Answer:
        return Answer(status, {"Content-Type": "text/html"}, b"<html>a page</html>")

    return answer


def head(status: int, off_s: float = 0, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """The response to a request without a signature, from a server with a wrong clock."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response_only(status)
        handler.send_header("Date", email.utils.formatdate(time.time() + off_s, usegmt=True))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@dataclass(frozen=True)
class Broken:
    """A configuration with one fault.

    Attributes:
        fails: The checks that fail, and no others.
        text: Words in what the first of them found.
        remedy: Words in its remedy.
        args: Arguments of the command.
        env: Environment variables; None unsets one.
        faults: What the server does with operations.
        head: What the server answers to a request without a signature.
        url: The address in place of the server's.
        files: Files in the home folder.

    """

    fails: tuple[str, ...]
    text: str
    remedy: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str | None] = field(default_factory=dict)
    faults: Mapping[str, Fault] = field(default_factory=dict)
    head: Callable[[BaseHTTPRequestHandler], None] | None = None
    url: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)


ENDPOINTS = ("metrics endpoint", "logs endpoint")

BROKEN = {
    "no region": Broken(("region",), "no AWS region is configured", "AWS_REGION", env={"AWS_REGION": None}),
    "no credentials": Broken(("credentials",), "credential", "AWS_ACCESS_KEY_ID", env=NO_KEYS),
    "profile that does not exist": Broken(("credentials",), "profile blue", "profile", args=("--profile=blue",)),
    "profile without keys": Broken(
        ("credentials",),
        "profile empty",
        "profile",
        args=("--profile=empty",),
        env=NO_KEYS,
        files={"config": "[profile empty]\nregion = eu-north-1\n"},
    ),
    "key that does not exist": Broken(
        ("credentials",),
        "InvalidClientTokenId",
        "Check the credentials",
        faults={"GetCallerIdentity": error("InvalidClientTokenId", 403, "the token is invalid")},
    ),
    "wrong secret": Broken(
        ("credentials",),
        "SignatureDoesNotMatch",
        "AWS_SECRET_ACCESS_KEY",
        faults={"GetCallerIdentity": error("SignatureDoesNotMatch", 403, "the signature does not match")},
    ),
    "expired session": Broken(
        ("credentials",),
        "ExpiredToken",
        "new credentials",
        faults={"GetCallerIdentity": error("ExpiredToken", 403, "the token is expired")},
    ),
    "role that refuses": Broken(
        ("credentials",),
        "not you",
        "sts:AssumeRole",
        args=(f"--role-arn={ROLE}",),
        faults={"AssumeRole": error("AccessDenied", 403, "not you")},
    ),
    "wrong clock": Broken(("clock",), "clock is 360", "timedatectl", head=head(404, 3600)),  # and the time of the call
    "clock that AWS refuses": Broken(
        ("credentials",),
        "RequestTimeTooSkewed",
        "Set the clock",
        faults={"GetCallerIdentity": error("RequestTimeTooSkewed", 403, "too far off")},
    ),
    "endpoint without a server": Broken(ENDPOINTS, "cannot be reached", "--endpoint-url", url="refused"),
    "endpoint without a DNS name": Broken(ENDPOINTS, "cannot be reached", "DNS", url="http://nowhere.invalid"),
    "port of another service": Broken(ENDPOINTS, "does not speak HTTP", "--endpoint-url", url="ssh"),
    "HTTPS to a port that speaks HTTP": Broken(ENDPOINTS, "SSL", "http://", url="https"),
    "CA bundle that does not exist": Broken(
        ENDPOINTS,
        "AWS_CA_BUNDLE names the file /no/such/ca.pem",
        "AWS_CA_BUNDLE",
        env={"AWS_CA_BUNDLE": "/no/such/ca.pem"},
        url="https",
    ),
    "CA bundle of the profile that does not exist": Broken(
        ENDPOINTS,
        "ca_bundle names the file /no/such/ca.pem",
        "unset ca_bundle",
        url="https",
        files={"config": "[default]\nca_bundle = /no/such/ca.pem\n"},
    ),
    "certificate of an unknown CA": Broken(ENDPOINTS, "certificate verify failed", "AWS_CA_BUNDLE", url="tls"),
    "proxy without a server": Broken(
        ENDPOINTS,
        "https://monitoring.eu-north-1.amazonaws.com cannot be reached",
        "proxy",
        env={"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": None},
        url="",
    ),
    "proxy that answers 503": Broken(
        ENDPOINTS, "a proxy or gateway answered in its place, with HTTP 503", "HTTPS_PROXY", head=head(503, 3600)
    ),
    "proxy that asks for a password": Broken(
        ENDPOINTS, "a proxy or gateway answered in its place, with HTTP 407", "HTTPS_PROXY", head=head(407)
    ),
    "captive portal": Broken(("credentials",), "was not answered by AWS", "--endpoint-url", faults={"*": page(200)}),
    "server that does not respond": Broken(
        ("metrics",), "got no response", "network", args=("--logs=off",), faults={"PutMetricData": hang}
    ),
    "no permission for metrics": Broken(
        ("metrics",),
        "AccessDenied",
        "cloudwatch:PutMetricData",
        faults={"PutMetricData": error("AccessDenied", 403, "not allowed")},
    ),
    "no permission for log events": Broken(
        ("logs",),
        "AccessDenied",
        "logs:PutLogEvents",
        faults={"PutLogEvents": error("AccessDeniedException", 400, "not allowed")},
    ),
    "no permission for the dashboard": Broken(
        ("dashboard",),
        "AccessDenied",
        "locust-cw policy --dashboard Board",
        args=("--dashboard=Board",),
        faults={"PutDashboard": error("AccessDenied", 403, "not allowed")},
    ),
    "alarm in another region": Broken(("alarms",), "no alarm b", "region", args=("--stop-on-alarm=b",)),
    "too many calls": Broken(
        ("metrics",),
        "Throttling",
        "again",
        faults={"PutMetricData": error("Throttling", 400, "Rate exceeded")},
    ),
    "spool folder that is a file": Broken(
        ("spool",), "cannot be written", "--spool-dir", args=("--spool-dir=file/spool",), files={"file": ""}
    ),
}


@pytest.fixture
def aws() -> Iterator[Proxy]:
    with answering() as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the configuration of the test, and the authorities that all tests have.

    Locust is not imported, because this takes a second.
    """
    for name in list(os.environ):
        if name.startswith(("AWS_", "LOCUST_", "XDG_", "REQUESTS_")) or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    env = {
        **KEYS,
        "AWS_REGION": "eu-north-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(examination, "check_locust", lambda: Check("locust", "ok", "Locust 2.47"))


def examine(capsys: pytest.CaptureFixture[str], *args: str) -> dict[str, dict[str, str | None]]:
    main(["doctor", "--json", *args])
    written = capsys.readouterr()
    assert written.out, written.err
    return {each["name"]: each for each in json.loads(written.out)["checks"]}


@contextmanager
def address(broken: Broken, aws: Proxy, folder: Path) -> Iterator[list[str]]:
    """The arguments for the endpoint."""
    if broken.url == "refused":
        with refused_url() as url:
            yield [f"--endpoint-url={url}"]
    elif broken.url == "tls":
        with unknown_certificate(folder) as url:
            yield [f"--endpoint-url={url}"]
    elif broken.url == "ssh":
        with another_service() as url:
            yield [f"--endpoint-url={url}"]
    elif broken.url == "https":
        yield [f"--endpoint-url={aws.url.replace('http:', 'https:')}"]
    elif broken.url == "":
        yield []
    else:
        yield [f"--endpoint-url={broken.url or aws.url}"]


@pytest.mark.parametrize("name", BROKEN)
def test_the_cause_is_named(
    aws: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    broken = BROKEN[name]
    for variable, value in broken.env.items():
        monkeypatch.delenv(variable, raising=False) if value is None else monkeypatch.setenv(variable, value)
    for file, text in broken.files.items():
        (tmp_path / file).write_text(text)
    for operation, fault in broken.faults.items():
        aws.on(operation, fault)
    if broken.head is not None:
        monkeypatch.setattr(BaseHTTPRequestHandler, "do_HEAD", broken.head, raising=False)
    with address(broken, aws, tmp_path) as where:
        checks = examine(capsys, *where, *broken.args)
    failed = [check for check in checks.values() if check["state"] == "failed"]
    assert [check["name"] for check in failed] == list(broken.fails), checks
    assert broken.text in str(failed[0]["text"])
    assert broken.remedy in str(failed[0]["remedy"])


def test_no_check_fails_in_a_working_configuration(aws: Proxy, capsys: pytest.CaptureFixture[str]) -> None:
    checks = examine(capsys, f"--endpoint-url={aws.url}", "--dashboard=Board", "--stop-on-alarm=a")
    assert {check["state"] for check in checks.values()} == {"ok"}, checks


@pytest.mark.parametrize("source", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "ca_bundle"])
def test_the_endpoints_are_checked_with_the_ca_bundle_of_the_environment_or_profile(
    aws: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    """The bundle of the profile is a folder here."""
    authority = Authority(tmp_path)
    (tmp_path / "bundle").mkdir()
    bundle = tmp_path / "bundle" / "ca.pem"
    bundle.write_text(authority.bundle.read_text())
    if source == "ca_bundle":
        (tmp_path / "config").write_text(f"[default]\nca_bundle = {bundle.parent}\n")
    else:
        monkeypatch.setenv(source, str(bundle))
    with tls_in_front_of(aws.url, authority.issue("localhost")) as url:
        checks = examine(capsys, f"--endpoint-url={url}")
    assert {check["state"] for check in checks.values()} == {"ok"}, checks


def test_the_clock_is_not_that_of_a_proxy(
    aws: Proxy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error of AWS itself, with a request ID, has the time of CloudWatch. A page of a proxy does not."""
    monkeypatch.setattr(BaseHTTPRequestHandler, "do_HEAD", head(503, 3600), raising=False)
    assert examine(capsys, f"--endpoint-url={aws.url}")["clock"]["state"] == "skipped"
    by_aws = head(503, 3600, **{"x-amzn-RequestId": "1"})
    monkeypatch.setattr(BaseHTTPRequestHandler, "do_HEAD", by_aws, raising=False)
    checks = examine(capsys, f"--endpoint-url={aws.url}")
    assert (checks["metrics endpoint"]["state"], checks["clock"]["state"]) == ("ok", "failed")


def test_a_locust_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/no/such/python")
    check = local_checks.check_locust()
    assert check.state == "failed"
    assert "Locust cannot be imported" in check.text
    assert "pip install" in str(check.remedy)
