"""`locust-cw template`: a CloudFormation template of a load generator that may publish, and is closed to the world."""

from __future__ import annotations

import argparse
import dataclasses
import re
import shlex
from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._cli import policy as _policy
from locust_cw._cli.output import check, print_json, wrapped
from locust_cw._settings.table import choices_of

if TYPE_CHECKING:
    from locust_cw._cli.main import AddParser

_IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
_RETENTION_DAYS = 30
_VOLUME_GB = 20
_START = "/usr/local/bin/load-test"

_EPILOG = f"""\
example:
  locust-cw template --namespace Shop --log-group /load/shop > load-generator.json
  aws cloudformation deploy --stack-name load-generator --template-file load-generator.json \\
      --capabilities CAPABILITY_IAM --parameter-overrides VpcId=vpc-0abc SubnetId=subnet-0abc
  aws ssm start-session --target $(aws cloudformation describe-stacks --stack-name load-generator \\
      --query 'Stacks[0].Outputs[?OutputKey==`InstanceId`].OutputValue' --output text)
  load-test -f test.py --host https://service.example --headless -u 100 -t 10m

The stack is complete when the instance has installed Locust and locust-cw. {_START} starts
Locust with the options given here, and takes all of Locust's. The instance needs a way out: a NAT gateway, or a public
subnet with PublicAddress=true. Nothing can connect to it, whatever its address: sessions go through Systems Manager.
To see Locust's web UI: aws ssm start-session with --document-name AWS-StartPortForwardingSession
and --parameters portNumber=8089,localPortNumber=8089. Nothing is asked of AWS.

exit code: 0 printed, 2 wrong argument
"""


def declare(add_parser: AddParser) -> None:
    """Declare the command."""
    parser = add_parser(
        "template",
        help="print a CloudFormation template of a load generator closed to the world",
        description=wrapped(
            "Print a CloudFormation template (JSON) of a load generator: role with the least policy, instance"
            " profile, log group, and an instance that nothing can connect to."
        ),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _policy.add_wish_options(parser, what_for="what the role may do besides; repeatable; publish is always granted")
    parser.add_argument(
        "--log-retention-days",
        metavar="DAYS",
        type=int,
        help=f"of the log group; default: {_RETENTION_DAYS} where the stack makes it, else as it is",
    )
    parser.add_argument(
        "--log-class",
        choices=choices_of("log_class"),
        default=_core.default_options()["log_class"],
        help="of that group",
    )
    parser.add_argument(
        "--role-arn", metavar="ARN", help="role that the test publishes as, in the account with the logs"
    )
    parser.add_argument("--external-id", metavar="ID", help="external id that the role is assumed with")
    parser.add_argument(
        "--install", metavar="REQUIREMENT", help="what pip installs beside Locust; default: this version of locust-cw"
    )
    # What it starts publishes, whatever else the role is for.
    parser.set_defaults(run_command=_template, uses=["publish"])


def _template(options: argparse.Namespace) -> int:
    check(options, "role_arn", "external_id", "log_class")
    print_json(template(options))
    return 0


def template(options: argparse.Namespace) -> dict[str, Any]:
    """The template, as its JSON.

    Raises:
        InvalidOptionError: If an option is none that a test would take.

    """
    wish = _policy.wish_of(options)
    # The group is the stack's, unless it is there or another account's.
    with_group = wish.logs_are_published and not wish.group_exists and options.role_arn is None
    group = {"LogGroup": _log_group(options)} if with_group else {}
    if options.role_arn is None:
        place = _policy.Place("${AWS::Partition}", "${AWS::Region}", "${AWS::AccountId}")
        policy = _policy.policy_of(_policy.grants(_with_group(wish, with_group=with_group), place))
        for statement in policy["Statement"]:
            statement["Resource"] = _substituted(statement["Resource"])
    else:
        policy = _policy.caller_policy(options.role_arn)
    resources = group | {
        "Role": _role(policy),
        "InstanceProfile": {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": [{"Ref": "Role"}]}},
        "SecurityGroup": _security_group(),
        "LoadGenerator": _instance(_user_data(options, wish)),
    }
    outputs = {
        "InstanceId": {"Description": "For aws ssm start-session --target", "Value": {"Ref": "LoadGenerator"}},
        "RoleArn": {"Description": "What the load generator is", "Value": {"Fn::GetAtt": ["Role", "Arn"]}},
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "A load generator with Locust and locust-cw, closed to the world. Sessions go through SSM.",
        "Parameters": _parameters(),
        "Conditions": {
            "HasTestPort": {"Fn::Not": [{"Fn::Equals": [{"Ref": "TestPort"}, 0]}]},
            "AsTheSubnetSays": {"Fn::Equals": [{"Ref": "PublicAddress"}, "as the subnet says"]},
        },
        "Resources": resources,
        "Outputs": outputs,
    }


def _with_group(wish: _policy.Wish, *, with_group: bool) -> _policy.Wish:
    """The wish of a test that finds its log group there."""
    return dataclasses.replace(wish, group_exists=wish.group_exists or with_group)


def _substituted(resource: str | list[str]) -> Any:  # noqa: ANN401 - as CloudFormation has it
    if isinstance(resource, list):
        return [_substituted(each) for each in resource]
    # Names that are given have no colon.
    return {"Fn::Sub": re.sub(r"\$\{(?!AWS::)", "${!", resource)} if "${" in resource else resource


def _parameters() -> dict[str, Any]:
    return {
        "VpcId": {"Type": "AWS::EC2::VPC::Id", "Description": "Where the load generator stands"},
        "SubnetId": {
            "Type": "AWS::EC2::Subnet::Id",
            "Description": "A subnet of that VPC with a way out: through NAT, or a public one",
        },
        "PublicAddress": {
            "Type": "String",
            "Default": "as the subnet says",
            "AllowedValues": ["as the subnet says", "true", "false"],
            "Description": "Whether it gets a public address, to have a way out where there is no NAT",
        },
        "InstanceType": {
            "Type": "String",
            "Default": "c7i.large",
            "Description": "One Locust process fills one core; run as many as it has, with --processes -1",
        },
        "Image": {
            "Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
            "Default": _IMAGE,
            "Description": "Amazon Linux 2023; for Graviton instances the same name ending in arm64",
        },
        "TestPort": {
            "Type": "Number",
            "Default": 0,
            "MinValue": 0,
            "MaxValue": 65535,
            "Description": "TCP port of the service under test if it is not 443 or 80, which are open to the outside",
        },
    }


def _log_group(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "Type": "AWS::Logs::LogGroup",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "LogGroupName": options.log_group,
            "LogGroupClass": options.log_class,
            "RetentionInDays": options.log_retention_days or _RETENTION_DAYS,
        },
    }


def _role(policy: dict[str, Any]) -> dict[str, Any]:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": {"Fn::Sub": "ec2.${AWS::URLSuffix}"}},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    session_manager = "arn:${AWS::Partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": trust,
            "ManagedPolicyArns": [{"Fn::Sub": session_manager}],
            "Policies": [{"PolicyName": "locust-cw", "PolicyDocument": policy}],
        },
    }


def _security_group() -> dict[str, Any]:
    def out(port: int | dict[str, str], why: str) -> dict[str, Any]:
        return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "CidrIp": "0.0.0.0/0", "Description": why}

    return {
        "Type": "AWS::EC2::SecurityGroup",
        "Properties": {
            "GroupDescription": "A load generator: nothing comes in, HTTP and the test go out",
            "VpcId": {"Ref": "VpcId"},
            # The VPC's own DNS and time are not subject to security groups.
            "SecurityGroupEgress": [
                out(443, "AWS, packages, the test"),
                out(80, "packages, the test"),
                {"Fn::If": ["HasTestPort", out({"Ref": "TestPort"}, "the test"), {"Ref": "AWS::NoValue"}]},
            ],
        },
    }


def _instance(user_data: str) -> dict[str, Any]:
    public = {"Fn::If": ["AsTheSubnetSays", {"Ref": "AWS::NoValue"}, {"Ref": "PublicAddress"}]}
    return {
        "Type": "AWS::EC2::Instance",
        "CreationPolicy": {"ResourceSignal": {"Count": 1, "Timeout": "PT15M"}},
        "Properties": {
            "ImageId": {"Ref": "Image"},
            "InstanceType": {"Ref": "InstanceType"},
            "IamInstanceProfile": {"Ref": "InstanceProfile"},
            "NetworkInterfaces": [
                {
                    "DeviceIndex": "0",
                    "SubnetId": {"Ref": "SubnetId"},
                    "GroupSet": [{"Fn::GetAtt": ["SecurityGroup", "GroupId"]}],
                    "AssociatePublicIpAddress": public,
                }
            ],
            "MetadataOptions": {"HttpEndpoint": "enabled", "HttpTokens": "required", "HttpPutResponseHopLimit": 1},
            "BlockDeviceMappings": [
                {
                    "DeviceName": "/dev/xvda",
                    "Ebs": {
                        "Encrypted": True,
                        "VolumeType": "gp3",
                        "VolumeSize": _VOLUME_GB,
                        "DeleteOnTermination": True,
                    },
                }
            ],
            "Tags": [{"Key": "Name", "Value": {"Ref": "AWS::StackName"}}],
            "UserData": {"Fn::Base64": {"Fn::Sub": user_data}},
        },
    }


def _user_data(options: argparse.Namespace, wish: _policy.Wish) -> str:
    """The script that the instance runs at its first start, for `Fn::Sub`."""
    install = options.install or f"locust-cw=={_core.VERSION}"
    return f"""\
#!/bin/bash
set -euo pipefail
# Tells CloudFormation how this ended, whatever happens.
trap '/opt/aws/bin/cfn-signal -e $? --stack ${{AWS::StackName}} --resource LoadGenerator --region ${{AWS::Region}}' EXIT
dnf install -y aws-cfn-bootstrap python3.11
# Amazon Linux 2023's own Python is older than Locust wants.
python3.11 -m venv /opt/locust
/opt/locust/bin/python -m pip install --no-cache-dir locust {_literal(shlex.quote(install))}
cat > {_START} <<'START'
#!/bin/bash
# Each user has a connection, and a connection is an open file.
ulimit -n "$(ulimit -Hn)"
export AWS_REGION=${{AWS::Region}}
# With or without `import locust_cw` in the locustfile.
exec /opt/locust/bin/python -P -m locust_cw {_literal(shlex.join(_locust_arguments(options, wish)))} "$@"
START
chmod 755 {_START}
ln -s /opt/locust/bin/locust-cw /usr/local/bin/locust-cw
# Only what can be imported can be started.
/opt/locust/bin/python -c 'import locust, locust_cw'
/opt/locust/bin/locust-cw --help > /dev/null
"""


def _literal(text: str) -> str:
    """Text in which CloudFormation substitutes nothing."""
    return text.replace("${", "${!")


def _locust_arguments(options: argparse.Namespace, wish: _policy.Wish) -> list[str]:
    """What Locust is started with: the options that differ from a test's defaults."""
    default = _core.default_options()
    words = ["--cw-live"]
    for name in ("namespace", "logs", "log_group", "log_stream", "log_class", "role_arn", "external_id"):
        value = getattr(options, name)
        if value is not None and value != default[name]:
            words += [f"--cw-{name.replace('_', '-')}", value]
    # With a role it is the test that makes the log group, in the role's account.
    if options.role_arn is not None and wish.makes_group and wish.retention:
        words += ["--cw-log-retention-days", str(options.log_retention_days)]
    words += [] if wish.dashboard is None else ["--cw-dashboard", wish.dashboard]
    return words + [word for alarm in options.stop_on_alarm for word in ("--cw-stop-on-alarm", alarm)]
