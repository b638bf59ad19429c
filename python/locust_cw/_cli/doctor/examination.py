"""Running all checks in order. A check that depends on one that failed is skipped, with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._aws.account import message_of
from locust_cw._aws.accounts import account_of
from locust_cw._aws.targets import parse
from locust_cw._checks.target_metrics import metrics_of, target_checks
from locust_cw._cli.account import interruptible_account
from locust_cw._cli.doctor.aws_checks import (
    AwsCheck,
    alarms_check,
    baseline_check,
    credentials_check,
    dashboard_check,
    logs_check,
    metrics_check,
    targets_check,
)
from locust_cw._cli.doctor.check import Check
from locust_cw._cli.doctor.endpoints import check_clock, check_endpoint
from locust_cw._cli.doctor.local_checks import check_locust, check_spool, check_versions
from locust_cw._cli.doctor.remedies import remedy_for
from locust_cw._cli.doctor.requirement import Requirement, Requirements
from locust_cw._cli.settings import opt_out_of
from locust_cw._cli.shared_options import account_options, dashboard_of
from locust_cw._terminal.redaction import redact

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from locust_cw._aws.account import Destination


class Examination:
    """All checks, in the order of their dependencies."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Nothing is checked before `run`.

        Raises:
            InvalidOptionError: If an option of the account, the name of the dashboard, a target or a check is invalid.

        """
        self._options = options
        self._account = interruptible_account(account_options(options))
        self._dashboard_name = dashboard_of(options)
        self._opt_out = opt_out_of(options)
        targets = [parse(text) for text in options.target]
        self._checked_metrics = [metrics_of(check, targets) for check in target_checks(options.check, targets)]
        self._requirements = Requirements()

    def run(self) -> Iterator[Check]:
        """Make one check after the other."""
        yield check_versions()
        yield check_locust()
        yield self._check_region()
        yield from self._check_endpoints()
        for check in self._aws_checks():
            yield self._run(check)
        yield check_spool(self._options.spool_dir)

    def _aws_checks(self) -> Iterator[AwsCheck]:
        options = self._options
        yield credentials_check()
        yield metrics_check(options.namespace)
        if options.logs != "off":
            yield logs_check(options)
        if options.baseline is not None:
            yield baseline_check(options.baseline, options)
        if self._dashboard_name is not None:
            yield dashboard_check(self._dashboard_name)
        if options.stop_on_alarm:
            yield alarms_check(options.stop_on_alarm)
        if self._checked_metrics:
            yield targets_check(self._checked_metrics, account_of(account_options(options)))

    def _check_region(self) -> Check:
        region = self._account.region()
        if region is not None:
            return Check("region", "ok", region)
        self._requirements.fail(Requirement.REGION, "there is no region")
        remedy = "Give --region (of a test: --cw-region), set AWS_REGION, or add a region to the profile."
        return Check("region", "failed", "no AWS region is configured", remedy)

    def _check_endpoints(self) -> Iterator[Check]:
        if reason := self._requirements.reason_to_skip([Requirement.REGION]):
            yield Check("endpoints", "skipped", reason)
            yield Check("clock", "skipped", reason)
            return
        skews: list[float] = []
        destination = self._account.destination()
        endpoints = self._endpoints(destination)
        unreachable = 0
        for name, requirement, url in endpoints:
            check, skew = check_endpoint(f"{name} endpoint", url, destination.ca_bundle)
            yield check
            skews += [] if skew is None else [skew]
            if check.state == "failed":
                unreachable += 1
                self._requirements.fail(requirement, f"{redact(url)} cannot be reached")
        if unreachable == len(endpoints):
            self._requirements.fail(Requirement.ANY_ENDPOINT, "no endpoint can be reached")
        yield check_clock(skews[0] if skews else None)

    def _endpoints(self, destination: Destination) -> list[tuple[str, Requirement, str]]:
        """The names of the endpoints, what they are required for, and their URLs."""
        metrics = ("metrics", Requirement.METRICS_ENDPOINT, destination.cloudwatch_url)
        logs = ("logs", Requirement.LOGS_ENDPOINT, destination.logs_url)
        uses_logs = self._options.logs != "off" or self._options.baseline is not None
        return [metrics, logs] if uses_logs else [metrics]

    def _run(self, check: AwsCheck) -> Check:
        if reason := self._requirements.reason_to_skip(check.requires):
            return Check(check.name, "skipped", reason)
        if check.writes and self._opt_out is not None:
            return Check(check.name, "skipped", f"{self._opt_out} is set, so nothing is written to AWS")
        try:
            found = check.call(self._account)
        except _core.AwsError as error:
            return check.tolerate(error) or self._failed(check, error)
        return Check(check.name, "ok", found) if isinstance(found, str) else found

    def _failed(self, check: AwsCheck, error: _core.AwsError) -> Check:
        if check.provides is not None:
            self._requirements.fail(*check.provides)
        remedy = remedy_for(error, check.actions, self._options, self._dashboard_name)
        return Check(check.name, "failed", message_of(error), remedy)
