"""The policy grants what a test calls and nothing else; the template is sound, closed, and starts a load generator."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.cloudwatch import put_alarm
from support.fixtures import Aws, Locust
from support.locust_run import clean_environment
from support.outages import PACED, commanding, run
from support.paths import LOCUSTFILES
from support.proxy import Call, Proxy, json_answer
from support.servers import REGION

ACCOUNT = "123456789012"
BASH = "/bin/bash"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/LoadTest"
LIVE = ("--cw-live", "--cw-flush-interval=1")
SERVICES = {"cloudwatch": "cloudwatch", "logs": "logs", "sts": "sts"}


def policy(folder: Path, *args: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(run(folder, "policy", *args))
    return told


def actions(policy: dict[str, Any]) -> set[str]:
    return {action for statement in policy["Statement"] for action in statement["Action"]}


def action_of(call: Call) -> str:
    return f"{SERVICES[call.service]}:{call.operation}"


def resource_of(call: Call) -> str:
    """What AWS holds against a statement's resources."""
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


CASES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "usual": ((), ()),
    "retention": (("--cw-log-retention-days=7",), ("--log-retention-days=7",)),
    "failures": (("--cw-logs=failures", "--cw-log-stream=blue"), ("--logs=failures", "--log-stream=blue")),
    "no logs": (("--cw-logs=off",), ("--logs=off",)),
    "alarm": (("--cw-logs=off", "--cw-stop-on-alarm=slow"), ("--logs=off", "--stop-on-alarm=slow")),
    "dashboard": (("--cw-dashboard=Shop",), ("--dashboard=Shop",)),
    "dashboard of the namespace": (("--cw-logs=off", "--cw-dashboard"), ("--logs=off", "--dashboard")),
    "dashboard by default": (("--cw-logs=off", "--cw-dashboard=default"), ("--logs=off", "--dashboard=default")),
    "no dashboard": (("--cw-logs=off", "--cw-dashboard=none"), ("--logs=off", "--dashboard=none")),
    "dashboard, no logs": (("--cw-logs=off", "--cw-dashboard=Shop"), ("--logs=off", "--dashboard=Shop")),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_policy_is_what_a_test_calls(
    aws: Aws, locust: Locust, case: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    test, given = case
    if "--stop-on-alarm=slow" in given:
        put_alarm(aws.cloudwatch.metrics, "slow")
    # The local CloudWatch has no saved queries.
    aws.proxy.on("DescribeQueryDefinitions", lambda _: json_answer({"queryDefinitions": []}))
    aws.proxy.on("PutQueryDefinition", lambda _: json_answer({"queryDefinitionId": "q-1"}))
    done = locust.run(*PACED, *LIVE, *test, "-u1", "-t3")
    done.receipt.check_delivered()
    names = (f"--namespace={aws.cloudwatch.namespace}", f"--log-group={aws.cloudwatch.log_group}")
    granted = policy(done.folder, *names, *given, f"--region={REGION}", f"--account={ACCOUNT}")
    calls = aws.proxy.publishing()
    assert actions(granted) == {action_of(call) for call in calls}
    assert [(call.operation, resource_of(call)) for call in calls if not is_allowed(call, granted)] == []


def test_a_policy_names_what_it_is_about(aws: Aws, locust: Locust) -> None:
    """What a test does in another namespace, log group or stream is not allowed."""
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


def test_doctor_calls_what_a_test_may(ministack: str, tmp_path: Path) -> None:
    given = ("--namespace=doctor", "--log-group=/policy/doctor")
    # Its datum has the time of its arrival, which a test's has not: so this is no test's corner of CloudWatch.
    with Proxy(ministack) as proxy:
        run(tmp_path, "doctor", f"--endpoint-url={proxy.url}", *given, "--create-log-group")
        calls = proxy.publishing()
    granted = policy(tmp_path, *given)
    assert all(is_allowed(call, granted) for call in calls)
    assert actions(granted) == {action_of(call) for call in calls}


def test_verify_calls_what_its_policy_grants(aws: Aws, locust: Locust) -> None:
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
    with commanding(tmp_path, command, "--dashboard=a b", "--logs=off") as refused:
        assert refused.exit_code == 2
    assert "argument --dashboard: 'a b' cannot be the name of a dashboard" in refused.err


# The template

GIVEN: dict[str, tuple[str, ...]] = {
    "usual": (),
    "all options": (
        "--namespace=Shop / load",
        "--log-group=/load/shop",
        "--log-stream=blue ${team}",
        "--log-retention-days=7",
        "--log-class=INFREQUENT_ACCESS",
        "--dashboard=Shop",
        "--stop-on-alarm=it's ${slow}",
        "--for=all",
    ),
    "dashboard of the namespace": ("--namespace=Shop / load", "--dashboard"),
    "no logs": ("--logs=off",),
    "group exists": ("--log-group-exists",),
    "read back": ("--for=verify", "--for=report"),
    "role": (f"--role-arn={ROLE}", "--external-id=blue"),
    "role, retention": (f"--role-arn={ROLE}", "--log-retention-days=7"),
}


USER_SAYS = "I3042"
"""An ARN without a pseudo parameter: the role that the test publishes as is another account's, by its whole name."""


def template(folder: Path, *args: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(run(folder, "template", *args))
    return told


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_cfn_lint_finds_nothing(tmp_path: Path, given: tuple[str, ...]) -> None:
    path = tmp_path / "template.json"
    path.write_text(run(tmp_path, "template", *given))
    checked = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), "--include-checks", "I", "--ignore-checks", USER_SAYS, "--", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_nothing_can_connect_to_the_load_generator(tmp_path: Path, given: tuple[str, ...]) -> None:
    made = template(tmp_path, *given)
    kinds = [resource["Type"] for resource in made["Resources"].values()]
    assert kinds.count("AWS::EC2::SecurityGroup") == 1
    assert not {"AWS::EC2::SecurityGroupIngress", "AWS::EC2::KeyPair"} & set(kinds)
    assert "Ingress" not in json.dumps(made)
    assert "KeyName" not in json.dumps(made)
    instance = made["Resources"]["LoadGenerator"]["Properties"]
    assert [interface["GroupSet"] for interface in instance["NetworkInterfaces"]] == [
        [{"Fn::GetAtt": ["SecurityGroup", "GroupId"]}]
    ]
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    assert all(each["Ebs"]["Encrypted"] is True for each in instance["BlockDeviceMappings"])
    out = made["Resources"]["SecurityGroup"]["Properties"]["SecurityGroupEgress"]
    assert [rule.get("FromPort") for rule in out] == [443, 80, None]
    assert out[2]["Fn::If"][0] == "HasTestPort"


def filled(value: Any) -> Any:
    """What CloudFormation makes of `Fn::Sub` in account `ACCOUNT`."""
    if isinstance(value, dict) and set(value) == {"Fn::Sub"}:
        known = {"Partition": "aws", "Region": REGION, "AccountId": ACCOUNT, "StackName": "load-generator"}
        text = re.sub(r"\$\{AWS::(\w+)\}", lambda found: known[found[1]], value["Fn::Sub"])
        assert not re.search(r"\$\{(?!!)", text), text
        return text.replace("${!", "${")
    if isinstance(value, dict):
        return {key: filled(each) for key, each in value.items()}
    return [filled(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    "given", [GIVEN[name] for name in ("usual", "all options", "no logs", "dashboard of the namespace", "read back")]
)
def test_the_role_has_exactly_the_policy(tmp_path: Path, given: tuple[str, ...]) -> None:
    """That of a test which finds its log group there, for the stack makes it; whatever else, it may publish."""
    made = template(tmp_path, *given)
    (inline,) = made["Resources"]["Role"]["Properties"]["Policies"]
    asked = [each for each in given if not each.startswith(("--log-class", "--log-retention-days"))]
    same = policy(tmp_path, *asked, "--for=publish", "--log-group-exists", f"--region={REGION}", f"--account={ACCOUNT}")
    assert filled(inline["PolicyDocument"]) == same
    assert ("LogGroup" in made["Resources"]) == ("--logs=off" not in given)


@pytest.mark.parametrize("given", ["--dashboard", "--dashboard=default", "--dashboard=Shop"])
def test_the_load_generator_may_put_the_dashboard_that_it_puts(tmp_path: Path, given: str) -> None:
    made = template(tmp_path, "--namespace=Shop", given)
    assert "--cw-dashboard Shop" in scripts(made)[1]
    assert ":dashboard/Shop" in json.dumps(made["Resources"]["Role"])


@pytest.mark.parametrize(
    ("given", "retention"),
    [
        (("--log-retention-days=7",), ["7"]),
        (("--log-retention-days=7", "--log-group-exists"), []),
        (("--log-retention-days=7", "--logs=off"), []),
        ((), []),
    ],
)
def test_the_test_sets_the_retention_of_a_group_that_it_makes(
    tmp_path: Path, given: tuple[str, ...], retention: list[str]
) -> None:
    """In the account of a role there is no stack to do so; the role's policy allows it."""
    role = f"--role-arn={ROLE}"
    assert re.findall(r"--cw-log-retention-days (\S+)", scripts(template(tmp_path, role, *given))[1]) == retention
    assert ("logs:PutRetentionPolicy" in actions(policy(tmp_path, role, *given)["Role"])) == bool(retention)
    assert "retention" not in scripts(template(tmp_path, *given))[1]


def test_the_role_of_a_role_only_assumes_it(tmp_path: Path) -> None:
    made = template(tmp_path, *GIVEN["role"])
    (inline,) = made["Resources"]["Role"]["Properties"]["Policies"]
    assert inline["PolicyDocument"] == policy(tmp_path, *GIVEN["role"])["Caller"]
    assert "LogGroup" not in made["Resources"]


def scripts(made: dict[str, Any]) -> tuple[str, str]:
    """What the instance runs at its first start, and the start command that this leaves."""
    user_data = filled(made["Resources"]["LoadGenerator"]["Properties"]["UserData"]["Fn::Base64"])
    start = re.search(r"^cat > \S+ <<'START'\n(.*?)^START\n", user_data, re.MULTILINE | re.DOTALL)
    assert start
    return user_data, start[1]


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_the_script_is_sound(tmp_path: Path, given: tuple[str, ...]) -> None:
    for text in scripts(template(tmp_path, *given)):
        assert text.startswith("#!/bin/bash\n")
        subprocess.run([BASH, "-n"], input=text, text=True, check=True)


def test_the_first_start_installs_what_it_starts(tmp_path: Path) -> None:
    """The whole script, with the machine's own programs in the place of the instance's, each step as it is written."""
    root, log = tmp_path / "root", tmp_path / "log"
    (root / "bin").mkdir(parents=True)
    user_data, _ = scripts(template(tmp_path, "--install=locust-cw==9.9"))
    for name in ("dnf", "cfn-signal", "pip"):
        fake = root / "bin" / name
        fake.write_text(f'#!/bin/bash\necho {name} "$@" >> {shlex.quote(str(log))}\n')
        fake.chmod(0o755)
    python = root / "bin" / "python"
    python.write_text(f'#!/bin/bash\n[[ "$1 $2" == "-m pip" ]] && exec pip "${{@:3}}"\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    # A venv that has what pip would have put there.
    fake = root / "bin" / "python3.11"
    fake.write_text(
        f"""#!/bin/bash
[[ "$*" == "-m venv {root}/locust" ]] || exit 9
mkdir -p {root}/locust/bin
for name in locust locust-cw; do ln -s {Path(sys.executable).parent}/$name {root}/locust/bin/$name; done
ln -s {root}/bin/python {root}/locust/bin/python
"""
    )
    fake.chmod(0o755)
    here = user_data.replace("/opt/aws/bin/", f"{root}/bin/").replace("/opt/locust", f"{root}/locust")
    here = here.replace("/usr/local/bin", f"{root}/bin")
    path = f"{root}/bin:{os.environ['PATH']}"
    subprocess.run([BASH], input=here, text=True, check=True, env=os.environ | {"PATH": path})
    did = log.read_text().splitlines()
    assert did[0].startswith("dnf install -y")
    assert "python3.11" in did[0]
    assert did[1].startswith("pip install")
    assert did[1].endswith("locust locust-cw==9.9")
    assert did[2] == f"cfn-signal -e 0 --stack load-generator --resource LoadGenerator --region {REGION}"
    assert os.access(root / "bin" / "load-test", os.X_OK)
    assert (root / "bin" / "locust-cw").resolve().exists()
    # A step that fails is told of.
    (root / "bin" / "dnf").write_text("#!/bin/bash\nexit 3\n")
    assert subprocess.run([BASH], input=here, text=True, check=False, env=os.environ | {"PATH": path}).returncode == 3
    assert log.read_text().splitlines()[-1].startswith("cfn-signal -e 3 ")


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
