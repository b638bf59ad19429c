"""The number of series of a process, and the messages about series that are combined."""

from __future__ import annotations

import json

import pytest

from locust_cw import Publisher
from support.fixtures import Aws
from support.servers import REGION

HOSTS = 120
MAX_HOSTS = 100
OTHER = "(other)"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "REGION": REGION}.items():
        monkeypatch.setenv(f"AWS_{name}", value)


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.message) for record in caplog.records if "More than" in record.message]


def test_hosts_beyond_the_limit_share_one_series(aws: Aws, caplog: pytest.LogCaptureFixture) -> None:
    with Publisher(logs="off", **aws.in_python) as publisher:
        for _ in range(2):
            for number in range(HOSTS):
                publisher.record("GET", "/a", 1.0, url=f"http://h{number}.example/a")
        receipt = publisher.close()
    assert json.loads(receipt.json)["requests"]["delivered"] == 2 * HOSTS
    hosts = [f"http://h{number}.example" for number in range(HOSTS)]
    assert [aws.cloudwatch.sum("RequestCount", Host=host) for host in hosts[:MAX_HOSTS]] == [2] * MAX_HOSTS
    assert aws.cloudwatch.sum("RequestCount", Host=OTHER) == 2 * (HOSTS - MAX_HOSTS)
    assert aws.cloudwatch.sum("RequestCount", Host=OTHER, Request="/a") == 2 * (HOSTS - MAX_HOSTS)
    [(level, message)] = said(caplog)
    assert level == "WARNING"
    assert message.startswith(f'More than {MAX_HOSTS} distinct hosts: "http://h{MAX_HOSTS}.example" and further ones')


def test_combinations_beyond_the_limit_share_one_series_of_their_host(
    aws: Aws, caplog: pytest.LogCaptureFixture
) -> None:
    """With two names and the dimension Method, there are at most 20 series, and one more for each host."""
    options = {"dimensions": "Host,Request,Method", "max_requests": 2, "logs": "off", **aws.in_python}
    with Publisher(host="http://shop.example", **options) as publisher:
        for method in range(15):
            for name in ("/a", "/b"):
                publisher.record(f"M{method}", name, 1.0)
    shop = {"Host": "http://shop.example"}
    assert aws.cloudwatch.sum("RequestCount", **shop) == 30
    assert aws.cloudwatch.sum("RequestCount", **shop, Request="/a", Method="M9") == 1
    assert aws.cloudwatch.sum("RequestCount", **shop, Request=OTHER, Method=OTHER) == 10
    [(_, message)] = said(caplog)
    assert message.startswith("More than 20 combinations of host, request name and method: ")


def test_methods_that_share_metrics_are_logged_once(aws: Aws, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"), Publisher(host="http://shop.example", **aws.in_python) as publisher:
        for method in ("GET", "POST", "GET", "POST"):
            publisher.record(method, "/cart", 1.0)
    hints = [record.message for record in caplog.records if "share their metrics" in record.message]
    [hint] = hints
    assert hint.startswith(
        'Requests named "/cart" use several methods and share their metrics. To tell them apart, add '
    )
