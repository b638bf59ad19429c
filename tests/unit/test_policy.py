"""The policy has the partition of the Region, and a statement for each use."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from support.in_process import command as call
from support.policies import actions, policy


@pytest.mark.parametrize(
    ("region", "partition"),
    [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eu-north-1", "aws"), (None, "aws")],
    ids=str,
)
def test_partitions_and_all_uses(tmp_path: Path, region: str | None, partition: str) -> None:
    given = ("--dashboard=Shop", "--stop-on-alarm=a", *([f"--region={region}"] if region else []))
    everything = policy(tmp_path, "--for=all", *given)
    assert actions(everything) > {
        "cloudwatch:GetMetricData",
        "cloudwatch:DeleteDashboards",
        "cloudwatch:DescribeAlarms",
    }
    arns = re.findall(r"arn:[^\"]+", json.dumps(everything))
    assert arns
    assert all(arn.startswith(f"arn:{partition}:") for arn in arns)
    sids = [statement["Sid"] for statement in everything["Statement"]]
    assert len(set(sids)) == len(sids)


def test_a_check_on_a_target_needs_its_metrics(tmp_path: Path) -> None:
    """Other checks need nothing of AWS, and the permission is granted once."""
    on_requests, on_target = "--check=p95 < 300ms", "--check=rds:shop-db: CPUUtilization Average < 80"
    assert "cloudwatch:GetMetricData" not in actions(policy(tmp_path, on_requests))
    assert "cloudwatch:GetMetricData" in actions(policy(tmp_path, on_requests, on_target))
    for uses in ("--for=dashboard", "--for=all"):
        granted = policy(tmp_path, uses, on_target)
        reading = [each for each in granted["Statement"] if "cloudwatch:GetMetricData" in each["Action"]]
        assert len(reading) == (uses == "--for=all")
    refused = call(tmp_path, "policy", "--check=p95 < 300")
    assert refused.exit_code == 2
    assert "argument --check: " in refused.err


READS = {"logs:GetLogEvents", "logs:StartQuery", "logs:GetQueryResults"}


def test_a_baseline_is_read_by_tests_and_written_by_its_command(tmp_path: Path) -> None:
    usual = actions(policy(tmp_path))
    assert not READS & usual
    assert actions(policy(tmp_path, "--baseline=main")) == usual | READS
    assert actions(policy(tmp_path, "--for=compare")) == READS
    written = policy(tmp_path, "--for=baseline", "--log-group=/load")
    assert actions(written) == READS | {"logs:CreateLogStream", "logs:PutLogEvents"}
    (put,) = [each["Resource"] for each in written["Statement"] if each["Action"] == ["logs:PutLogEvents"]]
    assert [arn.partition("log-group:")[2] for arn in put] == [
        "/load:log-stream:baselines",
        "/load:log-stream:runs/*",
    ]


@pytest.mark.parametrize("command", ["policy", "template", "doctor"])
def test_a_name_that_no_dashboard_can_have_is_refused(tmp_path: Path, command: str) -> None:
    refused = call(tmp_path, command, "--dashboard=a b", "--logs=off")
    assert refused.exit_code == 2
    assert "argument --dashboard: 'a b' cannot be the name of a dashboard" in refused.err
