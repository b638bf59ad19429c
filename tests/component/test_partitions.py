"""Endpoints and ARNs in each partition of AWS, with FIPS and dual-stack, are those of botocore's data."""

from __future__ import annotations

import json
import os

import pytest
from botocore.config import Config
from botocore.loaders import create_loader
from botocore.session import Session

from locust_cw import _core
from locust_cw._aws.account import Account
from locust_cw._cli.main import main

REGIONS = {
    "eu-north-1": "aws",
    "us-gov-west-1": "aws-us-gov",
    "cn-north-1": "aws-cn",
    "eusc-de-east-1": "aws-eusc",
    "us-iso-east-1": "aws-iso",
    "us-isob-east-1": "aws-iso-b",
    "eu-isoe-west-1": "aws-iso-e",
    "us-isof-south-1": "aws-iso-f",
}

LOADER = create_loader()


def session() -> Session:
    """A session that reads the environment again, but not botocore's data."""
    made = Session()
    made.register_component("data_loader", LOADER)
    return made


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/none")


@pytest.mark.parametrize(
    ("region", "variant"),
    [
        (region, variant)
        for region in REGIONS
        for variant in ("none", "fips", "dual-stack")
        # For dual-stack endpoints of isolated partitions, botocore's clients have another domain than the SDK's rules.
        if not (variant == "dual-stack" and "iso" in region)
    ],
)
def test_endpoints_are_those_of_botocore(monkeypatch: pytest.MonkeyPatch, region: str, variant: str) -> None:
    fips, dual_stack = variant == "fips", variant == "dual-stack"
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", str(fips).lower())
    monkeypatch.setenv("AWS_USE_DUALSTACK_ENDPOINT", str(dual_stack).lower())
    config = Config(use_fips_endpoint=fips, use_dualstack_endpoint=dual_stack)
    destination = Account({"region": region}).destination()
    for service, url in (("cloudwatch", destination.cloudwatch_url), ("logs", destination.logs_url)):
        client = session().create_client(service, region, config=config)
        assert url == client.meta.endpoint_url, service


@pytest.mark.parametrize(("region", "partition"), list(REGIONS.items()))
def test_arns_of_a_policy_are_in_the_partition_of_the_region(
    capsys: pytest.CaptureFixture[str], region: str, partition: str
) -> None:
    assert session().get_partition_for_region(region) == partition
    assert _core.partition_of(region).name == partition
    assert main(["policy", "--region", region, "--for", "all"]) == 0
    policy = json.loads(capsys.readouterr().out)
    resources = [statement["Resource"] for statement in policy["Statement"]]
    arns = [arn for each in resources for arn in ([each] if isinstance(each, str) else each) if arn != "*"]
    assert {arn.split(":")[1] for arn in arns} == {partition}
