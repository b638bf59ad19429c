"""Credentials from each source: loaded in time, shared by all callers, renewed, and explained if unusable."""

from __future__ import annotations

import json
import os
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from locust_cw import Publisher, _core
from support.credentials import (
    CredentialProcess,
    identity_center,
    login_session,
    metadata,
    sign_in,
    sso_session,
)
from support.fixtures import Aws, Locust
from support.locust_run import NO_KEYS, Receipt, run_python
from support.proxy import Answer, Exchange, Fault, Proxy, error
from support.servers import REGION, refused_url, wait_until
from support.tls import Authority, tls_in_front_of

HOST = "http://service.example"
KEYS = "[default]\naws_access_key_id = {}\naws_secret_access_key = secret\n"
ROLE = "arn:aws:iam::000000000000:role/LoadTest"
INTERNAL = re.compile(r"cargo|feature|already taken|provider|unhandled", re.IGNORECASE)
"""Words of the SDK that no message may have."""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only the AWS settings of a test, and its own home folder."""
    for name in [name for name in os.environ if name.startswith("AWS_") or name == "REQUESTS_CA_BUNDLE"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))


def configure(folder: Path, text: str, name: str = "config") -> Path:
    path = folder / ".aws" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def caller(aws: Aws, **options: Any) -> Any:
    return _core.Account({"endpoint_url": aws.proxy.url, **options}).call("GetCallerIdentity", {}).result()


def keys(proxy: Proxy, *operations: str) -> list[str]:
    """The access keys that signed the calls."""
    signed = [re.search(r"Credential=([^/]+)/", call.headers["authorization"]) for call in proxy.calls(*operations)]
    return [found[1] for found in signed if found]


def publisher(aws: Aws, folder: Path, **options: Any) -> Publisher:
    return Publisher(host=HOST, flush_interval=1, spool_dir=str(folder / "spool"), **aws.in_python, **options)


def receipt_of(publisher: Publisher) -> Receipt:
    receipt = publisher.close()
    assert receipt
    return Receipt(receipt.json)


def delivered(publisher: Publisher) -> Receipt:
    """The receipt of a run that was delivered completely."""
    receipt = receipt_of(publisher)
    for group in ("requests", "log_events"):
        assert receipt[group]["delivered"] == receipt[group]["observed"] > 0, receipt.fields
    return receipt


# A1: a slow credential process


def test_a_slow_credential_process_runs_once_for_all_callers(aws: Aws, tmp_path: Path) -> None:
    process = CredentialProcess(tmp_path, seconds=12)
    configure(tmp_path, process.profile)
    run = publisher(aws, tmp_path, profile="corp")
    run.record("GET", "/", 1.0)
    # As the startup summary, the dashboard and the links of the web UI do.
    accounts = [_core.Account({**aws.in_python, "profile": "corp"}) for _ in range(3)]
    calls = [account.call("GetCallerIdentity", {}) for account in accounts]
    wait_until(lambda: process.starts, "the process runs")
    cause = "the credential_process of profile corp"
    wait_until(lambda: {account.waits_for_credentials for account in accounts} == {cause}, "all calls wait for it")
    assert run.flush(40)
    assert {account.waits_for_credentials for account in accounts} == {None}
    assert {call.result()["Account"] for call in calls} == {"000000000000"}
    receipt = delivered(run)
    assert (process.starts, process.most_at_once) == (1, 1)
    assert set(keys(aws.proxy)) == {"AKIAPROCESS"}
    assert (receipt["uncertain"], receipt["retries"]) == (0, 0)
    assert receipt["api_calls"]["PutMetricData"] == len(aws.proxy.calls("PutMetricData"))


def test_a_run_that_ends_while_it_waits_for_credentials_has_made_no_call(aws: Aws, tmp_path: Path) -> None:
    process = CredentialProcess(tmp_path, seconds=20)
    configure(tmp_path, process.profile)
    run = publisher(aws, tmp_path, profile="corp", drain_timeout=2)
    run.record("GET", "/", 1.0)
    wait_until(lambda: process.starts, "the process runs")
    receipt = receipt_of(run)
    assert receipt["requests"]["spooled"] == receipt["requests"]["observed"] == 1
    assert receipt["api_calls"] == {"PutMetricData": 0, "PutLogEvents": 0}
    assert (receipt["uncertain"], receipt["retries"]) == (0, 0)
    assert not aws.proxy.calls()


@pytest.mark.long
def test_a_failing_credential_process_is_named_and_not_restarted_at_once(
    aws: Aws, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    process = CredentialProcess(tmp_path, exit_code=3)
    configure(tmp_path, process.profile)
    run = publisher(aws, tmp_path, profile="corp", drain_timeout=0)
    run.record("GET", "/", 1.0)
    failure = "the credential_process of profile corp returned no credentials: it failed with exit status: 3"
    wait_until(lambda: failure in caplog.text, "the failure is logged")
    receipt = receipt_of(run)
    assert receipt["api_calls"] == {"PutMetricData": 0, "PutLogEvents": 0}
    assert "log in first" in caplog.text
    assert "network" not in caplog.text
    assert process.starts <= 2, "once for all callers, in this time"


@pytest.mark.long
def test_locust_its_summary_and_its_dashboard_share_the_credential_process(
    aws: Aws, locust: Locust, tmp_path: Path
) -> None:
    process = CredentialProcess(tmp_path, seconds=9)
    env: dict[str, str | None] = {**NO_KEYS, "AWS_PROFILE": "corp", "AWS_REGION": REGION}
    options = ("--cw-live", "--cw-dashboard=shared", "-t", "15s", "--host", HOST)
    run = locust.run("reaping.py", *options, env=env, files={".aws/config": process.profile})
    run.receipt.check_delivered()
    assert (process.starts, process.most_at_once) == (1, 1)
    assert aws.proxy.calls("PutDashboard")
    assert "identity unknown: no response from the credential_process of profile corp within 4 s" in run.err


# A2: child processes that others reap


@pytest.mark.parametrize("processes", [[], ["--processes", "2"]], ids=["one process", "forked workers"])
def test_a_credential_process_may_be_reaped_by_gevent(locust: Locust, tmp_path: Path, processes: list[str]) -> None:
    process = CredentialProcess(tmp_path, seconds=0.3)
    env: dict[str, str | None] = {**NO_KEYS, "AWS_PROFILE": "corp", "AWS_REGION": REGION}
    options = ("--cw-live", "--cw-flush-interval=1", "-u", "2", "-t", "6s", "--host", HOST, *processes)
    run = locust.run("reaping.py", *options, env=env, files={".aws/config": process.profile})
    run.receipt.check_delivered()
    assert "No child processes" not in run.output
    assert "credential_process" not in run.output


# A3: credentials that are created or replaced while the test runs


def refused_unless(key: str, code: str) -> Fault:
    """AWS accepts only one access key."""

    def fault(exchange: Exchange) -> Answer | None:
        if f"Credential={key}/" in exchange.call.headers["authorization"]:
            return exchange.forward(exchange.call)
        return error(code, 403, "these credentials are not valid")(exchange)

    return fault


@pytest.mark.long
@pytest.mark.parametrize(
    ("before", "code"),
    [
        ("AKIAOLD", "ExpiredToken"),
        ("AKIAOLD", "InvalidClientTokenId"),
        ("AKIAOLD", "UnrecognizedClientException"),
        (None, ""),
    ],
    ids=["expired", "deleted", "not recognized", "created"],
)
def test_credentials_that_are_replaced_are_used_within_a_minute(
    aws: Aws, tmp_path: Path, before: str | None, code: str
) -> None:
    if before:
        configure(tmp_path, KEYS.format(before), "credentials")
        aws.proxy.on("*", refused_unless("AKIANEW", code))
    run = publisher(aws, tmp_path, region=REGION)
    run.record("GET", "/", 1.0)
    if before:
        wait_until(lambda: "AKIAOLD" in keys(aws.proxy, "PutMetricData"), "the first key was refused")
    else:
        assert not run.flush(3)
    configure(tmp_path, KEYS.format("AKIANEW"), "credentials")
    replaced = time.monotonic()
    wait_until(lambda: run.flush(5), "all is delivered", timeout=75)
    assert time.monotonic() - replaced < 70
    delivered(run)


@pytest.mark.long
def test_a_profile_that_is_created_while_the_test_runs_is_found(aws: Aws, tmp_path: Path) -> None:
    run = publisher(aws, tmp_path, profile="later", region=REGION)
    run.record("GET", "/", 1.0)
    assert not run.flush(3)
    configure(tmp_path, "[profile later]\naws_access_key_id = AKIALATER\naws_secret_access_key = secret\n")
    wait_until(lambda: run.flush(5), "all is delivered", timeout=75)
    assert set(keys(aws.proxy, "PutMetricData")) == {"AKIALATER"}
    delivered(run)


# A4: login sessions, MFA and the endpoint of STS


@pytest.mark.parametrize("is_valid", [True, False], ids=["valid", "expired"])
def test_a_login_session_is_used_and_renewed(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_valid: bool
) -> None:
    session = "arn:aws:sts::000000000000:assumed-role/Admin/me"
    configure(tmp_path, f"[profile console]\nregion = {REGION}\nlogin_session = {session}\n")
    expires = datetime.now(UTC) + (timedelta(hours=1) if is_valid else -timedelta(minutes=1))
    login_session(tmp_path / ".aws/login/cache", session, "ASIALOGIN", expires)
    with sign_in("ASIARENEWED") as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SIGNIN", url)
        caller(aws, profile="console")
    assert set(keys(aws.proxy)) == {"ASIALOGIN" if is_valid else "ASIARENEWED"}


SSO = """\
[profile session]
sso_session = corp
sso_account_id = 000000000000
sso_role_name = Tester
[sso-session corp]
sso_start_url = https://corp.awsapps.com/start
sso_region = eu-west-1
sso_registration_scopes = sso:account:access
[profile url]
sso_start_url = https://corp.awsapps.com/start
sso_region = eu-west-1
sso_account_id = 000000000000
sso_role_name = Tester
"""
SSO_CACHED_AS = {"session": "corp", "url": "https://corp.awsapps.com/start"}
"""What the cache of the AWS CLI knows the token of a profile by."""


@pytest.mark.parametrize(("profile", "is_valid"), [("session", True), ("session", False), ("url", True)])
def test_a_session_of_iam_identity_center_is_used_and_renewed(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str, *, is_valid: bool
) -> None:
    configure(tmp_path, SSO)
    sso_session(tmp_path, SSO_CACHED_AS[profile], datetime.now(UTC) + timedelta(minutes=60 if is_valid else -5))
    with identity_center("ASIASSO") as center:
        for name, value in center.env.items():
            monkeypatch.setenv(name, value)
        caller(aws, profile=profile, region=REGION)
        assert (center.asked, center.renewed) == ((["cached"], 0) if is_valid else (["renewed"], 1))
    assert set(keys(aws.proxy)) == {"ASIASSO"}


@pytest.mark.parametrize("profile", SSO_CACHED_AS)
def test_a_session_of_iam_identity_center_that_has_ended_is_explained(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    configure(tmp_path, SSO)
    sso_session(tmp_path, SSO_CACHED_AS[profile], datetime.now(UTC) - timedelta(minutes=5))
    with identity_center("ASIASSO") as center:
        center.refuses = True
        for name, value in center.env.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(_core.AwsError, match=f"aws sso login --profile {profile}") as refused:
            caller(aws, profile=profile, region=REGION)
    assert not INTERNAL.search(str(refused.value))
    assert not aws.proxy.calls()


PROFILES = f"""\
[profile source]
aws_access_key_id = AKIASOURCE
aws_secret_access_key = secret
[profile role]
role_arn = {ROLE}
source_profile = source
[profile mfa]
role_arn = {ROLE}
source_profile = source
mfa_serial = arn:aws:iam::000000000000:mfa/me
[profile web]
role_arn = {ROLE}
web_identity_token_file = {{token}}
[profile console]
login_session = arn:aws:sts::000000000000:assumed-role/Admin/me
[profile sso]
sso_session = corp
sso_account_id = 000000000000
sso_role_name = Tester
[sso-session corp]
sso_start_url = https://corp.awsapps.com/start
sso_region = eu-west-1
[profile empty]
region = eu-west-1
"""


@pytest.mark.parametrize(
    ("profile", "parts"),
    [
        ("mfa", ["profile mfa", "mfa_serial", "aws configure export-credentials --profile mfa"]),
        ("console", ["profile console", "aws login --profile console"]),
        ("sso", ["profile sso", "aws sso login --profile sso"]),
        ("empty", ["profile empty", "no credentials"]),
        ("nope", ["profile nope", "aws configure list-profiles"]),
    ],
)
def test_a_profile_that_cannot_be_used_is_explained(aws: Aws, tmp_path: Path, profile: str, parts: list[str]) -> None:
    configure(tmp_path, PROFILES)
    account = _core.Account({"endpoint_url": aws.proxy.url, "profile": profile, "region": REGION})
    # The second attempt says the same as the first.
    for _ in range(2):
        with pytest.raises(_core.AwsError) as refused:
            account.call("GetCallerIdentity", {}).result()
        message = str(refused.value)
        assert all(part in message for part in parts), message
        assert not INTERNAL.search(message), message
        assert (refused.value.code, refused.value.kind, refused.value.stage) == (
            "NoCredentials",
            "credentials",
            "credentials",
        )
    assert not aws.proxy.calls()


def test_without_credentials_the_message_names_the_sources(aws: Aws) -> None:
    with pytest.raises(_core.AwsError, match="in the environment, in profile default") as refused:
        caller(aws, region=REGION)
    assert not INTERNAL.search(str(refused.value))


@pytest.mark.parametrize(
    ("env", "part"),
    [
        ({"AWS_ACCESS_KEY_ID": "AKIATEST\n", "AWS_SECRET_ACCESS_KEY": "s3cr3t"}, "AWS_ACCESS_KEY_ID has a line break"),
        (
            {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "s3cr3t\n"},
            "AWS_SECRET_ACCESS_KEY has a line break",
        ),
        (
            {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "s3cr3t", "AWS_SESSION_TOKEN": "t0k3n\r\n"},
            "AWS_SESSION_TOKEN has a line break",
        ),
        ({"AWS_ACCESS_KEY_ID": "AKIATEST"}, "AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not"),
    ],
    ids=["key", "secret", "token", "no secret"],
)
def test_keys_that_cannot_be_used_are_named(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, env: dict[str, str], part: str
) -> None:
    """Values from a file often end in a line break. A profile with good keys does not replace them."""
    configure(tmp_path, KEYS.format("AKIADEFAULT"))
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    run = publisher(aws, tmp_path, region=REGION, drain_timeout=5)
    run.record("GET", "/", 1.0)
    with pytest.raises(_core.AwsError, match=part) as refused:
        caller(aws, region=REGION)
    assert not INTERNAL.search(str(refused.value))
    assert not any(value.strip() in str(refused.value) for value in env.values())
    receipt = receipt_of(run)
    assert receipt["requests"]["spooled"] == receipt["requests"]["observed"] == 1
    assert not aws.proxy.calls()


@pytest.mark.parametrize("profile", ["role", "web"])
def test_a_role_of_a_profile_is_assumed_at_the_endpoint_of_all_calls(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    token = tmp_path / "token"
    token.write_text("a token\n")
    configure(tmp_path, PROFILES.format(token=token))
    with refused_url() as elsewhere:
        monkeypatch.setenv("AWS_ENDPOINT_URL", elsewhere)
        caller(aws, profile=profile, region=REGION)
    operation = "AssumeRole" if profile == "role" else "AssumeRoleWithWebIdentity"
    assert len(aws.proxy.calls(operation)) == 1


def test_a_role_that_may_not_be_assumed_is_named_with_the_remedy(aws: Aws, tmp_path: Path) -> None:
    configure(tmp_path, PROFILES)
    aws.proxy.on("AssumeRole", error("AccessDenied", 403, "not you"))
    with pytest.raises(_core.AwsError, match=f"AssumeRole .*{ROLE}.*AccessDenied.*IAM policy") as refused:
        caller(aws, profile="role", region=REGION)
    assert not INTERNAL.search(str(refused.value))


# A6: empty variables


@pytest.mark.parametrize(
    "name",
    [
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_CLOUDWATCH",
        "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS",
        "AWS_ENDPOINT_URL_STS",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_TOKEN",
        "AWS_ROLE_ARN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CA_BUNDLE",
        "REQUESTS_CA_BUNDLE",
        "AWS_USE_FIPS_ENDPOINT",
        "AWS_USE_DUALSTACK_ENDPOINT",
    ],
)
def test_an_empty_variable_counts_as_unset(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    profile = f"{KEYS.format('AKIADEFAULT')}region = eu-central-1\nendpoint_url = {aws.proxy.url}\n"
    configure(tmp_path, profile)
    monkeypatch.setenv(name, "")
    _core.Account({}).call("GetCallerIdentity", {}).result()
    (call,) = aws.proxy.calls("GetCallerIdentity")
    assert re.search(r"Credential=AKIADEFAULT/\d+/eu-central-1/", call.headers["authorization"])


@pytest.mark.parametrize(
    "variables",
    [
        {"AWS_REGION": "not a region"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:1\n"},
        {"AWS_ENDPOINT_URL": "localhost:4566"},
    ],
    ids=["Region", "line break", "no URL"],
)
def test_a_call_that_cannot_be_built_is_reported_once_and_not_repeated(
    aws: Aws,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
) -> None:
    configure(tmp_path, KEYS.format("AKIADEFAULT"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    region = None if "AWS_REGION" in variables else REGION
    options = {**aws.in_python, "region": region, "endpoint_url": None}
    run = Publisher(host=HOST, flush_interval=1, spool_dir=str(tmp_path / "spool"), **options)
    run.record("GET", "/", 1.0)
    receipt = receipt_of(run)
    # The drain does not repeat it.
    assert (receipt["retries"] <= 2, receipt["uncertain"]) == (True, 0)
    assert receipt["requests"]["spooled"] == 1
    problems = [record for record in caplog.records if record.levelname in ("ERROR", "WARNING")]
    assert sum("could not be built" in record.getMessage() for record in problems) == 1, caplog.text


# Sources that are not files


def test_the_role_of_a_container_is_used(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    with metadata() as roles:
        for name, value in roles.ecs.items():
            monkeypatch.setenv(name, str(value))
        caller(aws, region=REGION)
    assert keys(aws.proxy) == ["ASIAROLE"]


def test_the_role_of_an_instance_is_used(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    with metadata() as roles:
        for name, value in roles.instance.items():
            if value is None:
                monkeypatch.delenv(name)
            else:
                monkeypatch.setenv(name, value)
        caller(aws, region=REGION)
    assert keys(aws.proxy) == ["ASIAROLE"]


def test_a_credential_process_runs_again_before_its_credentials_expire(aws: Aws, tmp_path: Path) -> None:
    until = (datetime.now(UTC) + timedelta(seconds=16)).strftime("%Y-%m-%dT%H:%M:%SZ")
    output = json.loads(CredentialProcess(tmp_path).output) | {"Expiration": until}
    process = CredentialProcess(tmp_path, output=json.dumps(output))
    configure(tmp_path, process.profile)
    account = _core.Account({"endpoint_url": aws.proxy.url, "profile": "corp"})
    account.call("GetCallerIdentity", {}).result()
    name = {"DashboardName": "none"}

    def asked_again() -> bool:
        with pytest.raises(_core.AwsError):
            account.call("GetDashboard", name).result()
        return process.starts > 1

    wait_until(asked_again, "the process runs again", timeout=20)


# A5: certificate authorities


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
