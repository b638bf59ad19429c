"""`locust-cw doctor`: tries what a test will do, and tells what to do about what fails."""

from __future__ import annotations

import argparse
import contextlib
import email.utils
import http.client
import importlib.metadata
import platform
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from locust_cw import _core
from locust_cw._aws.account import message_of
from locust_cw._aws.alarms import states_of
from locust_cw._aws.endpoint import Service, endpoint_of, partition_of
from locust_cw._cli.output import account_at, check, is_gone, print_json, wrapped
from locust_cw._cli.shared_options import account_options, add_account_options, add_publish_options, dashboard_of
from locust_cw._terminal.quantities import human_bytes
from locust_cw._terminal.redaction import without_secrets
from locust_cw._terminal.replay_command import replay_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from locust_cw._cli.main import AddParser

State: TypeAlias = Literal["ok", "failed", "skipped"]
Endpoint: TypeAlias = Literal["metrics", "logs"]

METRIC = "DoctorCheck"
"""The metric of the one datum that is published. It has no dimensions, so that it is in nobody's graphs."""

MAX_SKEW_S = 60
"""Above this a test's minutes are not the service's. AWS itself refuses calls that are signed over five minutes off."""

_TIMEOUT_S = 5.0
_IMPORT_TIMEOUT_S = 60.0
_NOT_REACHED = ("NotSent", "NoAnswer")
_CLOSED_VPC = "in a closed VPC make an interface endpoint with private DNS"

_REMEDIES = (
    (("NotAws",), "Something else answers: check --endpoint-url (a test: --cw-endpoint-url), and proxies on the way."),
    (("NoRegion",), "Give --region, set AWS_REGION, or put a region into the profile."),
    (("NoCredentials",), "Set AWS_ACCESS_KEY_ID and its secret, give --profile, run 'aws sso login', or use a role."),
    (_NOT_REACHED, f"Check the network, the proxy and --endpoint-url; {_CLOSED_VPC}."),
    (("Expired", "Skewed", "Signature"), "Set the clock (chronyc makestep), and get new credentials."),
    (
        ("UnrecognizedClient", "InvalidClientTokenId"),
        "Check the credentials, with their session token, and the region.",
    ),
)
"""What to do about AWS's error codes, by a part of their name."""

_EPILOG = """\
examples:
  locust-cw doctor
  locust-cw doctor --region eu-north-1 --namespace Shop --log-group /load/shop --stop-on-alarm shop-errors
  locust-cw doctor --json | jq '.checks[] | select(.state == "failed")'

What it leaves behind: one datum of the metric DoctorCheck in the namespace (about $0.0004), and one log event in a
stream <prefix>/doctor/<this machine> of the log group. A log group that is not there is made only with
--create-log-group; the dashboard, if it is there, is put back as it is.

exit code: 0 nothing failed, 1 something failed, 2 wrong argument
"""


@dataclass(frozen=True)
class Check:
    """What came of one check.

    Attributes:
        name: What was looked at.
        state: What came of it; `skipped` where it could not be tried.
        text: What was found.
        remedy: What to do about it, where it failed.

    """

    name: str
    state: State
    text: str
    remedy: str | None = None

    @property
    def lines(self) -> str:
        """For the terminal."""
        mark = {"ok": "ok     ", "failed": "FAILED ", "skipped": "skipped"}[self.state]
        remedy = f"\n{'':25}-> {self.remedy}" if self.remedy else ""
        return f"{mark} {self.name:16} {self.text}{remedy}\n"


def declare(add_parser: AddParser) -> None:
    """Declare the command."""
    parser = add_parser(
        "doctor",
        help="try what a test will do, and tell what to do about what fails",
        description=wrapped(
            "Try what a test with these options will do: who am I, is CloudWatch reached, is the clock right,"
            " may I publish? One line for each check, and the remedy for each that fails."
        ),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_publish_options(parser)
    parser.add_argument("--create-log-group", action="store_true", help="make the log group now if it is not there")
    parser.add_argument("--spool-dir", metavar="FOLDER", help="where undelivered batches wait; else the state folder")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_account_options(parser)
    parser.set_defaults(run_command=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    given = check(options, "namespace", "logs", "log_group", "log_stream", "spool_dir")
    _core.check_options(account_options(options) | given)
    checks: list[Check] = []
    for each in Examination(options).checks():
        checks.append(each)
        if not options.json:
            sys.stdout.write(each.lines)
            sys.stdout.flush()
    ok = all(each.state != "failed" for each in checks)
    if options.json:
        print_json({"ok": ok, "checks": [asdict(each) for each in checks]})
    else:
        failed = sum(each.state == "failed" for each in checks)
        sys.stdout.write("Nothing failed.\n" if ok else f"{failed} of {len(checks)} checks failed.\n")
    return 0 if ok else 1


class Examination:
    """All checks, in the order in which one needs the other."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Nothing is asked before `checks`."""
        self._options = options
        self._where = account_options(options)
        self._account = account_at(self._where)
        self._dashboard_name = dashboard_of(options)
        self._region: str | None = None
        self._why_not: str | None = None
        """Why no call can succeed, once that is known."""
        self._unreached: dict[Endpoint, str] = {}
        """Why no call of a service can."""

    def checks(self) -> Iterator[Check]:
        """Make one check after the other."""
        yield _versions()
        yield _locust()
        yield self._find_region()
        yield from self._reach()
        yield self._identify()
        yield self._metrics()
        if self._options.logs != "off":
            yield self._logs()
        if self._dashboard_name is not None:
            yield self._dashboard(self._dashboard_name)
        if self._options.stop_on_alarm:
            yield self._alarms()
        yield _spool(self._options.spool_dir)

    # What no call is needed for

    def _find_region(self) -> Check:
        self._region = self._account.region()
        if self._region is not None:
            return Check("region", "ok", self._region)
        self._why_not = "there is no region"
        remedy = "Give --region (a test: --cw-region), set AWS_REGION, or put a region into the profile."
        return Check("region", "failed", "no AWS region is configured", remedy)

    def _reach(self) -> Iterator[Check]:
        """Ask the endpoints for anything at all, and look at their clock."""
        if self._region is None:
            yield Check("endpoints", "skipped", str(self._why_not))
            yield Check("clock", "skipped", str(self._why_not))
            return
        skews: list[float] = []
        endpoints = _endpoints(self._where, self._region, logs=self._options.logs != "off")
        for service, url in endpoints.items():
            name, shown = f"{service} endpoint", without_secrets(url)
            try:
                skew = _ask(url)
            except (OSError, ValueError, http.client.HTTPException) as error:
                self._unreached[service] = f"{shown} is not reached"
                yield Check(name, "failed", f"{shown} is not reached: {_reason(error)}", _network_remedy(error))
                continue
            skews += [] if skew is None else [skew]
            yield Check(name, "ok", f"{shown} answers")
        if not skews and len(self._unreached) == len(endpoints):
            self._why_not = "no endpoint is reached"
        yield _clock(skews[0] if skews else None)

    # Calls

    def _call(
        self,
        name: str,
        action: str,
        calls: Callable[[], str | Check],
        refused: Callable[[_core.AwsError], Check | None] | None = None,
        *,
        service: Endpoint | None = "metrics",
    ) -> Check:
        """Make calls that need nothing but what was found so far, of the service with that endpoint.

        They return what was found: as a text where all is well.
        """
        if why_not := self._why_not or (service and self._unreached.get(service)):
            return Check(name, "skipped", why_not)
        try:
            found = calls()
        except _core.AwsError as error:
            known = refused(error) if refused else None
            return known or Check(name, "failed", message_of(error), self._remedy(error, action))
        return Check(name, "ok", found) if isinstance(found, str) else found

    def _remedy(self, error: _core.AwsError, action: str) -> str:
        code = error.code
        if error.kind == "access_denied":
            return f"Allow {action}: '{self._policy_command()}' prints the policy."
        known = (remedy for codes, remedy in _REMEDIES if any(word in code for word in codes))
        return next(known, "See what AWS says; if it is AWS's to mend, run this again in some minutes.")

    def _policy_command(self) -> str:
        options, default = self._options, _core.default_options()
        words = ["locust-cw", "policy"]
        for name in ("namespace", "logs", "log_group", "log_stream"):
            if getattr(options, name) != default[name]:
                words += [f"--{name.replace('_', '-')}", getattr(options, name)]
        words += [] if self._dashboard_name is None else ["--dashboard", self._dashboard_name]
        words += [word for alarm in options.stop_on_alarm for word in ("--stop-on-alarm", alarm)]
        words += ["--role-arn", options.role_arn] if options.role_arn else []
        return shlex.join(words)

    def _identify(self) -> Check:
        def calls() -> str:
            identity = self._account.call("GetCallerIdentity")
            return f"{identity['Arn']} (account {identity['Account']})"

        def refused(error: _core.AwsError) -> Check | None:
            if error.kind == "unreachable" and error.stage == "call":
                # A closed VPC may have no way to STS, and a test needs none.
                return Check(
                    "credentials", "skipped", "STS is not reached, which tells who one is; a test needs it not"
                )
            self._why_not = "the credentials cannot be used"
            return None

        action = "sts:AssumeRole on the role, and let the role's trust policy name these credentials"
        # It is STS that is asked.
        return self._call("credentials", action, calls, refused, service=None)

    def _metrics(self) -> Check:
        namespace = self._options.namespace

        def calls() -> str:
            datum = {"MetricName": METRIC, "Value": 1.0, "Unit": "Count"}
            self._account.call("PutMetricData", Namespace=namespace, MetricData=[datum])
            return f"PutMetricData is allowed in namespace {namespace} (one datum of {METRIC} was published)"

        return self._call("metrics", f"cloudwatch:PutMetricData in namespace {namespace}", calls)

    def _logs(self) -> Check:
        group = self._options.log_group
        machine = re.sub(r"[^A-Za-z0-9._-]", "-", platform.node()) or "unnamed"
        stream = f"{self._options.log_stream}/doctor/{machine}"

        def make_stream() -> None:
            try:
                self._account.call("CreateLogStream", logGroupName=group, logStreamName=stream)
            except _core.AwsError as error:
                if error.kind != "already_exists":
                    raise

        def calls() -> str:
            made = ""
            try:
                make_stream()
            except _core.AwsError as error:
                if error.kind != "not_found" or not self._options.create_log_group:
                    raise
                self._account.call("CreateLogGroup", logGroupName=group)
                make_stream()
                made = "CreateLogGroup, "
            event = {"timestamp": int(time.time() * 1000), "message": '{"event":"doctor"}'}
            self._account.call("PutLogEvents", logGroupName=group, logStreamName=stream, logEvents=[event])
            return f"{made}CreateLogStream and PutLogEvents are allowed in log group {group}"

        def refused(error: _core.AwsError) -> Check | None:
            if error.kind != "not_found":
                return None
            text = (
                f"log group {group} is not there; the first test makes it. --create-log-group makes it now, to try that"
            )
            return Check("logs", "skipped", text)

        action = f"logs:CreateLogGroup, logs:CreateLogStream and logs:PutLogEvents on {group}"
        return self._call("logs", action, calls, refused, service="logs")

    def _dashboard(self, name: str) -> Check:
        def calls() -> str:
            body = self._account.call("GetDashboard", DashboardName=name)["DashboardBody"]
            self._account.call("PutDashboard", DashboardName=name, DashboardBody=body)
            return f"GetDashboard and PutDashboard are allowed for {name} (it was put back as it is)"

        def refused(error: _core.AwsError) -> Check | None:
            if error.kind != "not_found":
                return None
            text = f"GetDashboard is allowed; {name} is not there yet, so PutDashboard could not be tried"
            return Check("dashboard", "skipped", text)

        return self._call(
            "dashboard", f"cloudwatch:GetDashboard and cloudwatch:PutDashboard for {name}", calls, refused
        )

    def _alarms(self) -> Check:
        def calls() -> str | Check:
            states = states_of(self._account, self._options.stop_on_alarm)
            if states.missing:
                remedy = "Check the names, and the region: an alarm belongs to one."
                return Check("alarms", "failed", f"there is no alarm {', '.join(states.missing)}", remedy)
            return ", ".join(f"{name} is {state}" for name, (state, _) in states.known.items())

        return self._call("alarms", "cloudwatch:DescribeAlarms", calls)


def _versions() -> Check:
    text = f"locust-cw {_core.VERSION}, Python {platform.python_version()}"
    return Check("versions", "ok", text)


def _locust() -> Check:
    """Whether the Locust of this Python can be imported, asked in another process: this one has no need of it."""
    wanted = next(
        (each for each in importlib.metadata.requires("locust-cw") or () if each.startswith("locust")), "locust"
    )
    remedy = f"{shlex.quote(sys.executable)} -m pip install {shlex.quote(wanted)}"
    command = [sys.executable, "-c", "import locust; print(locust.__version__)"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=_IMPORT_TIMEOUT_S, check=False)  # noqa: S603 - our own
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("locust", "failed", f"Locust cannot be imported: {error}", remedy)
    if asked.returncode != 0:
        why = (asked.stderr.strip().splitlines() or ["no message"])[-1]
        return Check("locust", "failed", f"Locust cannot be imported: {why}", remedy)
    version = asked.stdout.strip().splitlines()[-1]
    least = re.search(r">=\s*([\d.]+)", wanted)
    if least and _number(version) < _number(least[1]):
        return Check("locust", "failed", f"Locust {version} is older than {least[1]}", remedy)
    return Check("locust", "ok", f"Locust {version}")


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _endpoints(where: dict[str, Any], region: str, *, logs: bool) -> dict[Endpoint, str]:
    """Where calls go: the URL of each service, from where the SDK looks for it."""
    services: dict[Endpoint, tuple[str, Service]] = {
        "metrics": ("monitoring", "cloudwatch"),
        "logs": ("logs", "cloudwatch_logs"),
    }
    domain = partition_of(region).domain
    urls: dict[Endpoint, str] = {}
    for service, (host, name) in services.items():
        urls[service] = endpoint_of(where, name) or f"https://{host}.{region}.{domain}/"
    return urls if logs else {"metrics": urls["metrics"]}


class _Unredirected(urllib.request.HTTPRedirectHandler):
    """Follows nobody: where AWS sends a caller without a signature is another site, and its clock another clock."""

    def redirect_request(self, *_: object) -> None:
        """None is made, and so the answer itself comes as an error."""


def _ask(url: str) -> float | None:
    """Ask for anything.

    Returns:
        Seconds by which this machine's clock is ahead of the answer's `Date`; None where there is none.

    Raises:
        OSError: If there was no answer.
        HTTPException: If what answers speaks no HTTP.
        ValueError: If that is no URL.

    """
    where = urlsplit(url)
    # To urllib a user and password are a part of the host's name.
    bare = where._replace(netloc=where.netloc.rpartition("@")[2]).geturl()
    before = time.time()
    try:
        # As the core does, which also knows ALL_PROXY.
        found = {} if _core.never_proxied(bare) else urllib.request.getproxies()
        proxies = {scheme: found[name] for scheme in ("http", "https") for name in ("all", scheme) if name in found}
        opener = urllib.request.build_opener(_Unredirected, urllib.request.ProxyHandler(proxies))
        with opener.open(urllib.request.Request(bare, method="HEAD"), timeout=_TIMEOUT_S) as answer:  # noqa: S310 - the user's
            date = answer.headers.get("Date")
    except urllib.error.HTTPError as refused:
        # Whoever refuses, or sends one elsewhere, is there, which is all that is asked for.
        date = refused.headers.get("Date")
        refused.close()
    middle = (before + time.time()) / 2
    if date is None:
        return None
    with contextlib.suppress(ValueError, TypeError):
        # The header has whole seconds, so on average the answer's clock is half a second further.
        return middle - (email.utils.parsedate_to_datetime(date).timestamp() + 0.5)
    return None


def _reason(error: Exception) -> str:
    if isinstance(error, http.client.BadStatusLine) and not isinstance(error, OSError):
        # Its text is what came instead, which may be anything.
        return "what answers there does not speak HTTP"
    reason = getattr(error, "reason", None)
    return str(reason or error or type(error).__name__)


def _network_remedy(error: Exception) -> str:
    if isinstance(getattr(error, "reason", error), socket.gaierror):
        return f"Check the region's name and DNS; {_CLOSED_VPC}."
    return f"Check the way out (route, security group, proxy) and --endpoint-url; {_CLOSED_VPC}."


def _clock(skew: float | None) -> Check:
    if skew is None:
        return Check("clock", "skipped", "no endpoint told its time")
    if abs(skew) <= MAX_SKEW_S:
        return Check("clock", "ok", f"within {max(1, round(abs(skew)))} s of CloudWatch's")
    text = (
        f"this clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} CloudWatch's, and data bear its time"
    )
    return Check("clock", "failed", text, "Set it: timedatectl set-ntp true, or chronyc makestep.")


def _is_there(folder: Path) -> bool:
    """Whether it is there. Versions of Python differ in what `Path.exists` does where that cannot be told.

    Raises:
        OSError: If that cannot be told.

    """
    try:
        folder.stat()
    except FileNotFoundError:
        return False
    return True


def _spool(spool_dir: str | None) -> Check:
    root = Path(_core.spool_root(spool_dir))
    remedy = "Give --spool-dir (a test: --cw-spool-dir) with a folder that can be written."
    try:
        # A test makes the folder; what is asked is whether it can.
        there = next(folder for folder in (root, *root.parents) if _is_there(folder))
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"doctor")
        left = [each for each in _core.pending_spools(spool_dir) if not each.live and not each.dry_run]
    except OSError as error:
        return Check("spool", "failed", f"{root} cannot be written: {error.strerror or error}", remedy)
    waiting = [each for each in left if not is_gone(each.local_url)]
    text = f"{root} can be written"
    if waiting:
        runs = {each.run_id for each in waiting}
        size = human_bytes(sum(each.bytes for each in waiting))
        command = replay_command("--all", spool_dir)
        text += f"; {size} of {len(runs)} run(s) wait in it: {command} sends them"
    return Check("spool", "ok", text)
