"""The template of `locust-cw template` is valid, opens no port, and starts a load generator."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from support.in_process import run
from support.policies import ACCOUNT, ROLE, actions, filled, policy, scripts, template
from support.servers import REGION

BASH = "/bin/bash"


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


def test_cfn_lint_finds_nothing(tmp_path: Path) -> None:
    for name, given in GIVEN.items():
        (tmp_path / f"{name}.json").write_text(run(tmp_path, "template", *given))
    program = Path(sys.executable).with_name("cfn-lint")
    # One process for all, since most of its time is for loading the schemas.
    checked = subprocess.run(
        [program, "--include-checks", "I", "--ignore-checks", USER_SAYS, "--", *tmp_path.glob("*.json")],
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


@pytest.mark.parametrize(
    "given", [GIVEN[name] for name in ("usual", "all options", "no logs", "dashboard of the namespace", "read back")]
)
def test_the_role_has_exactly_the_policy(tmp_path: Path, given: tuple[str, ...]) -> None:
    """The policy of a test with an existing log group, because the stack creates it."""
    made = template(tmp_path, *given)
    (inline,) = made["Resources"]["Role"]["Properties"]["Policies"]
    asked = [each for each in given if not each.startswith(("--log-class", "--log-retention-days"))]
    same = policy(tmp_path, *asked, "--for=publish", "--log-group-exists", f"--region={REGION}", f"--account={ACCOUNT}")
    assert filled(inline["PolicyDocument"]) == same
    assert ("LogGroup" in made["Resources"]) == ("--logs=off" not in given)


@pytest.mark.parametrize("given", ["--dashboard", "--dashboard=default", "--dashboard=Shop"])
def test_the_role_allows_the_dashboard_of_the_test(tmp_path: Path, given: str) -> None:
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
def test_the_test_sets_the_retention_of_a_group_that_it_creates(
    tmp_path: Path, given: tuple[str, ...], retention: list[str]
) -> None:
    """In the account of the assumed role, no stack does this. The policy of the role allows it."""
    role = f"--role-arn={ROLE}"
    assert re.findall(r"--cw-log-retention-days (\S+)", scripts(template(tmp_path, role, *given))[1]) == retention
    assert ("logs:PutRetentionPolicy" in actions(policy(tmp_path, role, *given)["Role"])) == bool(retention)
    assert "retention" not in scripts(template(tmp_path, *given))[1]


def test_with_a_role_arn_the_instance_role_only_assumes_that_role(tmp_path: Path) -> None:
    made = template(tmp_path, *GIVEN["role"])
    (inline,) = made["Resources"]["Role"]["Properties"]["Policies"]
    assert inline["PolicyDocument"] == policy(tmp_path, *GIVEN["role"])["Caller"]
    assert "LogGroup" not in made["Resources"]


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_the_script_passes_shellcheck(tmp_path: Path, given: tuple[str, ...]) -> None:
    for text in scripts(template(tmp_path, *given)):
        assert text.startswith("#!/bin/bash\n")
        subprocess.run([BASH, "-n"], input=text, text=True, check=True)


def test_the_first_start_installs_what_it_starts(tmp_path: Path) -> None:
    """The whole script, step by step, with stand-ins for the programs of the instance."""
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
    # CloudFormation learns of a step that fails.
    (root / "bin" / "dnf").write_text("#!/bin/bash\nexit 3\n")
    assert subprocess.run([BASH], input=here, text=True, check=False, env=os.environ | {"PATH": path}).returncode == 3
    assert log.read_text().splitlines()[-1].startswith("cfn-signal -e 3 ")
