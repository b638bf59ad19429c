"""The checks that call AWS: each makes the calls of a test, and knows which errors are no failure."""

from __future__ import annotations

import platform
import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._aws.alarms import states_of
from locust_cw._aws.metric_data import points_by_metric
from locust_cw._cli.doctor.check import Check
from locust_cw._cli.doctor.requirement import Requirement
from locust_cw._runs.shared_baselines import SharedBaselines
from locust_cw._runs.shared_records import PREFIX as RECORDS_PREFIX

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from locust_cw._aws.account import Account
    from locust_cw._aws.metric_data import AccountOf
    from locust_cw._checks.target_metrics import TargetMetrics

METRIC = "DoctorCheck"
"""The metric of the datum that is published. It has no dimensions, so it is on no dashboard."""

_RECENT_HOURS = 3
_RECENT_PERIOD_S = 300

_FOR_ANY_CALL = (Requirement.REGION, Requirement.ANY_ENDPOINT)
_FOR_METRICS = (*_FOR_ANY_CALL, Requirement.CREDENTIALS, Requirement.METRICS_ENDPOINT)
_FOR_LOGS = (*_FOR_ANY_CALL, Requirement.CREDENTIALS, Requirement.LOGS_ENDPOINT)


def _fails(_error: _core.AwsError) -> Check | None:
    return None


@dataclass(frozen=True)
class AwsCheck:
    """A check that calls AWS.

    Attributes:
        name: The name of the check.
        requires: What it depends on, in the order in which it is found.
        actions: The IAM actions that the calls need, for the remedy.
        call: Makes the calls. Returns what was found: a text if all is well.
        tolerate: The result for an error that is no failure; None for a failure.
        provides: What later checks cannot do without this one, and the reason for them.
        writes: Whether it writes to AWS.

    """

    name: str
    requires: tuple[Requirement, ...]
    actions: str
    call: Callable[[Account], str | Check]
    tolerate: Callable[[_core.AwsError], Check | None] = _fails
    provides: tuple[Requirement, str] | None = None
    writes: bool = False


def credentials_check() -> AwsCheck:
    """Who the credentials belong to."""

    def call(account: Account) -> str:
        identity = account.call("GetCallerIdentity")
        return f"{identity['Arn']} (account {identity['Account']})"

    def tolerate(error: _core.AwsError) -> Check | None:
        # A role that cannot be assumed is a failure, even if STS is unreachable.
        if error.kind != "unreachable" or error.stage == "credentials":
            return None
        # In a VPC without internet access, STS may be unreachable. A test does not need it.
        return Check(
            "credentials", "skipped", "STS, which returns the identity, cannot be reached; tests do not need it"
        )

    return AwsCheck(
        "credentials",
        # STS has an endpoint of its own.
        _FOR_ANY_CALL,
        "sts:AssumeRole on the role, and let the trust policy of the role name these credentials",
        call,
        tolerate,
        provides=(Requirement.CREDENTIALS, "the credentials cannot be used"),
    )


def metrics_check(namespace: str) -> AwsCheck:
    """Publish a datum."""

    def call(account: Account) -> str:
        datum = {"MetricName": METRIC, "Value": 1.0, "Unit": "Count"}
        account.call("PutMetricData", Namespace=namespace, MetricData=[datum])
        return f"PutMetricData is allowed in namespace {namespace} (one datum of {METRIC} was published)"

    return AwsCheck("metrics", _FOR_METRICS, f"cloudwatch:PutMetricData in namespace {namespace}", call, writes=True)


def logs_check(options: argparse.Namespace) -> AwsCheck:
    """Publish a log event in a stream like that of a test, and in one like that of a record."""
    group = options.log_group
    machine = re.sub(r"[^A-Za-z0-9._-]", "-", platform.node()) or "unnamed"
    # The streams of records have names of their own, for which the permission can be missing.
    prefixes = (f"{options.log_stream}/", *((RECORDS_PREFIX,) if options.record == "cloudwatch" else ()))

    def call(account: Account) -> str:
        operations = []
        for stream in (f"{prefix}doctor/{machine}" for prefix in prefixes):
            operations.append(_create_stream(account, group, stream, with_group=options.create_log_group))
            event = {"timestamp": int(time.time() * 1000), "message": '{"event":"doctor"}'}
            account.call("PutLogEvents", logGroupName=group, logStreamName=stream, logEvents=[event])
        return f"{operations[0]} and PutLogEvents are allowed in log group {group}"

    def tolerate(error: _core.AwsError) -> Check | None:
        if error.kind != "not_found":
            return None
        text = f"log group {group} does not exist; the first test creates it. To check that, give --create-log-group"
        return Check("logs", "skipped", text)

    actions = f"logs:CreateLogGroup, logs:CreateLogStream and logs:PutLogEvents on {group}"
    return AwsCheck("logs", _FOR_LOGS, actions, call, tolerate, writes=True)


def _create_stream(account: Account, group: str, stream: str, *, with_group: bool) -> str:
    """Create a log stream, unless it exists.

    Args:
        account: The account.
        group: The log group.
        stream: The log stream.
        with_group: Create the log group, too, if it does not exist.

    Returns:
        The operations that were called.

    """
    try:
        account.call("CreateLogStream", logGroupName=group, logStreamName=stream)
    except _core.AwsError as error:
        if error.kind == "not_found" and with_group:
            account.call("CreateLogGroup", logGroupName=group)
            return f"CreateLogGroup, {_create_stream(account, group, stream, with_group=False)}"
        if error.kind != "already_exists":
            raise
    return "CreateLogStream"


def baseline_check(name: str, options: argparse.Namespace) -> AwsCheck:
    """Read the baseline that the test is compared with."""
    group = options.log_group

    def call(account: Account) -> str:
        found = SharedBaselines(account, group).read(name).get(name)
        state = "is not set yet" if found is None or found.run_id is None else f"is run {found.run_id}"
        return f"GetLogEvents is allowed in log group {group}; {name} {state}"

    return AwsCheck("baseline", _FOR_LOGS, f"logs:GetLogEvents on {group}", call)


def dashboard_check(name: str) -> AwsCheck:
    """Put an existing dashboard back unchanged."""

    def call(account: Account) -> str:
        body = account.call("GetDashboard", DashboardName=name)["DashboardBody"]
        account.call("PutDashboard", DashboardName=name, DashboardBody=body)
        return f"GetDashboard and PutDashboard are allowed for {name} (it was put back unchanged)"

    def tolerate(error: _core.AwsError) -> Check | None:
        if error.kind != "not_found":
            return None
        text = f"GetDashboard is allowed; {name} does not exist yet, so PutDashboard was not checked"
        return Check("dashboard", "skipped", text)

    actions = f"cloudwatch:GetDashboard and cloudwatch:PutDashboard for {name}"
    return AwsCheck("dashboard", _FOR_METRICS, actions, call, tolerate, writes=True)


def alarms_check(names: Sequence[str]) -> AwsCheck:
    """Read the states of the alarms that stop the test."""

    def call(account: Account) -> str | Check:
        states = states_of(account, names)
        if states.missing:
            remedy = "Check the names and the region: an alarm belongs to a region."
            return Check("alarms", "failed", f"there is no alarm {', '.join(states.missing)}", remedy)
        return ", ".join(f"{name} is {state}" for name, (state, _) in states.known.items())

    return AwsCheck("alarms", _FOR_METRICS, "cloudwatch:DescribeAlarms", call)


def targets_check(checked: Sequence[TargetMetrics], account_of: AccountOf) -> AwsCheck:
    """Read the metrics of the checks on targets, each in its region."""

    def call(_account: Account) -> str:
        counts = {each: [replace(metric, stat="SampleCount") for metric in each.series] for each in checked}
        now = time.time()
        wanted = (metric for metrics in counts.values() for metric in metrics)
        found = points_by_metric(account_of, wanted, now - _RECENT_HOURS * 3600, now, _RECENT_PERIOD_S)
        without = [each for each, metrics in counts.items() if not any(found[metric] for metric in metrics)]
        names = dict.fromkeys(f"{each.check.metric} of {each.check.name}" for each in without)
        if not names:
            return "GetMetricData is allowed, and CloudWatch has data of each checked metric"
        # A counter may have had nothing to count, and a resource no load.
        return f"GetMetricData is allowed; CloudWatch has no data of the last {_RECENT_HOURS} h of {', '.join(names)}"

    return AwsCheck("targets", _FOR_METRICS, "cloudwatch:GetMetricData", call)
