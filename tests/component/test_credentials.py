"""Credentials from each source: loaded in time, renewed, and explained if unusable."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from locust_cw import Publisher, _core
from support.credential_users import (
    HOST,
    INTERNAL,
    KEYS,
    ROLE,
    caller,
    configure,
    delivered,
    keys,
    publisher,
    receipt_of,
)
from support.credentials import (
    identity_center,
    login_session,
    metadata,
    sign_in,
    sso_session,
)
from support.fixtures import Aws
from support.proxy import Answer, Exchange, Fault, error
from support.servers import REGION, refused_url, wait_until

pytestmark = pytest.mark.usefixtures("no_aws_settings")


# Credentials that are created or replaced while the test runs


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


# Login sessions, MFA and the endpoint of STS


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


# Empty variables


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
