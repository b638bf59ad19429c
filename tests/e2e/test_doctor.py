"""`locust-cw doctor` as users run it. tests/component has its checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from support.cloudwatch import client
from support.commands import commanding, run
from support.doctor_checks import checks_by_name, states
from support.proxy import Answer, Exchange, Proxy
from support.servers import REGION

USUAL = (
    "versions",
    "locust",
    "region",
    "metrics endpoint",
    "logs endpoint",
    "clock",
    "credentials",
    "metrics",
    "logs",
    "spool",
)


@pytest.fixture
def proxy(ministack: str) -> Iterator[Proxy]:
    with Proxy(ministack) as proxy:
        yield proxy


def examine(
    folder: Path, *args: str, code: int = 0, env: Mapping[str, str | None] | None = None
) -> dict[str, dict[str, str | None]]:
    """The checks, by name."""
    return checks_by_name(run(folder, "doctor", *args, "--json", code=code, env=dict(env or {})), ok=code == 0)


def test_all_checks_pass(ministack: str, proxy: Proxy, tmp_path: Path) -> None:
    """The command publishes exactly what its output names."""
    given = ("--endpoint-url", proxy.url, "--namespace=DoctorWell", "--log-group=/doctor/well", "--create-log-group")
    for _ in range(2):
        checks = examine(tmp_path, *given)
        assert tuple(checks) == USUAL
        assert states(checks, "ok") == set(USUAL)
    assert checks["region"]["text"] == REGION
    assert "arn:aws:" in str(checks["credentials"]["text"])
    assert [call.operation for call in proxy.calls()].count("CreateLogGroup") == 1
    metrics = client("cloudwatch", ministack).list_metrics(Namespace="DoctorWell")["Metrics"]
    assert [metric["MetricName"] for metric in metrics] == ["DoctorCheck"]
    events = client("logs", ministack).filter_log_events(logGroupName="/doctor/well")["events"]
    assert len(events) == 2
    assert all(event["logStreamName"].startswith("load-generator/doctor/") for event in events)
    lines = run(tmp_path, "doctor", *given).splitlines()
    assert len(lines) == len(USUAL) + 1
    assert lines[-1] == "Nothing failed."


def test_the_lines_are_readable(proxy: Proxy, tmp_path: Path) -> None:
    def refused(_: Exchange) -> Answer:
        return Answer(503, {"Content-Type": "text/html"}, b"<html>a page</html>")

    proxy.on("PutMetricData", refused)
    with commanding(tmp_path, "doctor", "--endpoint-url", proxy.url, "--logs=off") as command:
        assert command.exit_code == 1
    failed = next(line for line in command.out.splitlines() if line.startswith("FAILED"))
    remedy = command.out.splitlines()[command.out.splitlines().index(failed) + 1]
    assert "503" in failed
    assert remedy.strip().startswith("-> ")
    assert command.out.splitlines()[-1] == "1 of 8 checks failed."
