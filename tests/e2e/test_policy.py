"""The policy allows what a test calls and nothing else, and the start command of the template starts a test."""

from __future__ import annotations

import fnmatch
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.cloudwatch import put_alarm
from support.commands import run
from support.fixtures import Aws, Locust
from support.locust_run import clean_environment
from support.paced import PACED
from support.paths import LOCUSTFILES
from support.policies import ACCOUNT, ROLE, actions, policy, scripts, template
from support.proxy import Call, Proxy, json_answer
from support.servers import REGION

LIVE = ("--cw-live", "--cw-flush-interval=1")
SERVICES = {"cloudwatch": "cloudwatch", "logs": "logs", "sts": "sts"}


def action_of(call: Call) -> str:
    return f"{SERVICES[call.service]}:{call.operation}"


def resource_of(call: Call) -> str:
    """The ARN that AWS compares with the resources of a statement."""
    if "logGroupName" in call.params:
        group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{call.params['logGroupName']}"
        # That of a whole group is the one of a stream without a name.
        return f"{group}:log-stream:{call.params.get('logStreamName', '')}"
    if call.operation.endswith("Dashboard"):
        return f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{call.params['DashboardName']}"
    return call.params["RoleArn"] if call.operation == "AssumeRole" else "*"


def is_allowed(call: Call, policy: dict[str, Any]) -> bool:
    for statement in policy["Statement"]:
        resources = statement["Resource"]
        resources = [resources] if isinstance(resources, str) else resources
        matches = any(fnmatch.fnmatchcase(resource_of(call), pattern) for pattern in resources)
        wanted = statement.get("Condition", {}).get("StringEquals", {}).get("cloudwatch:namespace")
        if action_of(call) in statement["Action"] and matches and wanted in (None, call.params.get("Namespace")):
            return True
    return False


ON_TARGET = "rds:shop-db: CPUUtilization Average < 80"
CASES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "usual": ((), ()),
    "retention": (("--cw-log-retention-days=7",), ("--log-retention-days=7",)),
    "failures": (("--cw-logs=failures", "--cw-log-stream=blue"), ("--logs=failures", "--log-stream=blue")),
    "no logs": (("--cw-logs=off",), ("--logs=off",)),
    "alarm": (("--cw-logs=off", "--cw-stop-on-alarm=slow"), ("--logs=off", "--stop-on-alarm=slow")),
    "check": (("--cw-logs=off", "--cw-check=mean < 60s"), ("--logs=off", "--check=mean < 60s")),
    "check of a target": (
        ("--cw-logs=off", "--cw-target=rds:shop-db", f"--cw-check={ON_TARGET}", "--cw-check-wait=1"),
        ("--logs=off", f"--check={ON_TARGET}"),
    ),
    "dashboard": (("--cw-dashboard=Shop",), ("--dashboard=Shop",)),
    "dashboard of the namespace": (("--cw-logs=off", "--cw-dashboard"), ("--logs=off", "--dashboard")),
    "dashboard by default": (("--cw-logs=off", "--cw-dashboard=default"), ("--logs=off", "--dashboard=default")),
    "no dashboard": (("--cw-logs=off", "--cw-dashboard=none"), ("--logs=off", "--dashboard=none")),
    "dashboard, no logs": (("--cw-logs=off", "--cw-dashboard=Shop"), ("--logs=off", "--dashboard=Shop")),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_policy_allows_exactly_what_a_test_calls(
    aws: Aws, locust: Locust, case: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    test, given = case
    if "--stop-on-alarm=slow" in given:
        put_alarm(aws.cloudwatch.metrics, "slow")
    # The local CloudWatch has no saved queries.
    aws.proxy.on("DescribeQueryDefinitions", lambda _: json_answer({"queryDefinitions": []}))
    aws.proxy.on("PutQueryDefinition", lambda _: json_answer({"queryDefinitionId": "q-1"}))
    done = locust.run(*PACED, *LIVE, *test, "-u1", "-t2")
    done.receipt.check_delivered()
    names = (f"--namespace={aws.cloudwatch.namespace}", f"--log-group={aws.cloudwatch.log_group}")
    granted = policy(done.folder, *names, *given, f"--region={REGION}", f"--account={ACCOUNT}")
    calls = aws.proxy.publishing()
    assert actions(granted) == {action_of(call) for call in calls}
    assert [(call.operation, resource_of(call)) for call in calls if not is_allowed(call, granted)] == []


def test_a_policy_is_restricted_to_its_resources(aws: Aws, locust: Locust) -> None:
    """A test with another namespace, log group or stream is not allowed."""
    done = locust.run(*PACED, *LIVE, "-u1", "-t2")
    names = (f"--namespace={aws.cloudwatch.namespace}", f"--log-group={aws.cloudwatch.log_group}")
    by_operation = {call.operation: call for call in aws.proxy.publishing()}
    for others, refused in (
        (("--namespace=Other", names[1]), {"PutMetricData"}),
        ((names[0], "--log-group=Other"), {"CreateLogGroup", "CreateLogStream", "PutLogEvents"}),
        ((*names, "--log-stream=other"), {"PutLogEvents"}),
        ((*names, "--log-group-exists"), {"CreateLogGroup"}),
        ((*names, "--account=999999999999"), {"CreateLogGroup", "CreateLogStream", "PutLogEvents"}),
        ((*names, "--region=eu-west-1"), {"CreateLogGroup", "CreateLogStream", "PutLogEvents"}),
    ):
        granted = policy(done.folder, *others)
        assert {name for name, call in by_operation.items() if not is_allowed(call, granted)} == refused, others


def test_doctor_only_calls_what_the_policy_of_a_test_allows(ministack: str, tmp_path: Path) -> None:
    given = ("--namespace=doctor", "--log-group=/policy/doctor")
    # Its datum has the time of its arrival, which a test's has not: so this is no test's corner of CloudWatch.
    with Proxy(ministack) as proxy:
        run(tmp_path, "doctor", f"--endpoint-url={proxy.url}", *given, "--create-log-group")
        calls = proxy.publishing()
    granted = policy(tmp_path, *given)
    assert all(is_allowed(call, granted) for call in calls)
    assert actions(granted) == {action_of(call) for call in calls}


def test_verify_only_calls_what_its_policy_allows(aws: Aws, locust: Locust) -> None:
    names = (f"--namespace={aws.cloudwatch.namespace}", f"--log-group={aws.cloudwatch.log_group}")
    done = locust.run(*PACED, *LIVE, "-u1", "-t2")
    before = len(aws.proxy.calls())
    run(done.folder, "verify")
    # GetCallerIdentity needs no permission.
    calls = [call for call in aws.proxy.calls()[before:] if call.operation != "GetCallerIdentity"]
    granted = policy(done.folder, *names, "--for=verify")
    assert all(is_allowed(call, granted) for call in calls)
    # Many events, and those of the other class, are counted by Logs Insights.
    assert actions(granted) - {action_of(call) for call in calls} == {"logs:StartQuery", "logs:GetQueryResults"}


def test_a_baseline_needs_the_permissions_of_its_policies(aws: Aws, locust: Locust) -> None:
    """Those of the command, and those of a test that is compared."""
    names = (f"--namespace={aws.cloudwatch.namespace}", f"--log-group={aws.cloudwatch.log_group}")
    done = locust.run(*PACED, *LIVE, "-u1", "-t2")
    before = len(aws.proxy.calls())
    where = (f"--endpoint-url={aws.proxy.url}", names[1])
    run(done.folder, "baseline", "set", done.receipt["run_id"], "main", *where)
    run(done.folder, "baseline", "remove", "main", *where)
    run(done.folder, "baseline", "set", done.receipt["run_id"], "main", *where)
    granted = policy(done.folder, *names, "--for=baseline")
    # For a group of the other class.
    queries = {"logs:StartQuery", "logs:GetQueryResults"}
    calls = aws.proxy.calls()[before:]
    assert [call.operation for call in calls if not is_allowed(call, granted)] == []
    assert actions(granted) - {action_of(call) for call in calls} == queries
    before = len(aws.proxy.calls())
    compared = locust.run(*PACED, *LIVE, "-u1", "-t2", "--cw-baseline=main", "--exit-code-on-error=0")
    assert "Comparison with main: undecided" in compared.err
    granted = policy(done.folder, *names, "--baseline=main", f"--region={REGION}", f"--account={ACCOUNT}")
    calls = [call for call in aws.proxy.calls()[before:] if call.operation != "GetCallerIdentity"]
    assert [call.operation for call in calls if not is_allowed(call, granted)] == []
    # The first test has created the log group.
    assert actions(granted) - {action_of(call) for call in calls} <= queries | {"logs:CreateLogGroup"}


def test_a_role_of_another_account(aws: Aws, locust: Locust) -> None:
    done = locust.run(*PACED, *LIVE, "-u1", "-t2", f"--cw-role-arn={ROLE}", "--cw-external-id=blue")
    names = (f"--namespace={aws.cloudwatch.namespace}", f"--log-group={aws.cloudwatch.log_group}")
    caller = "arn:aws:iam::210987654321:root"
    documents = policy(done.folder, *names, f"--role-arn={ROLE}", "--external-id=blue", f"--caller={caller}")
    assert set(documents) == {"Caller", "Role", "RoleTrust"}
    assumed: list[Call] = []
    others: list[Call] = []
    for call in aws.proxy.publishing():
        (assumed if call.operation == "AssumeRole" else others).append(call)
    assert assumed
    assert others
    assert all(is_allowed(call, documents["Caller"]) for call in assumed)
    assert all(is_allowed(call, documents["Role"]) for call in others)
    assert actions(documents["Caller"]) == {"sts:AssumeRole"}
    assert actions(documents["Role"]) == {action_of(call) for call in others}
    (trust,) = documents["RoleTrust"]["Statement"]
    assert trust["Principal"] == {"AWS": caller}
    assert trust["Condition"]["StringEquals"]["sts:ExternalId"] == assumed[0].params["ExternalId"] == "blue"
    assert "RoleTrust" not in policy(done.folder, f"--role-arn={ROLE}")


@pytest.mark.parametrize("imports", [True, False], ids=["that imports locust_cw", "unchanged"])
def test_the_start_command_starts_a_test_that_publishes(aws: Aws, tmp_path: Path, *, imports: bool) -> None:
    locustfile = tmp_path / "test.py"
    text = (LOCUSTFILES / "paced.py").read_text()
    locustfile.write_text(text if imports else text.replace("\nimport locust_cw\n", "").replace(', "locust_cw"', ""))
    assert ("import locust_cw" in locustfile.read_text()) is imports
    given = (
        f"--namespace={aws.cloudwatch.namespace}",
        f"--log-group={aws.cloudwatch.log_group}",
        "--log-stream=blue team",
    )
    _, start = scripts(template(tmp_path, *given))
    command = tmp_path / "load-test"
    command.write_text(start.replace("/opt/locust/bin/python ", f"{sys.executable} "))
    command.chmod(0o755)
    args = ["-f", str(locustfile), "--host=http://paced.test", "--headless", "-u1", "-t2"]
    env = clean_environment(tmp_path, AWS_REGION=None, AWS_ENDPOINT_URL=aws.proxy.url, PYTHONPATH=str(LOCUSTFILES))
    subprocess.run([command, *args, "--exit-code-on-error=0"], check=True, cwd=tmp_path, env=env, capture_output=True)
    assert aws.cloudwatch.sum("RequestCount", Host="http://paced.test") > 0
    assert aws.cloudwatch.events("blue team/")
