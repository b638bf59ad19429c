"""The destination of an account: endpoints, profile, credentials and Region, and what is resolved only once."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import botocore.session
import pytest

from locust_cw import _core
from support.credentials import metadata
from support.fixtures import Aws
from support.profiles import PROFILES, signed_with
from support.servers import REGION, wait_until


def test_endpoints_of_aws_are_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with FIPS and in other partitions, as the SDK resolves them."""
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    for region, url in (
        ("us-east-1", "https://monitoring-fips.us-east-1.amazonaws.com"),
        ("cn-north-1", "https://monitoring-fips.cn-north-1.amazonaws.com.cn"),
    ):
        publisher = _core.Publisher({"region": region, "spool_dir": str(tmp_path)}, run_id=region, worker="w")
        wait_until(publisher.destination, "the destination is known")
        resolved = publisher.destination()
        assert resolved
        assert (resolved["region"], resolved["cloudwatch_url"]) == (region, url)
        publisher.finish()


@pytest.mark.parametrize(("default", "profile"), list(product([None, "", "shop", "other"], repeat=2)))
def test_the_environment_names_a_profile_as_it_does_for_the_aws_cli(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, default: str | None, profile: str | None
) -> None:
    config = tmp_path / "config"
    config.write_text(
        PROFILES.replace(
            "[profile shop]",
            "[default]\naws_access_key_id = AKIADEFAULT\n"
            "aws_secret_access_key = secret\nregion = eu-west-3\n\n[profile shop]",
        )
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name, value in (("AWS_DEFAULT_PROFILE", default), ("AWS_PROFILE", profile)):
        # Empty variables are as good as none; botocore takes them for a profile without a name.
        monkeypatch.delenv(name, raising=False)
        if value:
            monkeypatch.setenv(name, value)
    expected = botocore.session.Session()
    credentials, region = expected.get_credentials(), expected.get_config_variable("region")
    for name, value in (("AWS_DEFAULT_PROFILE", default), ("AWS_PROFILE", profile)):
        if value is not None:
            monkeypatch.setenv(name, value)
    _core.Account({"endpoint_url": aws.proxy.url}).call("GetCallerIdentity", {}).result()
    assert signed_with(aws.proxy, "GetCallerIdentity") == {f"{credentials.access_key} {region}"}


def test_a_session_token_may_have_its_older_name(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ASIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SECURITY_TOKEN", "older-name")
    account = _core.Account({"endpoint_url": aws.proxy.url, "region": REGION})
    account.call("GetCallerIdentity", {}).result()
    (call,) = aws.proxy.calls("GetCallerIdentity")
    assert call.headers["x-amz-security-token"] == "older-name"


@pytest.mark.parametrize("variable", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
def test_a_profile_that_does_not_exist_is_an_error(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    """The role of the machine may belong to another account."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv(variable, "wrok")
    with metadata() as roles:
        for name, value in roles.ecs.items():
            monkeypatch.setenv(name, str(value))
        with pytest.raises(_core.AwsError, match="wrok"):
            _core.Account({"endpoint_url": aws.proxy.url, "region": REGION}).call("GetCallerIdentity", {}).result()
        assert not roles.asked
    assert not aws.proxy.calls()


def test_the_next_call_finds_corrected_credentials(aws: Aws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    account = _core.Account({"endpoint_url": aws.proxy.url, "region": REGION, "profile": "shop"})
    for _ in range(2):
        with pytest.raises(_core.AwsError, match="profile shop"):
            account.call("GetCallerIdentity", {}).result()
    (tmp_path / "config").write_text(PROFILES)
    account.call("GetCallerIdentity", {}).result()
    assert signed_with(aws.proxy, "GetCallerIdentity") == {f"AKIASHOP {REGION}"}


def test_callers_share_one_request_for_the_region(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One caller asks the instance metadata service, and the others use its response."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with metadata(delay_s=0.3) as roles:
        for name, value in roles.instance.items():
            monkeypatch.setenv(name, value) if value is not None else monkeypatch.delenv(name, raising=False)
        asked = []
        for number in (1, 8):
            account = _core.Account({})
            for call in [account.destination() for _ in range(number)]:
                with pytest.raises(_core.AwsError, match="no AWS region is configured"):
                    call.result()
            asked.append(len(roles.asked))
        assert asked[1] == 2 * asked[0], "eight callers ask as often as one"
