"""What a test tells when it starts: where it publishes and as whom, which run, when, what, and what that costs."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import gevent

from locust_cw import _core
from locust_cw._aws.account import Account
from locust_cw._aws.cost import Load, cost_of
from locust_cw._terminal.redaction import redact

if TYPE_CHECKING:
    from locust_cw._settings.table import Options

_AFTER_S = 0.1
_DEADLINE_S = 4.0
_MILLION = 1_000_000
_AN_HOUR = 60.0  # minutes
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")


def startup_summary(options: Options, run_id: str, *, workers: int | None, from_reports: bool) -> str:
    """Find out what is to be told, and put it into a line. To be called in a greenlet of its own.

    Asks AWS for the region and the caller, for some seconds at most. Where no answer comes, or the greenlet is killed
    meanwhile, the line says so.

    Args:
        options: The run's.
        run_id: The run.
        workers: How many there are at present; None where this is no master.
        from_reports: Whether the workers' reports are published, which tell of no single request.

    """
    if options["dry_run"]:
        region = options["region"] or _first_of(_REGIONS)
        how = "a dry run, nothing is sent"
    else:
        region, where = _ask(options)
        how = f"{'live' if options['live'] else 'published when the test stops'}, to {_place(options)}{where}"
    logs = _logs(options, from_reports=from_reports)
    return (
        f"Run {run_id}, {how}: metrics in namespace {options['namespace']}, {logs}. "
        f"{_cost(options, region, workers=workers, from_reports=from_reports)}."
    )


def _ask(options: Options) -> tuple[str | None, str]:
    """The region, and the words for region and caller."""
    if options["local"]:
        return options["region"] or _first_of(_REGIONS), ""
    region = None
    try:
        # The first users are spawned at this moment. They go first.
        gevent.sleep(_AFTER_S)
        with gevent.Timeout(_DEADLINE_S):
            account = Account(options.core, gevent.sleep)
            region = account.region()
            if region is None:
                return None, " (no AWS region is configured: give --cw-region, or set AWS_REGION)"
            return region, f" in {region} as {account.call('GetCallerIdentity')['Arn']}"
    except gevent.Timeout:
        why = f"identity unknown: STS has not answered within {_DEADLINE_S:g} s"
    except gevent.GreenletExit:
        # The test is over already.
        why = "identity unknown: STS has not answered yet"
    except _core.AwsError as error:
        why = _without_identity(error)
    except (OSError, RuntimeError, ValueError) as error:
        why = f"identity unknown: {error}"
    return region, f" in {region} ({why})" if region else f" ({why})"


def _without_identity(error: _core.AwsError) -> str:
    if error.code == "NoCredentials":
        return "there are no usable AWS credentials: 'locust-cw doctor' says what to do"
    if error.kind == "not_aws":
        return "identity unknown: what answered is not AWS; 'locust-cw doctor' says what to do"
    if error.kind == "unreachable":
        return "identity unknown: STS could not be reached"
    return f"identity unknown: STS answered {error.code}; 'locust-cw doctor' says what to do"


def _custom_endpoint(options: Options) -> str | None:
    """The endpoint of CloudWatch, if it is not AWS's own."""
    if options["local"] or options["dry_run"]:
        # A dry run asks no network, not even for a region.
        return options.core.get("endpoint_url")
    try:
        destination = Account(options.core, gevent.sleep).destination()
    except _core.AwsError:
        return options.core.get("endpoint_url")
    return destination.cloudwatch_url if destination.is_custom_cloudwatch_url else None


def _place(options: Options) -> str:
    endpoint = _custom_endpoint(options)
    if options["local"]:
        return f"the local CloudWatch at {endpoint}"
    return f"CloudWatch at {redact(endpoint.partition('?')[0])}" if endpoint else "CloudWatch"


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
    def of(*, names: int = 1, rate: float = 0) -> tuple[float, float]:
        load = Load(
            rate=rate,
            names=names,
            minutes=_AN_HOUR,
            workers=1 if workers is None or from_reports else workers,
            live=options["live"],
            flush_interval=options["flush_interval"],
            resolution=options["resolution"],
        )
        cost = cost_of(load, 1, 1, log_class=options["log_class"], region=region)
        return cost.metrics + cost.calls, cost.logs

    one, two = of(names=1)[0], of(names=2)[0]
    crew = f" with {workers} workers" if workers and workers > 1 and not from_reports else ""
    parts = [f"{_usd(one - (two - one))} USD an hour{crew}"]
    if "Request" in options["dimensions"]:
        parts.append(f"{_usd(two - one)} more per request name")
    if options["logs"] != "off" and not from_reports:
        parts.append(f"{_usd(of(rate=_MILLION / (_AN_HOUR * 60))[1])} per million requests logged")
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
