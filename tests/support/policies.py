"""Policies and templates that `locust-cw` prints."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from support.in_process import run
from support.servers import REGION

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/LoadTest"


def policy(folder: Path, *args: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(run(folder, "policy", *args))
    return document


def actions(policy: dict[str, Any]) -> set[str]:
    return {action for statement in policy["Statement"] for action in statement["Action"]}


def template(folder: Path, *args: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(run(folder, "template", *args))
    return document


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


def scripts(made: dict[str, Any]) -> tuple[str, str]:
    """What the instance runs at its first start, and the start command that this leaves."""
    user_data = filled(made["Resources"]["LoadGenerator"]["Properties"]["UserData"]["Fn::Base64"])
    start = re.search(r"^cat > \S+ <<'START'\n(.*?)^START\n", user_data, re.MULTILINE | re.DOTALL)
    assert start
    return user_data, start[1]
