"""`locust-cw policy`: print the minimal IAM policy for the options of a test."""

from __future__ import annotations

import argparse
import re

from locust_cw import _core
from locust_cw._cli.iam_policy import ArnScope, caller_policy, policy_of, statements, trust_policy
from locust_cw._cli.output import print_json
from locust_cw._cli.parser import AddParser, add_command
from locust_cw._cli.policy_options import add_policy_options, add_retention_option, policy_request
from locust_cw._cli.settings import from_test
from locust_cw._cli.shared_options import check_options

_DESCRIPTION = """\
Print the IAM policy that allows what a test with these options does in the AWS account, and nothing else.
--cw-target needs no permission to publish. The report and the charts of the web UI read the metrics of targets (--for
report, which a test with --cw-report needs as well), and a test only those that a --check is about.
"""
_EPILOG = """\
examples:
  locust-cw policy --log-retention-days 30 --region eu-north-1 --account 123456789012 > policy.json
  aws iam put-user-policy --user-name tester --policy-name locust-cw --policy-document file://policy.json

  To publish with a role of another account, print three documents: for the caller, for the role, and for its trust.
  locust-cw policy --role-arn arn:aws:iam::210987654321:role/LoadTest --external-id blue \\
      --caller arn:aws:iam::123456789012:root

With --role-arn, the JSON has the keys "Caller" and "Role", each with a policy, and with --caller also "RoleTrust".
AWS is not called.

exit code: 0 printed, 2 invalid argument
"""


def declare(add_parser: AddParser) -> None:
    """Declare the sub-command."""
    parser = add_command(
        add_parser,
        "policy",
        summary="print the minimal IAM policy for the options of a test",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    add_policy_options(parser, uses_help="what the policy is for; repeatable; default: publish")
    add_retention_option(parser, "retention that the test sets for a group it creates")
    add = parser.add_argument
    add("--region", metavar="REGION", default=from_test("region"), help="region in the ARNs (default: any)")
    add("--account", metavar="ID", type=_account, help="account ID in the ARNs (default: any)")
    add("--role-arn", metavar="ARN", default=from_test("role_arn"), help="role that the test publishes with")
    add("--external-id", metavar="ID", default=from_test("external_id"), help="external ID to assume the role with")
    add("--caller", metavar="ARN", help="principal that assumes the role, for its trust policy")
    parser.set_defaults(run_command=_run)


def _account(text: str) -> str:
    if not re.fullmatch(r"[0-9]{12}", text):
        raise argparse.ArgumentTypeError(f"must be the 12 digits of an AWS account, not {text!r}")
    return text


def _run(options: argparse.Namespace) -> int:
    check_options(options, "region", "role_arn", "external_id")
    if options.caller is not None and options.role_arn is None:
        raise _core.InvalidOptionError(
            "caller", "it is the principal in the trust policy of a role: give --role-arn as well"
        )
    policy = policy_of(statements(policy_request(options), _scope_of(options)))
    if options.role_arn is None:
        print_json(policy)
        return 0
    documents = {"Caller": caller_policy(options.role_arn), "Role": policy}
    if options.caller is not None:
        documents["RoleTrust"] = trust_policy(options.caller, options.external_id)
    print_json(documents)
    return 0


def _scope_of(options: argparse.Namespace) -> ArnScope:
    if options.role_arn is None:
        partition, account = _core.partition_of(options.region or "").name, "*"
    else:
        # The resources are in the account and the partition of the role.
        _, partition, _, _, account, _ = options.role_arn.split(":", 5)
    return ArnScope(partition, region=options.region or "*", account=options.account or account)
