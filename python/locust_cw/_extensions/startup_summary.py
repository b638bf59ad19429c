"""The summary that is logged when a test starts: destination, AWS identity, run ID, and estimated hourly cost."""

from __future__ import annotations

import functools
import logging
import math
import os
import re
from typing import TYPE_CHECKING, Any

import gevent

from locust_cw import _core
from locust_cw._plugin import locust_adapter
from locust_cw._plugin.extension import Extension
from locust_cw._plugin.greenlets import spawn
from locust_cw._plugin.locust_adapter import Role
from locust_cw._plugin.run import TestRun

if TYPE_CHECKING:
    from locust_cw._settings.table import Options

logger = logging.getLogger("locust_cw")

_AFTER_S = 0.1
_DEADLINE_S = 4.0
_POLL_S = 0.05
_MILLION = 1_000_000
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")


def create(_options: Options) -> StartupSummary:
    """The extension of a run."""
    return StartupSummary()


class StartupSummary(Extension[TestRun]):
    """Logs the summary of a run as soon as AWS has answered. The test does not wait for this answer."""

    def __init__(self) -> None:
        self._greenlet: gevent.Greenlet[..., None] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether AWS has not answered yet."""
        return self._greenlet is not None and not self._greenlet.dead

    def cancel(self) -> None:
        """Log the summary without what AWS has not answered yet."""
        if self._greenlet is not None:
            self._greenlet.kill()

    def on_start(self, run: TestRun) -> None:
        """Ask AWS in a greenlet."""
        role = locust_adapter.role_of(run.environment)
        level = logging.DEBUG if role is Role.WORKER else logging.INFO
        if not logger.isEnabledFor(level):
            return
        is_judged = run.options["check"] or run.options["baseline"]
        if (run.options["junit"] or run.options["summary"]) and not is_judged and role is not Role.WORKER:
            logger.warning("--cw-junit and --cw-summary have no effect: the test has no --cw-check or --cw-baseline")
        is_master = role is Role.MASTER
        workers = locust_adapter.worker_count(run.environment) if is_master else None
        from_reports = is_master and run.options["source"] == "master"

        def log_summary() -> None:
            summary = startup_summary(run.options, run.run_id, workers=workers, from_reports=from_reports)
            logger.log(level, "%s", summary)

        self._greenlet = spawn(log_summary)


def startup_summary(options: Options, run_id: str, *, workers: int | None, from_reports: bool) -> str:
    """Ask AWS for region and identity, for some seconds at most, and create the summary.

    If AWS does not respond, or the greenlet is killed in the meantime, the summary says what it was waiting for.

    Args:
        options: The options of the run.
        run_id: The run ID.
        workers: The present number of workers; None on a process that is not a master.
        from_reports: Whether the workers' reports are published, which contain no single requests.

    """
    if options["dry_run"]:
        region = options["region"] or _first_of(_REGIONS)
        mode = "dry run, nothing is sent"
    else:
        region, identity = _ask(options)
        mode = f"{'live' if options['live'] else 'published when the test stops'}, to {_destination(options)}{identity}"
    logs = _logs(options, from_reports=from_reports)
    return (
        f"Run {run_id}, {mode}: metrics in namespace {options['namespace']}, {logs}. "
        f"{_cost(options, region, workers=workers, from_reports=from_reports)}."
    )


def _ask(options: Options) -> tuple[str | None, str]:
    """The region, and the part of the summary with region and identity."""
    if options["local"]:
        return options["region"] or _first_of(_REGIONS), ""
    region = None
    account = _core.Account(options.core)
    try:
        # Let Locust spawn the first users.
        gevent.sleep(_AFTER_S)
        with gevent.Timeout(_DEADLINE_S):
            try:
                region = _result(account.destination())["region"]
            except _core.AwsError:
                return None, " (no AWS region is configured: give --cw-region, or set AWS_REGION)"
            identity = _result(account.call("GetCallerIdentity", {}))
            return region, f" in {region} as {identity['Arn']}"
    except gevent.Timeout:
        why = f"identity unknown: no response from {_delayed_by(account, region)} within {_DEADLINE_S:g} s"
    except gevent.GreenletExit:
        # The test is over. A configured region may not have been read yet.
        slow = "the test ended first" if region is None else f"no response from {_delayed_by(account, region)} yet"
        why = f"identity unknown: {slow}"
    except _core.AwsError as error:
        why = _without_identity(error)
    except (OSError, RuntimeError, ValueError) as error:
        why = f"identity unknown: {error}"
    return region, f" in {region} ({why})" if region else f" ({why})"


def _delayed_by(account: _core.Account, region: str | None) -> str:
    """What has not answered."""
    if region is None:
        # A configured region is known at once.
        return "the instance metadata service, for the region,"
    return account.waits_for_credentials or "STS"


def _without_identity(error: _core.AwsError) -> str:
    if error.code == "NoCredentials":
        return "no AWS credentials found: run 'locust-cw doctor'"
    if error.kind == "not_aws" or not error.code:
        return "identity unknown: a server other than AWS responded; run 'locust-cw doctor'"
    if error.kind == "unreachable":
        return "identity unknown: STS could not be reached"
    return f"identity unknown: STS returned {error.code}; run 'locust-cw doctor'"


def _custom_endpoint(options: Options) -> str | None:
    """The endpoint of CloudWatch, if it is not AWS's own."""
    if options["local"] or options["dry_run"]:
        # A dry run uses no network, not even to resolve a region.
        return options.core.get("endpoint_url")
    try:
        destination = _result(_core.Account(options.core).destination())
    except _core.AwsError:
        return options.core.get("endpoint_url")
    return destination["cloudwatch_url"] if destination["is_custom_cloudwatch_url"] else None


def _result(call: _core.Call) -> Any:  # noqa: ANN401 - each operation has its own
    while not call.done:
        gevent.sleep(_POLL_S)
    return call.result()


def _destination(options: Options) -> str:
    endpoint = _custom_endpoint(options)
    if options["local"]:
        return f"the local CloudWatch at {endpoint}"
    if not endpoint:
        return "CloudWatch"
    from locust_cw._terminal.redaction import redact  # noqa: PLC0415 - only for endpoints other than AWS's

    return f"CloudWatch at {redact(endpoint.partition('?')[0])}"


def _logs(options: Options, *, from_reports: bool) -> str:
    if options["logs"] == "off":
        return "no logs"
    sample = options["log_sample"]
    if from_reports:
        what = "the test's events"
    elif options["logs"] == "failures" or sample == 0:
        what = "failed requests"
    else:
        what = "every request" if sample == 1 else f"failed requests and {sample * 100:.3g} % of the others"
    return f"{what} in log group {options['log_group']}"


def _cost(options: Options, region: str | None, *, workers: int | None, from_reports: bool) -> str:
    plan = {name: options[name] for name in ("live", "flush_interval", "resolution", "log_fields")}
    plan["workers"] = 1 if workers is None or from_reports else workers

    def hourly(*, names: int = 1, rate: float = 0.0) -> tuple[float, float]:
        usage = _core.estimate_usage(plan | {"names": names, "rate": rate, "minutes": 60.0})
        price = functools.partial(_core.estimate_cost, log_class=options["log_class"], region=region)
        metrics_and_calls = price(metric_hours=usage.metrics, calls=usage.calls, log_bytes=0)
        return sum(metrics_and_calls), price(metric_hours=0, calls=0, log_bytes=math.ceil(usage.log_bytes))[1]

    one, two = hourly(names=1)[0], hourly(names=2)[0]
    fleet = f" with {workers} workers" if workers and workers > 1 and not from_reports else ""
    parts = [f"{_usd(one - (two - one))} USD an hour{fleet}"]
    if "Request" in options["dimensions"]:
        parts.append(f"{_usd(two - one)} more per request name")
    if options["logs"] != "off" and not from_reports:
        parts.append(f"{_usd(hourly(rate=_MILLION / 3600)[1])} per million requests logged")
    begin = "It would cost about" if options["dry_run"] else "About"
    if _is_on_this_machine(options):
        begin = "At AWS it would cost about"
    return f"{begin} {' and '.join(part for part in (', '.join(parts[:-1]), parts[-1]) if part)}"


def _is_on_this_machine(options: Options) -> bool:
    endpoint = _custom_endpoint(options)
    return re.match(r"https?://([^/]*@)?(127\.0\.0\.1|\[::1\]|localhost)(:|/|$)", endpoint or "") is not None


def _usd(amount: float) -> str:
    """Two significant digits."""
    return f"{float(f'{amount:.2g}'):,.10g}"


def _first_of(variables: tuple[str, ...]) -> str | None:
    return next((value for name in variables if (value := os.environ.get(name))), None)
