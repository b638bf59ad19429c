"""`locust-cw template`: print a CloudFormation template of a load generator that may publish and has no open ports."""

from __future__ import annotations

import dataclasses
import re
import shlex
from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._cli.iam_policy import ArnScope, PolicyRequest, caller_policy, policy_of, statements
from locust_cw._cli.output import print_json
from locust_cw._cli.parser import AddParser, add_command
from locust_cw._cli.policy_options import add_policy_options, add_retention_option, policy_request
from locust_cw._cli.settings import from_test
from locust_cw._cli.shared_options import check_options

if TYPE_CHECKING:
    import argparse

_IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
_RETENTION_DAYS = 30
_VOLUME_GB = 20
_START = "/usr/local/bin/load-test"

_DESCRIPTION = """\
Print a CloudFormation template (JSON) of a load generator: a role with a minimal policy, an instance profile, a log
group, and an instance without open ports.
"""
_EPILOG = f"""\
example:
  locust-cw template --namespace Shop --log-group /load/shop > load-generator.json
  aws cloudformation deploy --stack-name load-generator --template-file load-generator.json \\
      --capabilities CAPABILITY_IAM --parameter-overrides VpcId=vpc-0abc SubnetId=subnet-0abc
  aws ssm start-session --target $(aws cloudformation describe-stacks --stack-name load-generator \\
      --query 'Stacks[0].Outputs[?OutputKey==`InstanceId`].OutputValue' --output text)
  load-test -f test.py --host https://service.example --headless -u 100 -t 10m

The stack is complete when the instance has installed Locust and locust-cw. {_START} starts Locust
with the options given here, and accepts all options of Locust. The instance needs outbound access: a NAT gateway, or a
public subnet with PublicAddress=true. It accepts no inbound connections: sessions use Systems
Manager. To open Locust's web UI, use aws ssm start-session with --document-name AWS-StartPortForwardingSession
and --parameters portNumber=8089,localPortNumber=8089. This command does not call AWS.

exit code: 0 printed, 2 invalid argument
"""


def declare(add_parser: AddParser) -> None:
    """Declare the sub-command."""
    parser = add_command(
        add_parser,
        "template",
        summary="print a CloudFormation template of a load generator without open ports",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    add_policy_options(parser, uses_help="further uses that the role allows; repeatable; publish is always allowed")
    add_retention_option(
        parser, f"retention of the log group; default: {_RETENTION_DAYS} if the stack creates it, else unchanged"
    )
    add = parser.add_argument
    add(
        "--log-class",
        choices=_core.option_choices("log_class"),
        default=from_test("log_class"),
        help="class of the log group",
    )
    add(
        "--role-arn",
        metavar="ARN",
        default=from_test("role_arn"),
        help="role that the test publishes with, in the account with the logs",
    )
    add("--external-id", metavar="ID", default=from_test("external_id"), help="external ID to assume the role with")
    add(
        "--install",
        metavar="REQUIREMENT",
        help="what pip installs in addition to Locust; default: this version of locust-cw",
    )
    # The load generator needs the permission to publish in any case.
    parser.set_defaults(run_command=_run, uses=["publish"])


def _run(options: argparse.Namespace) -> int:
    check_options(options, "role_arn", "external_id", "log_class")
    print_json(make_template(options))
    return 0


def make_template(options: argparse.Namespace) -> dict[str, Any]:
    """The template.

    Raises:
        InvalidOptionError: If a test would not accept an option.

    """
    request = policy_request(options)
    # The stack creates the log group, unless it exists or is in the account of a role.
    with_group = request.publishes_logs and not request.group_exists and options.role_arn is None
    group = {"LogGroup": _log_group(options)} if with_group else {}
    resources = group | {
        "Role": _role(_policy(request, options, with_group=with_group)),
        "InstanceProfile": {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": [{"Ref": "Role"}]}},
        "SecurityGroup": _security_group(),
        "LoadGenerator": _instance(_user_data(options, request)),
    }
    outputs = {
        "InstanceId": {"Description": "For aws ssm start-session --target", "Value": {"Ref": "LoadGenerator"}},
        "RoleArn": {"Description": "Role of the load generator", "Value": {"Fn::GetAtt": ["Role", "Arn"]}},
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "A load generator with Locust and locust-cw, without open ports. Sessions use Systems Manager.",
        "Parameters": _parameters(),
        "Conditions": {
            "HasTestPort": {"Fn::Not": [{"Fn::Equals": [{"Ref": "TestPort"}, 0]}]},
            "AsTheSubnetSays": {"Fn::Equals": [{"Ref": "PublicAddress"}, "as the subnet says"]},
        },
        "Resources": resources,
        "Outputs": outputs,
    }


def _policy(request: PolicyRequest, options: argparse.Namespace, *, with_group: bool) -> dict[str, Any]:
    """The policy of the load generator's role."""
    if options.role_arn is not None:
        return caller_policy(options.role_arn)
    scope = ArnScope("${AWS::Partition}", "${AWS::Region}", "${AWS::AccountId}")
    # If the stack creates the log group, no test does.
    request = dataclasses.replace(request, group_exists=request.group_exists or with_group)
    policy = policy_of(statements(request, scope))
    for statement in policy["Statement"]:
        statement["Resource"] = _substituted(statement["Resource"])
    return policy


def _substituted(resource: str | list[str]) -> Any:  # noqa: ANN401 - a text or a call of Fn::Sub
    if isinstance(resource, list):
        return [_substituted(each) for each in resource]
    # Pseudo parameters are substituted, and what users gave is not: `${!` is a literal `${`.
    return {"Fn::Sub": re.sub(r"\$\{(?!AWS::)", "${!", resource)} if "${" in resource else resource


def _parameters() -> dict[str, Any]:
    return {
        "VpcId": {"Type": "AWS::EC2::VPC::Id", "Description": "VPC of the load generator"},
        "SubnetId": {
            "Type": "AWS::EC2::Subnet::Id",
            "Description": "A subnet of that VPC with outbound access: through NAT, or a public one",
        },
        "PublicAddress": {
            "Type": "String",
            "Default": "as the subnet says",
            "AllowedValues": ["as the subnet says", "true", "false"],
            "Description": "Whether it has a public address, for outbound access without NAT",
        },
        "InstanceType": {
            "Type": "String",
            "Default": "c7i.large",
            "Description": "A Locust process uses one core. For one process per core, use --processes -1",
        },
        "Image": {
            "Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
            "Default": _IMAGE,
            "Description": "Amazon Linux 2023. For Graviton instances, use the same name ending in arm64",
        },
        "TestPort": {
            "Type": "Number",
            "Default": 0,
            "MinValue": 0,
            "MaxValue": 65535,
            "Description": (
                "TCP port of the service under test, if it is not 443 or 80, which outbound traffic can always use"
            ),
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
            "GroupDescription": "Load generator: no inbound traffic, outbound HTTP and the test",
            "VpcId": {"Ref": "VpcId"},
            # Security groups do not apply to the DNS and the time service of the VPC.
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


def _user_data(options: argparse.Namespace, request: PolicyRequest) -> str:
    """The script that the instance runs at its first start, for `Fn::Sub`."""
    install = options.install or f"locust-cw=={_core.VERSION}"
    return f"""\
#!/bin/bash
set -euo pipefail
# Signals the result to CloudFormation, also after an error.
trap '/opt/aws/bin/cfn-signal -e $? --stack ${{AWS::StackName}} --resource LoadGenerator --region ${{AWS::Region}}' EXIT
dnf install -y aws-cfn-bootstrap python3.11
# The default Python of Amazon Linux 2023 is too old for Locust.
python3.11 -m venv /opt/locust
/opt/locust/bin/python -m pip install --no-cache-dir locust {_literal(shlex.quote(install))}
cat > {_START} <<'START'
#!/bin/bash
# Each user has a connection, which counts as an open file.
ulimit -n "$(ulimit -Hn)"
export AWS_REGION=${{AWS::Region}}
# Works with and without `import locust_cw` in the locustfile.
exec /opt/locust/bin/python -P -m locust_cw {_literal(shlex.join(_locust_arguments(options, request)))} "$@"
START
chmod 755 {_START}
ln -s /opt/locust/bin/locust-cw /usr/local/bin/locust-cw
# Fails the stack if the installation does not work.
/opt/locust/bin/python -c 'import locust, locust_cw'
/opt/locust/bin/locust-cw --help > /dev/null
"""


def _literal(text: str) -> str:
    """The text, escaped so that CloudFormation substitutes nothing in it."""
    return text.replace("${", "${!")


def _locust_arguments(options: argparse.Namespace, request: PolicyRequest) -> list[str]:
    """The options for Locust that differ from their defaults."""
    default = _core.default_options()
    words = ["--cw-live"]
    for name in ("namespace", "logs", "log_group", "log_stream", "log_class", "role_arn", "external_id"):
        value = getattr(options, name)
        if value is not None and value != default[name]:
            words += [f"--cw-{name.replace('_', '-')}", value]
    # With a role, the test creates the log group, in the account of the role.
    if options.role_arn is not None and request.creates_group and request.retention:
        words += ["--cw-log-retention-days", str(options.log_retention_days)]
    words += [] if request.dashboard is None else ["--cw-dashboard", request.dashboard]
    return words + [word for alarm in options.stop_on_alarm for word in ("--cw-stop-on-alarm", alarm)]
