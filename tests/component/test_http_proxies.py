"""HTTP proxies of the environment are used for AWS, and not for this machine or for the credentials of roles."""

from __future__ import annotations

from pathlib import Path

import pytest

from locust_cw import _core
from support.credentials import TOKEN, metadata
from support.fixtures import Aws
from support.http_proxies import VARIABLES, logging_proxy
from support.servers import REGION, wait_until


@pytest.fixture(autouse=True)
def _no_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset the proxy exceptions of this machine."""
    for name in (*VARIABLES, "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("source", ["ECS", "EKS", "instance"])
def test_credentials_of_roles_and_loopback_endpoints_bypass_the_proxy(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, variable: str
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with logging_proxy() as (url, asked), metadata() as roles:
        (tmp_path / "token").write_text(TOKEN)
        sources = {"ECS": roles.ecs, "EKS": roles.eks(str(tmp_path / "token")), "instance": roles.instance}
        for name, value in sources[source].items():
            monkeypatch.setenv(name, value) if value is not None else monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(variable, url)
        account = _core.Account({"endpoint_url": aws.proxy.url, "region": REGION})
        assert account.call("GetCallerIdentity", {}).result()["Account"]
        assert roles.asked
        assert not asked
    (call,) = aws.proxy.calls("GetCallerIdentity")
    assert "Credential=ASIAROLE/" in call.headers["authorization"]


def test_a_name_of_this_machine_bypasses_the_proxy(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with logging_proxy() as (url, asked):
        monkeypatch.setenv("HTTP_PROXY", url)
        endpoint = aws.proxy.url.replace("127.0.0.1", "localhost")
        _core.Account({"endpoint_url": endpoint, "region": REGION}).call("GetCallerIdentity", {}).result()
        assert not asked


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "ip6-loopback", "169.254.169.254"])
def test_https_to_this_machine_bypasses_the_proxy(monkeypatch: pytest.MonkeyPatch, variable: str, host: str) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with logging_proxy() as (url, asked):
        monkeypatch.setenv(variable, url)
        account = _core.Account({"endpoint_url": f"https://{host}:9", "region": REGION})
        with pytest.raises(_core.AwsError):
            account.call("DescribeAlarms", {"AlarmNames": ["a"]}).result()
        assert not asked


def test_a_test_publishes_through_the_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with logging_proxy() as (url, asked):
        monkeypatch.setenv("HTTPS_PROXY", url)
        publisher = _core.Publisher({"region": REGION, "spool_dir": str(tmp_path)}, run_id="run", worker="w")
        publisher.record("GET", "/a", 1.0, 10)
        publisher.seal()
        services = {f"CONNECT {name}.{REGION}.amazonaws.com:443" for name in ("monitoring", "logs", "sts")}
        wait_until(lambda: services <= {line.strip() for line in asked}, "all services are called through the proxy")
        publisher.finish()


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_aws_itself_is_called_through_the_proxy_unless_no_proxy_names_it(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with logging_proxy() as (url, asked):
        monkeypatch.setenv(variable, url)

        def call() -> None:
            parameters = {"AlarmNames": ["a"]}
            with pytest.raises(_core.AwsError):
                _core.Account({"region": REGION}).call("DescribeAlarms", parameters).result()

        call()
        assert [line.strip() for line in asked] == [f"CONNECT monitoring.{REGION}.amazonaws.com:443"]
        asked.clear()
        for rule in (".amazonaws.com", f"monitoring.{REGION}.amazonaws.com", "*"):
            monkeypatch.setenv("NO_PROXY", rule)
            call()
        assert not asked
