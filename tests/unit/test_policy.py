"""The policy has the partition of the region, and a statement for each use."""

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


@pytest.mark.parametrize("command", ["policy", "template", "doctor"])
def test_a_name_that_no_dashboard_can_have_is_refused(tmp_path: Path, command: str) -> None:
    refused = call(tmp_path, command, "--dashboard=a b", "--logs=off")
    assert refused.exit_code == 2
    assert "argument --dashboard: 'a b' cannot be the name of a dashboard" in refused.err
