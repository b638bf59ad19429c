"""Certificate authorities: those of the user and of the machine, and what is wrong with a certificate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from locust_cw import _core
from support.credential_users import KEYS, configure
from support.fixtures import Aws
from support.locust_run import run_python
from support.servers import REGION
from support.tls import Authority, tls_in_front_of

pytestmark = pytest.mark.usefixtures("no_aws_settings")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    folder = tmp_path / "authority"
    folder.mkdir()
    return Authority(folder)


def ask(url: str, **options: Any) -> Any:
    return _core.Account({"endpoint_url": url, "region": REGION, **options}).call("GetCallerIdentity", {}).result()


@pytest.mark.parametrize("source", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "ca_bundle"])
def test_a_bundle_of_certificate_authorities_is_used(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: Authority, source: str
) -> None:
    profile = KEYS.format("AKIADEFAULT")
    with tls_in_front_of(aws.proxy.url, authority.issue("localhost")) as url:
        configure(tmp_path, profile)
        with pytest.raises(_core.AwsError, match=r"is not trusted.*AWS_CA_BUNDLE") as seen:
            ask(url)
        assert (seen.value.code, seen.value.is_transient) == ("Untrusted", False)
        # Text around certificates, and a damaged one, are no reason to refuse the file.
        text = "Test CA\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        bundle = tmp_path / "bundle.pem"
        bundle.write_text(text + authority.bundle.read_text())
        if source == "ca_bundle":
            configure(tmp_path, f"{profile}ca_bundle = {bundle}\n")
        else:
            monkeypatch.setenv(source, str(bundle))
        assert ask(url)["Account"] == "000000000000"


def test_the_bundle_of_aws_takes_precedence(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    configure(tmp_path, f"{KEYS.format('AKIADEFAULT')}ca_bundle = {Authority(other).bundle}\n")
    with tls_in_front_of(aws.proxy.url, authority.issue("localhost")) as url:
        with pytest.raises(_core.AwsError, match="not trusted"):
            ask(url)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.bundle))
        ask(url)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "cannot be read: No such file"), ("no certificate", "has no CA certificate in PEM form")],
)
def test_a_bundle_that_cannot_be_used_is_named(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, problem: str
) -> None:
    configure(tmp_path, KEYS.format("AKIADEFAULT"))
    bundle = tmp_path / "bundle.pem"
    if content:
        bundle.write_text(content)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    with pytest.raises(_core.AwsError, match=f"the CA bundle {bundle}, which AWS_CA_BUNDLE names, {problem}"):
        ask("https://localhost:1")
    ask(aws.proxy.url)  # without TLS, it is not needed


@pytest.mark.parametrize(
    ("name", "days", "problem"),
    [("other.example", 2, "for another host name"), ("localhost", -1, "has expired")],
)
def test_the_problem_with_a_certificate_is_named(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, name: str, days: int, problem: str
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.bundle))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    served = tls_in_front_of("http://localhost:1", authority.issue(name, days=days))
    with served as url, pytest.raises(_core.AwsError, match=problem):
        ask(url)


def test_missing_certificate_authorities_are_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    code = "from locust_cw import _core; _core.Account({'region': 'eu-north-1'}).call('GetCallerIdentity', {}).result()"
    # The authorities of the machine are read once in a process.
    ended = run_python(
        tmp_path, "-c", code, env={"SSL_CERT_FILE": str(empty), "SSL_CERT_DIR": None, "REQUESTS_CA_BUNDLE": None}
    )
    assert "there are no CA certificates on this machine" in ended.stderr, ended.stderr
    assert "AWS_CA_BUNDLE" in ended.stderr
