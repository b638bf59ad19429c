"""Commands, and tests with a local CloudWatch, do not use an HTTP proxy for this machine."""

from __future__ import annotations

import pytest

from support.commands import commanding, replay
from support.credentials import metadata
from support.fixtures import Aws, Locust
from support.http_proxies import VARIABLES, logging_proxy
from support.locust_run import NO_KEYS
from support.paced import HOST, PACED, wait_for_more
from support.proxy import Proxy
from support.servers import REGION


@pytest.fixture(autouse=True)
def _no_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset the proxy exceptions of this machine."""
    for name in (*VARIABLES, "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def test_no_command_uses_a_proxy_for_this_machine(aws: Aws, locust: Locust, ministack: str) -> None:
    # What doctor publishes has no time of its own, as no test's data may be.
    with logging_proxy() as (url, asked), metadata() as roles, Proxy(ministack) as other:
        env = NO_KEYS | roles.ecs | dict.fromkeys(VARIABLES, url)
        run = locust.start(*PACED, "--cw-dashboard", "-t", "3s", "--cw-drain-timeout=60", env=env)
        wait_for_more(run, 20)
        run.wait()
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
        left.wait()
        aws.proxy.listen()
        assert replay(left.folder, "--all", env=env).exit_code == 0
        assert not asked
        assert any("/container" in each for each in roles.asked)


def test_a_local_cloudwatch_is_reached_without_the_proxy(locust: Locust) -> None:
    with logging_proxy() as (url, asked):
        env = dict.fromkeys(VARIABLES, url)
        run = locust.start(*PACED, "--cw-local", "-t", "3s", options=[], env=env)
        wait_for_more(run, 20)
        run.wait()
        run.receipt.check_delivered()
        assert not asked
