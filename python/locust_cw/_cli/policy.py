"""`locust-cw policy`: the least IAM policy for the options of a test."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._aws.endpoint import partition_of
from locust_cw._cli.output import check, print_json, wrapped
from locust_cw._cli.shared_options import add_publish_options, dashboard_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from locust_cw._cli.main import AddParser

USES = ("publish", "dashboard", "verify", "report")
"""What a policy can be for. `doctor` needs what `publish` needs, for it tries just that."""

_EPILOG = """\
examples:
  locust-cw policy --log-retention-days 30 --region eu-north-1 --account 123456789012 > policy.json
  aws iam put-user-policy --user-name tester --policy-name locust-cw --policy-document file://policy.json

  Publish as a role of another account: three documents, for the caller, for the role, and who may assume it.
  locust-cw policy --role-arn arn:aws:iam::210987654321:role/LoadTest --external-id blue \\
      --caller arn:aws:iam::123456789012:root

With --role-arn the JSON has the keys "Caller" and "Role", each with a policy, and with --caller also "RoleTrust".
Nothing is asked of AWS.

exit code: 0 printed, 2 wrong argument
"""


@dataclass(frozen=True)
class Wish:
    """What the account is to be used for.

    Attributes:
        uses: Some of `USES`.
        namespace: Of the metrics.
        logs: `all`, `failures` or `off`.
        log_group: Name of the log group.
        log_stream: First part of the streams' names.
        group_exists: Whether the group is there, so that no test makes it.
        retention: Whether a test sets the retention of a group that it makes.
        dashboard: The dashboard that a test puts, if it puts one.
        alarms: Whether alarms stop the test.

    """

    uses: tuple[str, ...]
    namespace: str
    logs: str
    log_group: str
    log_stream: str
    group_exists: bool
    retention: bool
    dashboard: str | None
    alarms: bool

    def wants(self, use: str) -> bool:
        """Whether it is one of the uses."""
        return use in self.uses

    @property
    def logs_are_published(self) -> bool:
        """Whether there are log events."""
        return self.wants("publish") and self.logs != "off"

    @property
    def makes_group(self) -> bool:
        """Whether a test may have to make the log group."""
        return self.logs_are_published and not self.group_exists

    @property
    def reads_logs(self) -> bool:
        """Whether log events are read back."""
        return self.wants("verify") and self.logs != "off"


@dataclass(frozen=True)
class Place:
    """The account, as it stands in ARNs."""

    partition: str = "aws"
    region: str = "*"
    account: str = "*"

    def log_group(self, wish: Wish) -> tuple[str, ...]:
        """The log group, by both of the names that it has in policies."""
        name = f"arn:{self.partition}:logs:{self.region}:{self.account}:log-group:{wish.log_group}"
        return name, f"{name}:*"

    def log_streams(self, wish: Wish) -> tuple[str, ...]:
        """The streams of the tests."""
        # To IAM `${` begins a variable, and `${$}` is a dollar sign.
        stream = wish.log_stream.replace("${", "${$}{")
        return (f"{self.log_group(wish)[0]}:log-stream:{stream}/*",)

    def dashboard(self, wish: Wish) -> tuple[str, ...]:
        """The dashboard, which belongs to no region."""
        return (f"arn:{self.partition}:cloudwatch::{self.account}:dashboard/{wish.dashboard or '*'}",)


@dataclass(frozen=True)
class Grant:
    """One statement of a policy."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...] = ("*",)
    condition: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def statement(self) -> dict[str, Any]:
        """As it stands in a policy."""
        statement = {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": list(self.actions),
            "Resource": list(self.resources) if len(self.resources) > 1 else self.resources[0],
        }
        return statement | ({"Condition": self.condition} if self.condition else {})


def grants(wish: Wish, place: Place) -> list[Grant]:
    """The table: what each use calls, and on what.

    Where the resource is `*`, the action knows no narrower one. That is so for DescribeAlarms too as it is called here:
    with a narrower one AWS tells nothing of composite alarms.
    """
    group, streams, dashboard = place.log_group(wish), place.log_streams(wish), place.dashboard(wish)
    in_namespace = {"StringEquals": {"cloudwatch:namespace": wish.namespace}}
    puts_dashboard = wish.wants("publish") and wish.dashboard is not None
    # Without logs there is no query to be saved.
    queries = ("logs:DescribeQueryDefinitions", *(("logs:PutQueryDefinition",) if wish.logs != "off" else ()))
    table = (
        (wish.wants("publish"), Grant("PublishMetrics", ("cloudwatch:PutMetricData",), condition=in_namespace)),
        (wish.makes_group, Grant("MakeLogGroup", ("logs:CreateLogGroup",), group)),
        (wish.makes_group and wish.retention, Grant("SetLogRetention", ("logs:PutRetentionPolicy",), group)),
        (wish.logs_are_published, Grant("MakeLogStreams", ("logs:CreateLogStream",), group)),
        (wish.logs_are_published, Grant("PublishLogEvents", ("logs:PutLogEvents",), streams)),
        (puts_dashboard, Grant("PutDashboard", ("cloudwatch:GetDashboard", "cloudwatch:PutDashboard"), dashboard)),
        (wish.wants("publish") and wish.alarms, Grant("WatchAlarms", ("cloudwatch:DescribeAlarms",))),
        (
            wish.wants("dashboard"),
            Grant(
                "KeepDashboard",
                ("cloudwatch:GetDashboard", "cloudwatch:PutDashboard", "cloudwatch:DeleteDashboards"),
                dashboard,
            ),
        ),
        (puts_dashboard or wish.wants("dashboard"), Grant("SaveQueries", queries)),
        (wish.wants("verify") or wish.wants("report"), Grant("ReadMetrics", ("cloudwatch:GetMetricData",))),
        (wish.reads_logs, Grant("ReadLogEvents", ("logs:FilterLogEvents", "logs:StartQuery"), group)),
        (wish.reads_logs, Grant("ReadQueryResults", ("logs:GetQueryResults",))),
    )
    return [grant for wanted, grant in table if wanted]


def policy_of(grants: Iterable[Grant]) -> dict[str, Any]:
    """A policy of these statements."""
    return {"Version": "2012-10-17", "Statement": [grant.statement for grant in grants]}


def caller_policy(role_arn: str) -> dict[str, Any]:
    """The policy of whoever publishes as a role."""
    return policy_of([Grant("AssumeRole", ("sts:AssumeRole",), (role_arn,))])


def trust_policy(caller: str, external_id: str | None) -> dict[str, Any]:
    """Who may assume the role."""
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": caller}, "Action": "sts:AssumeRole"}
    if external_id is not None:
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
    return {"Version": "2012-10-17", "Statement": [statement]}


def add_wish_options(
    parser: argparse.ArgumentParser, what_for: str = "what the policy is for; repeatable; default: publish"
) -> None:
    """Declare what `wish_of` reads."""
    add_publish_options(parser)
    parser.add_argument(
        "--for",
        dest="uses",
        action="append",
        choices=(*USES, "all"),
        help=what_for,
    )
    parser.add_argument(
        "--log-group-exists", action="store_true", help="the log group is there: no test may or must make it"
    )


def wish_of(options: argparse.Namespace) -> Wish:
    """What the arguments ask for.

    Raises:
        InvalidOptionError: If one of them is none that a test would take.

    """
    check(options, "namespace", "logs", "log_group", "log_stream", "log_retention_days")
    uses = options.uses or ["publish"]
    return Wish(
        uses=USES if "all" in uses else tuple(use for use in USES if use in uses),
        namespace=options.namespace,
        logs=options.logs,
        log_group=options.log_group,
        log_stream=options.log_stream,
        group_exists=options.log_group_exists,
        retention=options.log_retention_days is not None,
        dashboard=dashboard_of(options),
        alarms=bool(options.stop_on_alarm),
    )


def declare(add_parser: AddParser) -> None:
    """Declare the command."""
    parser = add_parser(
        "policy",
        help="print the least IAM policy for a test's options",
        description=wrapped(
            "Print the IAM policy that allows what a test with these options does in the AWS account, and nothing"
            " else. Targets need no permission of their own: their metrics are read by the report (--for report)."
        ),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_wish_options(parser)
    parser.add_argument("--log-retention-days", metavar="DAYS", type=int, help="the test sets it for a group it makes")
    parser.add_argument("--region", metavar="REGION", help="region for the ARNs; else any")
    parser.add_argument("--account", metavar="ID", type=_account, help="account id for the ARNs; else any")
    parser.add_argument("--role-arn", metavar="ARN", help="role that the test publishes as")
    parser.add_argument("--external-id", metavar="ID", help="external id that the role is assumed with")
    parser.add_argument("--caller", metavar="ARN", help="who assumes the role, for its trust policy")
    parser.set_defaults(run_command=_policy)


def _account(text: str) -> str:
    if not re.fullmatch(r"[0-9]{12}", text):
        raise argparse.ArgumentTypeError(f"must be the 12 digits of an AWS account, not {text!r}")
    return text


def _policy(options: argparse.Namespace) -> int:
    check(options, "region", "role_arn", "external_id")
    if options.caller is not None and options.role_arn is None:
        raise _core.InvalidOptionError("caller", "only with --role-arn: it is for the role's trust policy")
    # The role lives in its own account and partition.
    role = options.role_arn.split(":") if options.role_arn else None
    place = Place(
        partition=role[1] if role else partition_of(options.region or "").name,
        region=options.region or "*",
        account=options.account or (role[4] if role else "*"),
    )
    policy = policy_of(grants(wish_of(options), place))
    if options.role_arn is None:
        print_json(policy)
        return 0
    documents = {"Caller": caller_policy(options.role_arn), "Role": policy}
    if options.caller is not None:
        documents["RoleTrust"] = trust_policy(options.caller, options.external_id)
    print_json(documents)
    return 0
