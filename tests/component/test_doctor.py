"""`locust-cw doctor` finds a problem, says what to do, and reports no other failure."""

from __future__ import annotations

import email.utils
import json
import shlex
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from locust_cw._cli.doctor import examination
from locust_cw._cli.doctor.check import Check
from support import servers
from support.cloudwatch import client, put_alarm
from support.doctor_checks import checks_by_name, states
from support.in_process import command
from support.locust_run import NO_KEYS, run_python
from support.proxy import Proxy, error
from support.recorded_runs import recorded_run
from support.servers import refused_url

GROUP = "/doctor/group"


@pytest.fixture
def proxy(ministack: str) -> Iterator[Proxy]:
    with Proxy(ministack) as proxy:
        yield proxy
    servers.forget_all(ministack)


@pytest.fixture(autouse=True)
def _no_locust(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing Locust in a separate process would take most of the time."""
    monkeypatch.setattr(examination, "check_locust", lambda: Check("locust", "ok", "Locust 2.47"))


def examine(
    folder: Path, *args: str, code: int = 0, env: Mapping[str, str | None] | None = None
) -> dict[str, dict[str, str | None]]:
    """The checks, by name."""
    done = command(folder, "doctor", *args, "--json", env=env)
    assert done.exit_code == code
    return checks_by_name(done.out, ok=code == 0)


REFUSALS = {
    "PutMetricData": ("metrics", "cloudwatch:PutMetricData"),
    "CreateLogStream": ("logs", "logs:CreateLogStream"),
    "PutLogEvents": ("logs", "logs:PutLogEvents"),
    "CreateLogGroup": ("logs", "logs:CreateLogGroup"),
    "GetDashboard": ("dashboard", "cloudwatch:GetDashboard"),
    "PutDashboard": ("dashboard", "cloudwatch:PutDashboard"),
    "DescribeAlarms": ("alarms", "cloudwatch:DescribeAlarms"),
    "GetMetricData": ("targets", "cloudwatch:GetMetricData"),
}


@pytest.mark.parametrize("operation", REFUSALS)
def test_each_refusal_is_found(ministack: str, proxy: Proxy, tmp_path: Path, operation: str) -> None:
    failed, action = REFUSALS[operation]
    name = f"refusal-{operation}"
    cloudwatch = client("cloudwatch", ministack)
    cloudwatch.put_dashboard(DashboardName=name, DashboardBody='{"widgets":[]}')
    put_alarm(cloudwatch, name)
    proxy.on(operation, error("AccessDeniedException", 400, "not for you"))
    given = ("--endpoint-url", proxy.url, f"--log-group=/doctor/{name}", "--create-log-group")
    target = ("--target=rds:shop-db", "--check=rds:shop-db: CPUUtilization Average < 80")
    checks = examine(tmp_path, *given, *target, "--dashboard", name, "--stop-on-alarm", name, code=1)
    assert states(checks, "failed") == {failed}
    assert states(checks, "skipped") == set()
    assert "not for you" in str(checks[failed]["text"])
    assert action in str(checks[failed]["remedy"])
    # The remedy is a command that prints a policy with that action.
    words = shlex.split(str(checks[failed]["remedy"]).partition("'")[2].rpartition("'")[0])
    assert words[:2] == ["locust-cw", "policy"]
    assert action in command(tmp_path, *words[1:]).out


def test_dashboard_and_alarms_are_checked_only_if_they_are_given(ministack: str, proxy: Proxy, tmp_path: Path) -> None:
    cloudwatch = client("cloudwatch", ministack)
    cloudwatch.put_dashboard(DashboardName="asked", DashboardBody='{"widgets":[]}')
    put_alarm(cloudwatch, "asked")
    given = ("--endpoint-url", proxy.url, "--logs=off")
    usual = examine(tmp_path, *given)
    assert not {"dashboard", "alarms", "logs", "logs endpoint"} & set(usual)
    assert "dashboard" not in examine(tmp_path, *given, "--dashboard=none")
    by_namespace = examine(tmp_path, *given, "--namespace=asked", "--dashboard")
    assert "dashboard" in states(by_namespace, "ok")
    checks = examine(tmp_path, *given, "--dashboard=asked", "--stop-on-alarm=asked")
    assert {"dashboard", "alarms"} < states(checks, "ok")
    assert cloudwatch.get_dashboard(DashboardName="asked")["DashboardBody"] == '{"widgets":[]}'
    checks = examine(tmp_path, *given, "--dashboard=missing", "--stop-on-alarm=asked", "--stop-on-alarm=none", code=1)
    assert states(checks, "skipped") == {"dashboard"}
    assert states(checks, "failed") == {"alarms"}
    assert "no alarm none" in str(checks["alarms"]["text"])


def test_the_baseline_is_read_if_it_is_given(ministack: str, proxy: Proxy, tmp_path: Path) -> None:
    """Also if the test has no log events of its own."""
    given = (f"--endpoint-url={proxy.url}", f"--log-group={GROUP}")
    assert "baseline" not in examine(tmp_path, *given)
    found = examine(tmp_path, *given, "--logs=off", "--baseline=main")
    assert found["baseline"]["text"] == f"GetLogEvents is allowed in log group {GROUP}; main is not set yet"
    recorded_run(tmp_path / "spool", "build-1", seconds=20)
    client("logs", ministack).create_log_group(logGroupName=GROUP)
    spool = f"--spool-dir={tmp_path / 'spool'}"
    assert command(tmp_path, "baseline", "set", "build-1", "main", *given, spool).exit_code == 0
    assert str(examine(tmp_path, *given, "--baseline=main")["baseline"]["text"]).endswith("; main is run build-1")
    proxy.on("GetLogEvents", error("AccessDeniedException", 400))
    refused = examine(tmp_path, *given, "--baseline=main", code=1)["baseline"]
    assert refused["state"] == "failed"
    assert "--baseline main" in str(refused["remedy"])


def test_the_metrics_of_checked_targets_are_read_in_their_regions(ministack: str, proxy: Proxy, tmp_path: Path) -> None:
    """Missing data is no failure: a counter may have had nothing to count. A check without its target is refused."""
    dimensions = [{"Name": "DBInstanceIdentifier", "Value": "shop-db"}]
    datum = {"MetricName": "CPUUtilization", "Dimensions": dimensions, "Value": 40}
    client("cloudwatch", ministack).put_metric_data(Namespace="AWS/RDS", MetricData=[datum])
    given = ("--endpoint-url", proxy.url, "--logs=off", "--target=rds:shop-db", "--target=cloudfront:E1ABCDEF2GHIJK")
    cpu, errors = "rds:shop-db: CPUUtilization Average < 80", "cloudfront:E1ABCDEF2GHIJK: 5xxErrorRate Average < 1"
    assert "targets" not in examine(tmp_path, *given, "--check=p95 < 300ms")
    checks = examine(tmp_path, *given, f"--check={cpu}", "--check=p95 < 300ms")
    assert "targets" in states(checks, "ok")
    assert checks["targets"]["text"] == "GetMetricData is allowed, and CloudWatch has data of each checked metric"
    checks = examine(tmp_path, *given, f"--check={cpu}", f"--check={errors}")
    assert "no data of the last 3 h of 5xxErrorRate of cloudfront:E1ABCDEF2GHIJK" in str(checks["targets"]["text"])
    refused = command(tmp_path, "doctor", *given[:3], f"--check={cpu}")
    assert refused.exit_code == 2
    assert "argument --check: " in refused.err
    assert "add --target rds:shop-db" in refused.err


def test_a_missing_log_group_is_created_only_with_the_option(ministack: str, proxy: Proxy, tmp_path: Path) -> None:
    checks = examine(tmp_path, "--endpoint-url", proxy.url, "--log-group=/doctor/absent")
    assert states(checks, "skipped") == {"logs"}
    assert "--create-log-group" in str(checks["logs"]["text"])
    groups = client("logs", ministack).describe_log_groups(logGroupNamePrefix="/doctor/absent")["logGroups"]
    assert groups == []


@pytest.mark.parametrize(
    ("env", "failed", "skipped"),
    [
        (
            {"AWS_REGION": None},
            "region",
            {"endpoints", "clock", "credentials", "metrics", "logs"},
        ),
        (
            NO_KEYS,
            "credentials",
            {"metrics", "logs"},
        ),
    ],
    ids=["no region", "no credentials"],
)
def test_what_depends_on_a_failure_is_skipped(
    proxy: Proxy, tmp_path: Path, env: dict[str, str | None], failed: str, skipped: set[str]
) -> None:
    checks = examine(tmp_path, "--endpoint-url", proxy.url, code=1, env=env)
    assert states(checks, "failed") == {failed}
    assert states(checks, "skipped") == skipped
    assert not {"PutMetricData", "PutLogEvents"} & {call.operation for call in proxy.calls()}


def test_the_region_is_that_of_the_sdk(proxy: Proxy, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(f"[profile blue]\nregion = us-west-2\nendpoint_url = {proxy.url}\n")
    env = {"AWS_REGION": None, "AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "blue"}
    checks = examine(tmp_path, "--logs=off", env=env)
    assert checks["region"]["text"] == "us-west-2"
    assert proxy.url in str(checks["metrics endpoint"]["text"])
    credentials = proxy.calls("PutMetricData")[0].headers["authorization"]
    assert "/us-west-2/monitoring/" in credentials


@pytest.fixture
def away() -> Iterator[str]:
    """A URL without a server."""
    with refused_url() as url:
        yield url


def test_an_endpoint_without_a_server(proxy: Proxy, tmp_path: Path, away: str) -> None:
    checks = examine(tmp_path, "--endpoint-url", away, code=1)
    assert states(checks, "failed") == {"metrics endpoint", "logs endpoint"}
    assert states(checks, "skipped") == {"clock", "credentials", "metrics", "logs"}
    # One service that is away does not keep the other from being tried.
    env = {"AWS_ENDPOINT_URL": proxy.url, "AWS_ENDPOINT_URL_CLOUDWATCH": away}
    checks = examine(tmp_path, f"--log-group={GROUP}", "--create-log-group", code=1, env=env)
    assert states(checks, "failed") == {"metrics endpoint"}
    assert states(checks, "skipped") == {"metrics"}
    checks = examine(tmp_path, "--endpoint-url=http://user:pw123@nowhere.invalid", "--logs=off", code=1)
    assert "DNS" in str(checks["metrics endpoint"]["remedy"])
    assert "http://nowhere.invalid cannot be reached" in str(checks["metrics endpoint"]["text"])
    assert "pw123" not in str(checks)


def test_an_endpoint_with_a_password(proxy: Proxy, tmp_path: Path) -> None:
    """The request uses the password, and the output does not contain it."""
    address = proxy.url.removeprefix("http://")
    checks = examine(tmp_path, f"--endpoint-url=http://user:p@w123@{address}", "--logs=off")
    assert checks["metrics endpoint"]["text"] == f"{proxy.url} responds"
    assert {"metrics endpoint", "clock", "metrics"} < states(checks, "ok")
    assert "w123" not in str(checks)


@pytest.mark.parametrize(
    ("region", "domain"),
    [
        ("eu-north-1", "amazonaws.com"),
        ("cn-north-1", "amazonaws.com.cn"),
        ("us-gov-west-1", "amazonaws.com"),
    ],
)
def test_the_endpoint_is_that_of_the_partition(
    proxy: Proxy, tmp_path: Path, away: str, region: str, domain: str
) -> None:
    """An HTTP proxy that is unreachable keeps the test from calling AWS."""
    env = {"https_proxy": away, "no_proxy": None, "NO_PROXY": None, "AWS_ENDPOINT_URL_STS": proxy.url}
    checks = examine(tmp_path, f"--region={region}", code=1, env=env)
    assert states(checks, "failed") == {"metrics endpoint", "logs endpoint"}
    for service, host in {"metrics": "monitoring", "logs": "logs"}.items():
        said = str(checks[f"{service} endpoint"]["text"])
        assert said.startswith(f"https://{host}.{region}.{domain} cannot be reached")


@pytest.mark.parametrize("status", [301, 302, 307])
def test_an_endpoint_that_redirects_is_reached(
    proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, away: str, status: int
) -> None:
    """AWS may redirect an unsigned request to a website. Its clock is not that of the endpoint."""

    def moved(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Location", away)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    monkeypatch.setattr(BaseHTTPRequestHandler, "do_HEAD", moved, raising=False)
    checks = examine(tmp_path, "--endpoint-url", proxy.url, "--logs=off")
    assert {"metrics endpoint", "clock"} < states(checks, "ok")


def test_sts_may_be_unreachable(proxy: Proxy, tmp_path: Path, away: str) -> None:
    """In a VPC without internet access, only CloudWatch is reachable, and a test needs nothing else."""
    env = {"AWS_ENDPOINT_URL": proxy.url, "AWS_ENDPOINT_URL_STS": away}
    checks = examine(tmp_path, "--logs=off", env=env)
    assert states(checks, "skipped") == {"credentials"}
    assert {"metrics"} < states(checks, "ok")


@pytest.mark.parametrize("off", [-3600, 3600])
def test_a_clock_that_is_wrong(proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, off: int) -> None:
    """The `Date` of the endpoint's response shows it. The HTTP server of the test's proxy writes this header."""

    def date(*_: object) -> str:
        return email.utils.formatdate(time.time() + off, usegmt=True)

    monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", date)
    checks = examine(tmp_path, "--endpoint-url", proxy.url, "--logs=off", code=1)
    assert states(checks, "failed") == {"clock"}
    assert ("behind" if off > 0 else "ahead of") in str(checks["clock"]["text"])
    seconds = int("".join(filter(str.isdigit, str(checks["clock"]["text"]).split(" s ")[0])))
    assert abs(seconds - abs(off)) < 30


def test_the_spool(proxy: Proxy, tmp_path: Path) -> None:
    """The check shows whether the folder can be written, and the data that it contains."""
    spool = tmp_path / "state" / "locust-cw"
    proxy.on("*", error("ServiceUnavailable", 503))
    # By another process: what this one leaves belongs to a live test.
    publish = """
import json, sys, locust_cw
with locust_cw.Publisher(**json.loads(sys.argv[1])) as publisher:
    publisher.record("GET", "/", 1.0)
"""
    options = {"endpoint_url": proxy.url, "spool_dir": str(spool), "drain_timeout": 0}
    assert run_python(tmp_path, "-c", publish, json.dumps(options)).returncode == 0
    proxy.stop_faults()
    checks = examine(tmp_path, "--endpoint-url", proxy.url, "--logs=off")
    assert "1 run(s) are undelivered" in str(checks["spool"]["text"])
    assert "replay" in str(checks["spool"]["text"])
    (manifest,) = spool.rglob("run.json")
    of_the_run = json.loads(manifest.read_text())
    with refused_url() as gone:
        of_the_run["aws"] |= {"local": True, "endpoint_url": gone}
        manifest.write_text(json.dumps(of_the_run))
        checks = examine(tmp_path, "--endpoint-url", proxy.url, "--logs=off")
    assert "undelivered" not in str(checks["spool"]["text"]), "it was for a local CloudWatch that is gone"
    (tmp_path / "file").write_text("no folder")
    # Whether a name that is too long for a folder exists cannot be determined, as in a folder without permission.
    for unusable in (f"{tmp_path}/file/spool", f"{tmp_path}/{'long' * 100}"):
        checks = examine(tmp_path, "--endpoint-url", proxy.url, "--logs=off", f"--spool-dir={unusable}", code=1)
        assert states(checks, "failed") == {"spool"}
        assert "cannot be written" in str(checks["spool"]["text"])
