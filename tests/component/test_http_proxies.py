"""HTTP proxies of the environment: used for AWS, never for this machine or for where a role's credentials come from."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from locust_cw import _core
from support.credentials import TOKEN, metadata
from support.fixtures import Aws, Locust
from support.locust_run import NO_KEYS
from support.outages import HOST, PACED, commanding, replay, wait_for_more
from support.proxy import Proxy
from support.servers import REGION, wait_until


@pytest.fixture(autouse=True)
def _no_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the machine that runs the tests."""
    for name in (*VARIABLES, "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


VARIABLES = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]


@contextmanager
def logging_proxy() -> Iterator[tuple[str, list[str]]]:
    """A proxy that lets nothing through: its URL, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def _refuse(self) -> None:
            asked.append(f"{self.command} {self.path} {self.headers.get('Authorization', '')}")
            self.send_error(502)

        do_GET = do_POST = do_PUT = do_HEAD = do_CONNECT = _refuse  # noqa: N815 - names that http.server looks for

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("source", ["ECS", "EKS", "instance"])
def test_credentials_of_roles_and_loopback_endpoints_pass_no_proxy(
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


def test_a_name_that_leads_to_this_machine_passes_no_proxy(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with logging_proxy() as (url, asked):
        monkeypatch.setenv("HTTP_PROXY", url)
        endpoint = aws.proxy.url.replace("127.0.0.1", "localhost")
        _core.Account({"endpoint_url": endpoint, "region": REGION}).call("GetCallerIdentity", {}).result()
        assert not asked


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "ip6-loopback", "169.254.169.254"])
def test_https_to_this_machine_passes_no_proxy(monkeypatch: pytest.MonkeyPatch, variable: str, host: str) -> None:
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


def test_no_command_asks_a_proxy_for_this_machine(aws: Aws, locust: Locust, ministack: str) -> None:
    # What doctor publishes has no time of its own, as no test's data may be.
    with logging_proxy() as (url, asked), metadata() as roles, Proxy(ministack) as other:
        env = NO_KEYS | roles.ecs | dict.fromkeys(VARIABLES, url)
        run = locust.start(*PACED, "--cw-dashboard", "-t", "3s", "--cw-drain-timeout=60", env=env)
        wait_for_more(run, 20)
        run.finish()
        run.receipt.check_delivered()
        endpoint = ["--endpoint-url", aws.proxy.url, "--region", REGION]
        name = aws.cloudwatch.namespace
        for command in (
            ["verify"],
            ["report", "--out", str(run.folder / "report")],
            ["doctor", "--endpoint-url", other.url, "--region", REGION, "--log-group", aws.cloudwatch.log_group],
            ["dashboard", "put", *endpoint, "--namespace", name, "--host", HOST],
        ):
            with commanding(run.folder, *command, env=env) as running:
                assert running.exit_code == 0, (command, running.output)
        aws.proxy.refuse()
        left = locust.start(*PACED, "-t", "2s", "--cw-drain-timeout=1", env=env)
        left.finish()
        aws.proxy.listen()
        assert replay(left.folder, "--all", env=env).exit_code == 0
        assert not asked
        assert any("/container" in each for each in roles.asked)


def test_a_local_cloudwatch_is_reached_whatever_proxy_there_is(locust: Locust) -> None:
    with logging_proxy() as (url, asked):
        env = dict.fromkeys(VARIABLES, url)
        run = locust.start(*PACED, "--cw-local", "-t", "3s", options=[], env=env)
        wait_for_more(run, 20)
        run.finish()
        run.receipt.check_delivered()
        assert not asked
