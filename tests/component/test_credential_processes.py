"""A `credential_process` runs once for all callers, may be slow or fail, and runs again in time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from locust_cw import _core
from support.credential_users import HOST, configure, delivered, keys, publisher, receipt_of
from support.credentials import (
    CredentialProcess,
)
from support.fixtures import Aws, Locust
from support.locust_run import NO_KEYS
from support.servers import REGION, wait_until

pytestmark = pytest.mark.usefixtures("no_aws_settings")


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


# Child processes that others reap


@pytest.mark.parametrize("processes", [[], ["--processes", "2"]], ids=["one process", "forked workers"])
def test_a_credential_process_may_be_reaped_by_gevent(locust: Locust, tmp_path: Path, processes: list[str]) -> None:
    process = CredentialProcess(tmp_path, seconds=0.3)
    env: dict[str, str | None] = {**NO_KEYS, "AWS_PROFILE": "corp", "AWS_REGION": REGION}
    options = ("--cw-live", "--cw-flush-interval=1", "-u", "2", "-t", "6s", "--host", HOST, *processes)
    run = locust.run("reaping.py", *options, env=env, files={".aws/config": process.profile})
    run.receipt.check_delivered()
    assert "No child processes" not in run.output
    assert "credential_process" not in run.output


# Renewal


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
