"""A run records the destination of its data. `replay`, `verify` and `report` use it in any shell."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from support.cloudwatch import CloudWatch
from support.commands import commanding, replay
from support.credentials import metadata
from support.fixtures import Aws, Locust
from support.locust_run import NO_KEYS, LocustRun
from support.paced import HOST, PACED, wait_for_more
from support.profiles import PROFILES, signed_with
from support.proxy import Answer, Exchange, Fault, Proxy, error
from support.servers import REGION, wait_until
from support.spools import files_in, spool_of

OTHER_REGION = "ap-southeast-2"
OTHER_ACCOUNT = "222222222222"
AWAY = error("ServiceUnavailable", 503)


def account(number: str) -> Fault:
    """Make STS return this account for the credentials."""

    def fault(exchange: Exchange) -> Answer:
        answer = exchange.forward(exchange.call)
        return Answer(answer.status, answer.headers, answer.body.replace(b"000000000000", number.encode()))

    return fault


@pytest.fixture
def elsewhere(ministack: str) -> Iterator[Proxy]:
    """Another CloudWatch, which must not receive a call."""
    with Proxy(ministack) as proxy:
        yield proxy


def by_environment(aws: Aws, **env: str | None) -> dict[str, str | None]:
    """An environment that alone sets the endpoint of CloudWatch."""
    return {"AWS_ENDPOINT_URL": aws.proxy.url, "AWS_REGION": REGION, **env}


def names(aws: Aws) -> list[str]:
    return [f"--cw-namespace={aws.cloudwatch.namespace}", f"--cw-log-group={aws.cloudwatch.log_group}"]


def left_behind(aws: Aws, locust: Locust, env: dict[str, str | None], *more: str, **how: Any) -> LocustRun:
    """A run of which nothing was delivered."""
    for operation in ("PutMetricData", "CreateLogStream"):
        aws.proxy.on(operation, AWAY)
    run = locust.start(*PACED, "-t", "3s", "--cw-drain-timeout=1", *more, options=names(aws), env=env, **how)
    wait_for_more(run, 20)
    run.wait()
    requests = run.receipt.check()["requests"]
    assert requests["spooled"] == requests["observed"] > 0
    aws.proxy.stop_faults()
    return run


def test_a_run_is_replayed_verified_and_reported_from_a_shell_for_another_place(
    aws: Aws, locust: Locust, elsewhere: Proxy
) -> None:
    run = left_behind(aws, locust, by_environment(aws))
    shell: dict[str, str | None] = {"AWS_REGION": OTHER_REGION, "AWS_ENDPOINT_URL": elsewhere.url}
    sent = replay(run.folder, "--all", env=shell)
    assert sent.exit_code == 0, sent.output
    assert f"covers what was left of run {run.receipt['run_id']}, not the whole run." in sent.out
    assert f"Sent to account 000000000000 in region {REGION} ({aws.proxy.url})" in sent.out
    observed = run.receipt["requests"]["observed"]
    assert aws.cloudwatch.sum("RequestCount", Host=HOST) == observed
    # Nor with the URL of one service alone.
    for variable in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_CLOUDWATCH", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS"):
        env: dict[str, str | None] = {"AWS_REGION": OTHER_REGION, variable: elsewhere.url}
        with commanding(run.folder, "verify", "--json", env=env) as verify:
            assert verify.exit_code == 0, verify.output
        assert json.loads(verify.out)["complete"]
    with commanding(run.folder, "report", "--json", env=shell) as report:
        assert report.exit_code == 0, report.output
    findings = json.loads(report.out)
    assert findings["total"]["requests"] == findings["receipt"]["requests"]["delivered"] == observed
    assert not elsewhere.calls()


def test_a_replay_with_credentials_of_another_account_is_refused(aws: Aws, locust: Locust) -> None:
    run = left_behind(aws, locust, by_environment(aws))
    before = {path: path.read_bytes() for path in files_in(spool_of(run))}
    aws.proxy.on("GetCallerIdentity", account(OTHER_ACCOUNT))
    puts = len(aws.proxy.calls("PutMetricData", "PutLogEvents", "CreateLogStream"))
    for command in (["replay", "--all"], ["verify"], ["report"]):
        with commanding(run.folder, *command) as refused:
            assert refused.exit_code == 1, refused.output
        assert "published to account 000000000000" in refused.output, refused.output
        assert f"belong to account {OTHER_ACCOUNT}" in refused.output
        assert f"--account {OTHER_ACCOUNT}" in refused.output
    assert len(aws.proxy.calls("PutMetricData", "PutLogEvents", "CreateLogStream")) == puts
    assert {path: path.read_bytes() for path in files_in(spool_of(run))} == before
    assert replay(run.folder, "--all", "--account", "111111111111").exit_code == 1
    assert replay(run.folder, "--all", "--account", "me").exit_code == 2
    sent = replay(run.folder, "--all", "--account", OTHER_ACCOUNT)
    assert sent.exit_code == 0, sent.output
    assert f"Sent to account {OTHER_ACCOUNT} in region {REGION}" in sent.out
    # All of the run is there now, so that is where the other commands look.
    with commanding(run.folder, "verify") as verify:
        assert verify.exit_code == 0, verify.output


def test_the_option_account_any_accepts_any_account(aws: Aws, locust: Locust) -> None:
    run = left_behind(aws, locust, by_environment(aws))
    aws.proxy.on("GetCallerIdentity", account(OTHER_ACCOUNT))
    assert replay(run.folder, "--all", "--account", "any").exit_code == 0


@pytest.mark.parametrize("options", [True, False], ids=["options", "environment"])
def test_a_replay_to_another_destination_is_recorded(
    aws: Aws, locust: Locust, elsewhere: Proxy, ministack: str, *, options: bool
) -> None:
    if options:
        given = [f"--cw-endpoint-url={aws.proxy.url}", f"--cw-region={REGION}"]
        run = left_behind(aws, locust, {"AWS_REGION": None}, *given)
    else:
        run = left_behind(aws, locust, by_environment(aws))
    elsewhere.on("GetCallerIdentity", account(OTHER_ACCOUNT))
    where = ["--endpoint-url", elsewhere.url, "--region", OTHER_REGION]
    # Another endpoint may lead to the same account.
    assert replay(run.folder, "--all", *where).exit_code == 1
    sent = replay(run.folder, "--all", *where, "--account", OTHER_ACCOUNT)
    assert sent.exit_code == 0, sent.output
    assert f"Sent to account {OTHER_ACCOUNT} in region {OTHER_REGION} ({elsewhere.url})" in sent.out
    there = CloudWatch(ministack, aws.cloudwatch.namespace, aws.cloudwatch.log_group, OTHER_REGION)
    assert there.sum("RequestCount", Host=HOST) == run.receipt["requests"]["observed"]
    with commanding(run.folder, "verify") as verify:
        assert verify.exit_code == 0, verify.output


def test_a_run_with_a_profile_is_replayed_with_it(aws: Aws, locust: Locust) -> None:
    profiles: dict[str, str | None] = NO_KEYS | {"AWS_REGION": None}
    env = by_environment(aws) | profiles | {"AWS_PROFILE": "shop"}
    run = left_behind(aws, locust, env, files={".aws/config": PROFILES})
    sent = replay(run.folder, "--all", env=profiles | {"AWS_PROFILE": "other", "HOME": str(run.folder)})
    assert sent.exit_code == 0, sent.output
    assert signed_with(aws.proxy, "PutMetricData") == {f"AKIASHOP {REGION}"}
    assert "with profile shop" in sent.out


def test_a_killed_run_has_recorded_its_destination(aws: Aws, locust: Locust, elsewhere: Proxy) -> None:
    """Also if it had not sent anything."""
    run = locust.start(*PACED, options=names(aws), env=by_environment(aws))
    wait_for_more(run, 200)
    spool = spool_of(run)
    # The log events are there earlier.
    wait_until(lambda: any("RequestCount" in file.read_text() for file in files_in(spool)), "the spool has requests")
    (manifest,) = spool.rglob("run.json")
    wait_until(lambda: (json.loads(manifest.read_text())["resolved"] or {}).get("account_id"), "the account is known")
    run.signal(signal.SIGKILL)
    run.process.wait()
    resolved = json.loads(manifest.read_text())["resolved"]
    assert resolved == {
        "account_id": "000000000000",
        "region": REGION,
        "profile": None,
        "cloudwatch_url": aws.proxy.url,
        "logs_url": aws.proxy.url,
        "sts_url": aws.proxy.url,
    }
    env: dict[str, str | None] = {"AWS_REGION": OTHER_REGION, "AWS_ENDPOINT_URL": elsewhere.url}
    assert replay(run.folder, "--all", env=env).exit_code == 0
    assert aws.cloudwatch.sum("RequestCount", Host=HOST) > 0
    assert not elsewhere.calls()


def test_a_spool_without_a_destination_uses_the_environment(aws: Aws, locust: Locust) -> None:
    """As those of earlier versions."""
    run = left_behind(aws, locust, by_environment(aws))
    (manifest,) = spool_of(run).rglob("run.json")
    content = json.loads(manifest.read_text())
    del content["resolved"]
    manifest.write_text(json.dumps(content))
    assert replay(run.folder, "--all", env=by_environment(aws)).exit_code == 0
    assert aws.cloudwatch.sum("RequestCount", Host=HOST) == run.receipt["requests"]["observed"]


def test_a_profile_with_only_a_region_is_not_recorded_as_a_source_of_credentials(aws: Aws, locust: Locust) -> None:
    """The replay runs in the same shell, with the credentials of the role."""
    config = "[profile region-only]\nregion = eu-north-1\n"
    with metadata() as roles:
        env = (
            NO_KEYS | roles.ecs | {"AWS_REGION": None, "AWS_PROFILE": "region-only", "AWS_ENDPOINT_URL": aws.proxy.url}
        )
        run = left_behind(aws, locust, env, files={".aws/config": config})
        shell = env | {"HOME": str(run.folder)}
        assert replay(run.folder, "--all", env=shell).exit_code == 0
    assert signed_with(aws.proxy, "PutMetricData") == {f"ASIAROLE {REGION}"}


def test_the_default_profile_is_recorded_even_if_sts_was_unreachable(aws: Aws, locust: Locust) -> None:
    config = "[default]\naws_access_key_id = AKIAMINE\naws_secret_access_key = secret\nregion = eu-north-1\n" + PROFILES
    env = NO_KEYS | {"AWS_REGION": None, "AWS_ENDPOINT_URL": aws.proxy.url}
    aws.proxy.on("GetCallerIdentity", AWAY)
    run = left_behind(aws, locust, env, files={".aws/config": config})
    shell = NO_KEYS | {"AWS_REGION": None, "AWS_PROFILE": "other", "HOME": str(run.folder)}
    sent = replay(run.folder, "--all", env=shell)
    assert sent.exit_code == 0, sent.output
    assert signed_with(aws.proxy, "PutMetricData") == {f"AKIAMINE {REGION}"}
    assert "does not record its AWS account" in sent.err


def test_a_replay_stops_if_sts_does_not_answer_and_names_the_option(aws: Aws, locust: Locust) -> None:
    run = left_behind(aws, locust, by_environment(aws))
    aws.proxy.on("GetCallerIdentity", AWAY)
    stopped = replay(run.folder, "--all")
    assert stopped.exit_code == 1
    assert "STS did not confirm that these credentials belong to account 000000000000" in stopped.output
    assert "--account any" in stopped.output
    receipt = re.search(r"PutMetricData (\d+), PutLogEvents (\d+), repeated (\d+)", stopped.out)
    assert receipt
    assert receipt.groups() == ("0", "0", "0"), "calls to STS are not counted as calls with data"
    assert replay(run.folder, "--all", "--account", "any").exit_code == 0


def test_a_replay_assumes_the_role_of_the_run(aws: Aws, locust: Locust, elsewhere: Proxy) -> None:
    role = "--cw-role-arn=arn:aws:iam::000000000000:role/LoadTest"
    run = left_behind(aws, locust, by_environment(aws), role)
    env: dict[str, str | None] = {"AWS_REGION": OTHER_REGION, "AWS_ENDPOINT_URL": elsewhere.url}
    assert replay(run.folder, "--all", env=env).exit_code == 0
    assert not elsewhere.calls()
