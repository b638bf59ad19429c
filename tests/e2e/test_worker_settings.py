"""A worker of a real fleet keeps the settings of its machine where its master has no value for them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from support.commands import replay
from support.fixtures import Aws, Locust
from support.fleet import HOST, Fleet, timeline
from support.fleet_checks import LIVE
from support.locust_run import NO_CREDENTIALS, LocustRun
from support.proxy import Call, hang
from support.servers import REGION
from support.spools import files_in
from support.tls import Authority, tls_in_front_of

LOAD = ["-u", "4", "-r", "100", "--host", HOST]
SCOPE = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/")


def profile(name: str, region: str = REGION, extra: str = "") -> dict[str, str]:
    """The AWS configuration file of a machine, whose only keys are those of this profile."""
    keys = f"aws_access_key_id = AKIA{name.upper()}\naws_secret_access_key = secret\n"
    return {".aws/config": f"[profile {name}]\n{keys}region = {region}\n{extra}"}


def signed_by(call: Call) -> tuple[str, str]:
    """Access key and Region of the signature."""
    found = SCOPE.search(call.headers["authorization"])
    assert found, call.headers
    return found[1], found[2]


def publishers(aws: Aws) -> dict[str, set[tuple[str, str]]]:
    """Who sent the requests of each worker, by log stream."""
    senders: dict[str, set[tuple[str, str]]] = {}
    for call in aws.proxy.calls("PutLogEvents"):
        worker = call.params["logStreamName"].rsplit("/", 1)[1]
        senders.setdefault(worker, set()).add(signed_by(call))
    return senders


def started(locust: Locust, *args: str, env: dict[str, str | None] | None = None, **how: Any) -> Fleet:
    """A master whose two workers are still to join."""
    how |= {"env": env, "worker_env": dict(NO_CREDENTIALS)}
    return Fleet(locust, *LIVE, *LOAD, *args, "--expect-workers=2", workers=0, **how)


def name_of(worker: LocustRun, fleet: Fleet) -> str:
    return fleet.journals[fleet.workers.index(worker)].client_id


@pytest.mark.parametrize("how", ["option", "variable of locust-cw", "variable of AWS"])
def test_each_worker_uses_its_own_profile_and_region(aws: Aws, locust: Locust, how: str) -> None:
    """The master has keys in its environment, and neither a profile nor a Region as an option."""
    fleet = started(locust, "-t", "4s")
    regions = {"blue": "eu-west-1", "green": "ap-northeast-2"}
    for name, region in regions.items():
        if how == "option":
            fleet.join(f"--cw-profile={name}", f"--cw-region={region}", files=profile(name))
        elif how == "variable of locust-cw":
            fleet.join(files=profile(name), LOCUST_CW_PROFILE=name, LOCUST_CW_REGION=region)
        else:
            fleet.join(files=profile(name), AWS_PROFILE=name, AWS_REGION=region)
    fleet.wait()
    fleet.master.receipt.check_delivered()
    senders = publishers(aws)
    for worker, (name, region) in zip(fleet.workers, regions.items(), strict=True):
        assert senders[name_of(worker, fleet)] == {(f"AKIA{name.upper()}", region)}
    users = [call for call in aws.proxy.calls("PutMetricData") if timeline([call], "UserCount", Host=HOST)]
    assert {signed_by(call) for call in users} == {("test", REGION)}, "the master uses its own"


def test_a_value_of_the_master_replaces_that_of_a_worker(aws: Aws, locust: Locust) -> None:
    fleet = started(locust, "--cw-profile=shared", "--cw-region=eu-west-1", "-t", "3s", files=profile("shared"))
    for name in ("blue", "green"):
        both = profile(name)[".aws/config"] + profile("shared")[".aws/config"]
        fleet.join(f"--cw-profile={name}", "--cw-region=us-west-2", files={".aws/config": both})
    fleet.wait()
    senders = publishers(aws)
    for worker in fleet.workers:
        assert senders[name_of(worker, fleet)] == {("AKIASHARED", "eu-west-1")}


def test_each_worker_has_its_own_spool_folder(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    """AWS does not respond. A replay on each machine sends what its worker left."""
    aws.proxy.on("*", hang)
    fleet = started(locust, "-t", "3s", "--cw-drain-timeout=1")
    disks = [tmp_path / "disk-blue", tmp_path / "disk-green"]
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION}
    fleet.join(f"--cw-spool-dir={disks[0]}", files=None, **keys)
    fleet.join(files=None, LOCUST_CW_SPOOL_DIR=str(disks[1]), **keys)
    fleet.wait()
    receipt = fleet.master.receipt.check()
    assert receipt["requests"]["spooled"] == receipt["requests"]["observed"] > 0
    aws.proxy.stop_faults()
    for worker, disk in zip(fleet.workers, disks, strict=True):
        assert files_in(disk)
        env = {"LOCUST_CW_SPOOL_DIR": str(disk)}
        assert replay(worker.folder, "--all", env=env).exit_code == 0
        assert not files_in(disk)
    assert aws.cloudwatch.sum("RequestCount", Host=HOST) == receipt["requests"]["observed"]


def test_each_worker_trusts_the_certificate_authorities_of_its_machine(
    aws: Aws, locust: Locust, tmp_path: Path
) -> None:
    """One worker names them in the environment, the other in its profile."""
    (tmp_path / "authority").mkdir()
    authority = Authority(tmp_path / "authority")
    with tls_in_front_of(aws.proxy.url, authority.issue("localhost")) as url:
        env: dict[str, str | None] = {"REQUESTS_CA_BUNDLE": str(authority.bundle)}
        fleet = started(locust, f"--cw-endpoint-url={url}", "-t", "4s", env=env)
        fleet.join(files=profile("blue"), AWS_PROFILE="blue", AWS_CA_BUNDLE=str(authority.bundle))
        fleet.join("--cw-profile=green", files=profile("green", extra=f"ca_bundle = {authority.bundle}\n"))
        fleet.wait()
    fleet.master.receipt.check_delivered()
    senders = publishers(aws)
    for worker, name in zip(fleet.workers, ("blue", "green"), strict=True):
        assert senders[name_of(worker, fleet)] == {(f"AKIA{name.upper()}", REGION)}
