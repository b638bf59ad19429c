"""The least IAM policy for a use of the account: which actions it calls, on which resources."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

USES = ("publish", "dashboard", "runs", "compare", "baseline", "verify", "report")
"""What a policy can be for. `doctor` needs the permissions of `publish`, as it makes the same calls."""

_VERSION = "2012-10-17"
_RECORDS = "runs/"
_BASELINES = "baselines"


@dataclass(frozen=True)
class PolicyRequest:
    """What a policy must allow.

    Attributes:
        uses: Some of `USES`.
        namespace: The namespace of the metrics.
        logs: `all`, `failures` or `off`.
        log_group: The name of the log group.
        log_stream: The prefix of the names of log streams.
        record: Whether the records of runs are log events, too.
        group_exists: Whether the log group exists, so that no test creates it.
        retention: Whether a test sets the retention of a log group that it creates.
        dashboard: The dashboard of a test; None if it has none.
        alarms: Whether alarms stop the test.
        target_checks: Whether a check is about an AWS resource.
        baseline: Whether the test is compared with a baseline.

    """

    uses: tuple[str, ...]
    namespace: str
    logs: str
    log_group: str
    log_stream: str
    record: bool
    group_exists: bool
    retention: bool
    dashboard: str | None
    alarms: bool
    target_checks: bool
    baseline: bool

    def includes(self, use: str) -> bool:
        """Whether the policy is for this use."""
        return use in self.uses

    @property
    def publishes_logs(self) -> bool:
        """Whether a test publishes log events."""
        return self.includes("publish") and self.logs != "off"

    @property
    def creates_group(self) -> bool:
        """Whether a test may create the log group."""
        return self.publishes_logs and not self.group_exists

    @property
    def reads_records(self) -> bool:
        """Whether records of other machines are read, one at a time."""
        return self.includes("compare") or self.includes("baseline") or (self.includes("publish") and self.baseline)

    @property
    def reads_logs(self) -> bool:
        """Whether log events are read back."""
        return self.includes("verify") and self.logs != "off"


@dataclass(frozen=True)
class ArnScope:
    """The part of ARNs that all resources share.

    Attributes:
        partition: The partition of AWS.
        region: The region, or `*`.
        account: The account ID, or `*`.

    """

    partition: str = "aws"
    region: str = "*"
    account: str = "*"

    def log_group(self, request: PolicyRequest) -> tuple[str, ...]:
        """The log group: policies use its ARN with and without the suffix."""
        name = f"arn:{self.partition}:logs:{self.region}:{self.account}:log-group:{request.log_group}"
        return name, f"{name}:*"

    def log_streams(self, request: PolicyRequest) -> tuple[str, ...]:
        """The log streams of the tests."""
        # In a policy, `${` starts a variable, and `${$}` is a dollar sign.
        prefix = request.log_stream.replace("${", "${$}{")
        return (f"{self.log_group(request)[0]}:log-stream:{prefix}/*",)

    def record_streams(self, request: PolicyRequest) -> tuple[str, ...]:
        """The log streams of the records of runs."""
        return (f"{self.log_group(request)[0]}:log-stream:{_RECORDS}*",)

    def baseline_streams(self, request: PolicyRequest) -> tuple[str, ...]:
        """The log streams that `locust-cw baseline` writes to."""
        return (f"{self.log_group(request)[0]}:log-stream:{_BASELINES}", *self.record_streams(request))

    def dashboard(self, request: PolicyRequest) -> tuple[str, ...]:
        """The dashboard, which belongs to no region."""
        return (f"arn:{self.partition}:cloudwatch::{self.account}:dashboard/{request.dashboard or '*'}",)


@dataclass(frozen=True)
class Statement:
    """A statement of a policy."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...] = ("*",)
    condition: dict[str, dict[str, str]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The statement in the grammar of IAM."""
        statement = {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": list(self.actions),
            "Resource": list(self.resources) if len(self.resources) > 1 else self.resources[0],
        }
        return statement | ({"Condition": self.condition} if self.condition else {})


def statements(request: PolicyRequest, scope: ArnScope) -> list[Statement]:
    """The statements that a policy needs, from the table of all of them."""
    table = (*_publish_statements(request, scope), *_tool_statements(request, scope))
    return [statement for is_needed, statement in table if is_needed]


def _publish_statements(request: PolicyRequest, scope: ArnScope) -> tuple[tuple[bool, Statement], ...]:
    publishes = request.includes("publish")
    group, streams = scope.log_group(request), scope.log_streams(request)
    in_namespace = {"StringEquals": {"cloudwatch:namespace": request.namespace}}
    return (
        (publishes, Statement("PublishMetrics", ("cloudwatch:PutMetricData",), condition=in_namespace)),
        (request.creates_group, Statement("MakeLogGroup", ("logs:CreateLogGroup",), group)),
        (
            request.creates_group and request.retention,
            Statement("SetLogRetention", ("logs:PutRetentionPolicy",), group),
        ),
        (request.publishes_logs, Statement("MakeLogStreams", ("logs:CreateLogStream",), group)),
        (request.publishes_logs, Statement("PublishLogEvents", ("logs:PutLogEvents",), streams)),
        (
            request.publishes_logs and request.record,
            Statement("PublishRecords", ("logs:PutLogEvents",), scope.record_streams(request)),
        ),
        (
            publishes and request.dashboard is not None,
            Statement("PutDashboard", ("cloudwatch:GetDashboard", "cloudwatch:PutDashboard"), scope.dashboard(request)),
        ),
        # For a narrower resource than `*`, DescribeAlarms returns no composite alarms.
        (publishes and request.alarms, Statement("WatchAlarms", ("cloudwatch:DescribeAlarms",))),
    )


def _tool_statements(request: PolicyRequest, scope: ArnScope) -> tuple[tuple[bool, Statement], ...]:
    keeps_dashboard = request.includes("dashboard")
    puts_dashboard = keeps_dashboard or (request.includes("publish") and request.dashboard is not None)
    # Without logs, no query is saved.
    queries = ("logs:DescribeQueryDefinitions", *(("logs:PutQueryDefinition",) if request.logs != "off" else ()))
    # Where the resource is `*`, IAM has no narrower one for the action.
    return (
        (
            keeps_dashboard,
            Statement(
                "KeepDashboard",
                ("cloudwatch:GetDashboard", "cloudwatch:PutDashboard", "cloudwatch:DeleteDashboards"),
                scope.dashboard(request),
            ),
        ),
        (puts_dashboard, Statement("SaveQueries", queries)),
        (
            request.includes("verify")
            or request.includes("report")
            or (request.includes("publish") and request.target_checks),
            Statement("ReadMetrics", ("cloudwatch:GetMetricData",)),
        ),
        (
            request.reads_logs,
            Statement("ReadLogEvents", ("logs:FilterLogEvents", "logs:StartQuery"), scope.log_group(request)),
        ),
        (
            request.includes("runs") or request.reads_records,
            Statement(
                "ReadRecords",
                (
                    *(("logs:DescribeLogStreams",) if request.includes("runs") else ()),
                    "logs:GetLogEvents",
                    "logs:StartQuery",
                ),
                scope.log_group(request),
            ),
        ),
        (
            request.includes("baseline") and not request.publishes_logs,
            Statement("MakeBaselineStreams", ("logs:CreateLogStream",), scope.log_group(request)),
        ),
        (
            request.includes("baseline"),
            Statement("WriteBaselines", ("logs:PutLogEvents",), scope.baseline_streams(request)),
        ),
        (
            request.reads_logs or request.includes("runs") or request.reads_records,
            Statement("ReadQueryResults", ("logs:GetQueryResults",)),
        ),
    )


def policy_of(statements: Iterable[Statement]) -> dict[str, Any]:
    """A policy with these statements."""
    return {"Version": _VERSION, "Statement": [statement.to_json() for statement in statements]}


def caller_policy(role_arn: str) -> dict[str, Any]:
    """The policy of a caller that publishes with a role."""
    return policy_of([Statement("AssumeRole", ("sts:AssumeRole",), (role_arn,))])


def trust_policy(caller: str, external_id: str | None) -> dict[str, Any]:
    """The trust policy of a role that the caller may assume."""
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": caller}, "Action": "sts:AssumeRole"}
    if external_id is not None:
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
    return {"Version": _VERSION, "Statement": [statement]}
