"""Region, profile and role are those of the options, and a role is renewed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

from support.fixtures import Aws, Locust
from support.locust_run import NO_CREDENTIALS
from support.proxy import Answer, Call, Exchange
from support.scripted import HOST, play


def signed_by(call: Call) -> tuple[str, str]:
    """Access key and Region of the call's signature."""
    found = re.search(r"Credential=([^/]+)/\d+/([^/]+)/", call.headers["authorization"])
    assert found
    return found[1], found[2]


# Region and credentials


def test_region_is_that_of_the_option(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    play(locust, tmp_path, "--cw-region=ap-northeast-2").receipt.check_delivered()
    assert {signed_by(call) for call in aws.proxy.calls()} == {("test", "ap-northeast-2")}


def test_a_profile_may_assume_a_role_in_its_own_region(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    """Without a Region in the environment, the Region of the profile applies, or that of the option."""
    config = (
        "[profile base]\naws_access_key_id = basekey\naws_secret_access_key = secret\n"
        "[profile cross]\nrole_arn = arn:aws:iam::210987654321:role/LoadTest\nsource_profile = base\n"
        "region = ap-northeast-2\n"
    )
    for option, region in ("--cw-live", "ap-northeast-2"), ("--cw-region=eu-west-3", "eu-west-3"):
        before = len(aws.proxy.calls())
        folder = tmp_path / region
        folder.mkdir()
        run = play(
            *(locust, folder, "--cw-profile=cross", option),
            env=NO_CREDENTIALS | {"AWS_ENDPOINT_URL": aws.proxy.url},
            files={".aws/config": config},
        )
        run.receipt.check_delivered()
        calls = aws.proxy.calls()[before:]
        (assumed,) = {signed_by(call) for call in calls if call.operation == "AssumeRole"}
        assert assumed == ("basekey", region)
        assert {signed_by(call)[1] for call in calls} == {region}


def test_a_profile_gives_keys_and_region(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    profile = "aws_access_key_id = profilekey\naws_secret_access_key = secret\nregion = ap-northeast-2\n"
    run = play(
        *(locust, tmp_path, "--cw-profile=load"),
        env=NO_CREDENTIALS,
        files={".aws/config": f"[default]\nregion = us-west-1\n[profile load]\n{profile}"},
    )
    run.receipt.check_delivered()
    assert {signed_by(call) for call in aws.proxy.calls()} == {("profilekey", "ap-northeast-2")}


ROLE = "arn:aws:iam::123456789012:role/load"


def test_a_role_is_assumed(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    """With the external ID. The session of the role then signs the calls."""
    run = play(
        *(locust, tmp_path, f"--cw-role-arn={ROLE}", "--cw-external-id=abc"),
        env={"AWS_ENDPOINT_URL": aws.proxy.url},
    )
    run.receipt.check_delivered()
    assumed = parse_qs(aws.proxy.calls("AssumeRole")[0].plain_body.decode())
    assert assumed["RoleArn"] == [ROLE]
    assert assumed["ExternalId"] == ["abc"]
    assert assumed["RoleSessionName"][0]
    for call in aws.proxy.calls("PutMetricData", "PutLogEvents"):
        assert call.headers["x-amz-security-token"]
        assert signed_by(call)[0] != "test"


def test_an_assumed_role_is_refreshed(aws: Aws, locust: Locust) -> None:
    """Sessions of a few seconds are renewed for the duration of the test."""
    expiry = re.compile(rb"(?<=<Expiration>).*?(?=</Expiration>)")

    def short(exchange: Exchange) -> Answer:
        answer = exchange.forward(exchange.call)
        soon = (datetime.now(UTC) + timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
        return Answer(answer.status, answer.headers, expiry.sub(soon, answer.body))

    aws.proxy.on("AssumeRole", short)
    run = locust.run(
        *("orders.py", "-u", "5", "--host", HOST, "-t", "6s", "--cw-live", "--cw-flush-interval=1"),
        f"--cw-role-arn={ROLE}",
        env={"AWS_ENDPOINT_URL": aws.proxy.url},
    )
    run.receipt.check_delivered()
    assert len(aws.proxy.calls("AssumeRole")) >= 2
    assert len({signed_by(call)[0] for call in aws.proxy.calls("PutMetricData")}) >= 2
