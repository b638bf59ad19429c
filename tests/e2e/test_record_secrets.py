"""What a record has of the options and of the environment: each text is a canary, which is searched for in the record.

An option that is added needs an entry here, so that its value does not get into shared records unnoticed.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from pathlib import Path

import pytest

from locust_cw._settings.table import OPTIONS
from support.fixtures import Aws, Locust
from support.locust_run import NO_KEYS, LocustRun
from support.proxy import cbor_answer
from support.servers import Target

ROLE = "arn:aws:iam::123456789012:role/CANARY.role-arn"
TEXTS: dict[str, str] = {
    "dimension": "Stage=CANARY.dimension",
    "log_stream": "CANARY.log-stream",
    "profile": "CANARY.profile",
    "role_arn": ROLE,
    "external_id": "CANARY.external-id",
    "run_id": "CANARY.run-id",
    "receipt": "CANARY.receipt.json",
    "junit": "CANARY.junit.xml",
    "summary": "CANARY.summary.md",
    "report": "CANARY.report",
    "dashboard": "CANARY_dashboard",
    "target": "sqs:CANARY_target",
    "stop_on_alarm": "CANARY.stop-on-alarm",
    "check": "GET /CANARY.check: p95 < 30s",
    "baseline": "CANARY.baseline",
    "tag": "note=CANARY.tag",
}
"""The options whose values are free texts. Those of `OF_TEST` have values that the test needs."""

OF_TEST = {"namespace", "log_group", "endpoint_url", "spool_dir", "region"}
WITHOUT_TEXT = {
    "live", "disable", "dry_run", "local", "dimensions", "resolution", "flush_interval", "max_requests", "logs",
    "log_sample", "log_format", "log_fields", "log_urls", "log_retention_days", "log_class", "source", "spool_max_mb",
    "drain_timeout", "fail_on_loss", "warmup", "check_wait", "max_regression", "record", "strict",
}  # fmt: skip
"""Flags, numbers, and options with fixed values."""

SHARED = {
    "dimension", "log-stream", "profile", "role-arn", "run-id", "dashboard", "target", "check", "tag", "host-name",
    "server-path", "repository",
}  # fmt: skip
"""What machines need to report, verify and compare the run. Each of these is in CloudWatch for other reasons, too."""

SECRET = {
    "external-id", "user", "password", "query", "host-user", "host-password", "host-query", "server-user",
    "server-password", "server-query", "key-id", "secret-key", "session-token", "GITHUB_TOKEN", "ACTIONS_RUNTIME_TOKEN",
    "CI_JOB_TOKEN", "PASSWORD", "API_KEY", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
}  # fmt: skip
ON_THIS_MACHINE = {"external-id", "user", "password"}
"""What the file of the machine has in addition: commands need it to reach the account and the endpoint."""

VARIABLES = ("GITHUB_TOKEN", "ACTIONS_RUNTIME_TOKEN", "CI_JOB_TOKEN", "PASSWORD", "API_KEY")


def canaries(text: str) -> set[str]:
    """The names of the canaries in a text."""
    return {found.replace("_", "-") if found.islower() else found for found in re.findall(r"CANARY[._]([\w-]+)", text)}


def shared_texts(aws: Aws, run: LocustRun) -> str:
    """What a run has written to the streams of records, and the records that it consists of."""
    calls = [call.params for call in aws.proxy.calls("PutLogEvents")]
    events = [event for call in calls if call["logStreamName"].startswith("runs/") for event in call["logEvents"]]
    stored = [event["message"] for event in events]
    parts = [fields["data"] for fields in map(json.loads, stored) if "data" in fields]
    texts = [zlib.decompress(base64.b64decode(part)).decode() for part in parts]
    assert texts, run.output
    return "\n".join([*stored, *texts])


def test_each_option_is_a_canary_or_has_no_text() -> None:
    assert {option.name for option in OPTIONS} == TEXTS.keys() | OF_TEST | WITHOUT_TEXT
    assert not SHARED & SECRET


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """A configuration file of AWS with the profile, whose credentials are canaries."""
    path = tmp_path / "aws-config"
    path.write_text(
        "[profile CANARY.profile]\nregion = eu-west-1\naws_access_key_id = CANARY.key-id\n"
        "aws_secret_access_key = CANARY.secret-key\naws_session_token = CANARY.session-token\n"
    )
    return path


@pytest.mark.long
def test_a_shared_record_has_no_secret(aws: Aws, locust: Locust, configuration: Path, tmp_path: Path) -> None:
    # The role is of another account, in which the local CloudWatch has no alarm.
    alarm = {"AlarmName": TEXTS["stop_on_alarm"], "StateValue": "OK", "StateReason": "calm"}
    aws.proxy.on("DescribeAlarms", lambda _: cbor_answer({"MetricAlarms": [alarm], "CompositeAlarms": []}))
    env: dict[str, str | None] = (
        NO_KEYS
        | {name: f"CANARY.{name}" for name in VARIABLES}
        | {
            "AWS_CONFIG_FILE": str(configuration),
            "LOCUST_CW_RECORD": None,
            "GITHUB_ACTIONS": "true",
            "GITHUB_SERVER_URL": "https://CANARY.server-user:CANARY.server-password@ci.test/?t=CANARY.server-query",
            "GITHUB_REPOSITORY": "CANARY.repository",
            "GITHUB_RUN_ID": "17",
            "NAMES": "2",
            "RATE": "20",
        }
    )
    host = "http://CANARY.host-user:CANARY.host-password@host.test/CANARY.host-name?token=CANARY.host-query"
    endpoint = aws.proxy.url.replace("://", "://CANARY.user:CANARY.password@")
    options = [f"--cw-{name.replace('_', '-')}={value}" for name, value in TEXTS.items()]
    run = locust.run(
        "paced.py", "-u1", "-t15s", "--cw-live", "--host", host, f"--cw-endpoint-url={endpoint}",
        f"--cw-spool-dir={tmp_path / 'spool'}", *options, receipt=False, env=env,
    )  # fmt: skip
    shared = canaries(shared_texts(aws, run))
    assert not shared & SECRET
    # Nothing else is there unnoticed.
    assert shared <= SHARED
    assert shared >= {"dimension", "log-stream", "run-id", "target", "check", "tag"}
    (path,) = (tmp_path / "spool" / ".records").glob("*.json")
    local = canaries(path.read_text())
    assert local - SHARED == ON_THIS_MACHINE
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_shared_record_has_no_value_of_a_url(aws: Aws, locust: Locust, target: Target) -> None:
    """It has texts of errors and entries of `context`, but without values of URLs, also if log events keep them."""
    env: dict[str, str | None] = {"LOCUST_CW_RECORD": None, "SECRET": "s3cr3tOfUrl", "TARGET": target.url}
    run = locust.run("secret_urls.py", "-u3", "-r10", "--cw-log-urls=full", env=env)
    assert any("s3cr3tOfUrl" in event.message for event in aws.cloudwatch.events("load-generator"))
    texts = shared_texts(aws, run)
    assert "access_token=..." in texts
    assert "s3cr3tOfUrl" not in texts
