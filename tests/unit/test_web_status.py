"""The contents of the CloudWatch tab: states, sums, problems without secrets, links, and the cells of the CSV file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import gevent
import pytest
from flask import Blueprint, Flask, Response, jsonify

from locust_cw import _core
from locust_cw._aws import console
from locust_cw._distributed.reported_status import ReportedStatus
from locust_cw._settings import table as _options
from locust_cw._webui import console_links
from locust_cw._webui import status as _status
from locust_cw._webui import tab as _web
from locust_cw._webui.status import Run, Status
from support import status_reports
from support.servers import wait_until

NASTY = "<img/src=x/onerror=alert(1)>"


# Locust's own answer


class Session:
    """Replaces the session: returns or raises what it was created with, and counts how often it is read."""

    def __init__(self, *results: Status | Exception) -> None:
        self.results = results
        self.reads = 0

    def statuses(self) -> list[Status]:
        self.reads += 1
        if isinstance(self.results[0], Exception):
            raise self.results[0]
        return [status for status in self.results if isinstance(status, Status)]

    def links(self) -> dict[str, str]:
        return {}

    def report_file(self) -> None:
        return None

    def checks(self) -> None:
        return None


class Polled:
    """A page that caches a response, as Locust's does. Locust's own page needs a separate process."""

    def __init__(self, session: Session) -> None:
        self.kept: Response | None = None
        self.app = Flask(__name__)
        self.template_args: dict[str, Any] = {}
        blueprint = Blueprint("locust", __name__)
        blueprint.add_url_rule("/stats/requests", "request_stats", self._answer)
        self.app.register_blueprint(blueprint)
        _web.add_tab(session, self)  # type: ignore[arg-type]

    @staticmethod
    def auth_required_if_enabled(view: Any) -> Any:
        return view

    def _answer(self) -> Response:
        self.kept = self.kept or jsonify({"stats": [{"name": "/"}]})
        return self.kept

    def poll(self) -> dict[str, Any]:
        answer = self.app.test_client().get("/stats/requests")
        assert answer.status_code == 200
        return dict(answer.get_json())


def test_an_error_of_ours_leaves_locusts_response_unchanged(caplog: pytest.LogCaptureFixture) -> None:
    """The error is logged once."""
    polled = Polled(Session(ValueError("a process's account")))
    for _ in range(3):
        assert polled.poll() == {"stats": [{"name": "/"}]}
        polled.kept = None
    messages = [record.getMessage() for record in caplog.records if record.name == "locust_cw"]
    assert messages == ["""The table of the CloudWatch tab cannot be shown: ValueError("a process's account")"""]


def test_a_response_that_locust_caches_is_extended_once() -> None:
    """Also if several browsers poll. If another plugin removes the extension, it is added again."""
    session = Session(Status(None, "r", "live", "healthy", observed=7))
    polled = Polled(session)
    first = polled.poll()
    assert [row["observed"] for row in first["extended_stats"][0]["data"]] == [7]
    for _ in range(5):
        assert polled.poll() == first
    assert session.reads == 1
    polled.kept = None
    polled.poll()
    assert session.reads == 2, "Locust's next response is extended, too"

    def overwrite(response: Response) -> Response:
        if response.is_json:
            response.set_data(json.dumps({**response.get_json(), "extended_stats": [{"key": "theirs", "data": []}]}))
        return response

    polled.app.after_request_funcs[None].append(overwrite)  # the last goes first
    for _ in range(2):
        assert [entry["key"] for entry in polled.poll()["extended_stats"]] == ["theirs", "cloudwatch"]


# The rows of the table


def part(*, vanished: bool = False, final: bool = False, status: Any = None, **requests: Any) -> ReportedStatus:
    """A process with 100 requests, 40 of which wait, unless `requests` say otherwise."""
    counts = {"observed": 100, "delivered": 60, "spooled": 40, **requests}
    return ReportedStatus(
        status_reports.status_report(receipt=status_reports.receipt(requests=counts), status=status, final=final),
        vanished=vanished,
    )


DONE: dict[str, Any] = {"delivered": 100, "spooled": 0}
LIVE = Run("r", "live", started=3000.0)


DENIED = {"failures": ["no"], "outage_since": 1.0}


@pytest.mark.parametrize(
    ("health", "run", "own"),
    [
        ("waiting", LIVE, part(delivered=0, spooled=100)),
        ("healthy", LIVE, part()),
        ("trouble", LIVE, part(status=DENIED)),
        ("trouble", LIVE, part(rejected=1, status=DENIED)),
        ("loss", LIVE, part(rejected=1)),
        ("loss", LIVE, part(**DONE, dropped=1, status={"stopped": True})),
        ("vanished", LIVE, part(vanished=True)),
        ("draining", LIVE, part(status={"stopped": True})),
        ("undelivered", LIVE, part(final=True, status={"stopped": True, **DENIED})),
        ("complete", LIVE, part(**DONE, status={"stopped": True})),
        ("healthy", LIVE, part(**DONE)),
        ("recording", Run("r", "after the test", 0.0), part()),
        ("recording", Run("r", "dry run", 0.0), part(status={"stopped": True})),
    ],
)
def test_health_is_one_word(health: str, run: Run, own: ReportedStatus) -> None:
    (status,) = _status.statuses(run, own, {}, 4000.0)
    assert status.health == health
    assert status.health in _status.MEANING


def test_the_status_of_the_run_has_the_sums_and_the_worst_health() -> None:
    """An outage of one worker is that of the run, and the longest delay counts."""
    denied = {"failures": ["denied"], "outage_since": 3600.0, "problem": "denied", "problem_at": 3600.0}
    well = part(**DONE, status={"delay_s": 2.0, "waiting_bytes": 10})
    ill = part(status={**denied, "delay_s": 9.4, "waiting_bytes": 5})
    master = part(observed=0, delivered=0, spooled=0, status={"delay_s": 1.0})
    whole, a, b = _status.statuses(LIVE, master, {"b": ill, "a": well}, 4200.0)
    assert (whole.process, a.process, b.process) == (None, "a", "b")
    assert (whole.health, a.health, b.health) == ("trouble", "healthy", "trouble")
    assert (whole.observed, whole.delivered, whole.waiting) == (200, 160, 40)
    assert whole.delay_s == 9
    assert whole.spool_bytes == 15
    assert whole.api_calls == 21
    assert whole.problem == b.problem == "denied (since 01:00:00 UTC)"


def test_the_last_problem_has_the_name_of_its_worker() -> None:
    problems = [{"problem": f"what {at}", "problem_at": 3600.0 + at} for at in range(3)]
    own, first, second = (part(status=problem) for problem in problems)
    whole, a, b = _status.statuses(LIVE, own, {"a": second, "b": first}, 4200.0)
    assert [whole.problem, a.problem, b.problem] == [
        "a: what 2 (01:00:02 UTC)",
        "what 2 (01:00:02 UTC)",
        "what 1 (01:00:01 UTC)",
    ]


SESSION = "IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLWVhc3QtMSJHMEUCIQ=="
ACCOUNT = "123456789012"


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (f"host:x\nx-amz-security-token:{SESSION}\n\nhost;date", "host:x x-amz-security-token:... host;date"),
        (f"X-Amz-Security-Token: {SESSION}", "X-Amz-Security-Token: ..."),
        (
            f"https://s.example/?X-Amz-Credential=AKIDEXAMPLE%2F2026&X-Amz-Signature=5d672d&a=b&X-Amz-Security-Token={SESSION}",
            "https://s.example/?X-Amz-Credential=...&X-Amz-Signature=...&a=b&X-Amz-Security-Token=...",
        ),
        ("Credential=AKIDEXAMPLE/2026, Signature=fe5f80.", "Credential=..., Signature=..."),
        (
            f'{{"SessionToken": "{SESSION}", "SecretAccessKey": "wJalr/K7"}}',
            '{"SessionToken": "...", "SecretAccessKey": "..."}',
        ),
        (f"aws_session_token = {SESSION}", "aws_session_token = ..."),
        ("of AKIAABCDEFGHIJKLMNOP", "of AKIA..."),
        (f"account {ACCOUNT} of arn:aws:iam::{ACCOUNT}:role/x", "account ... of arn:aws:iam::...:role/x"),
        ("at https://u:p@ss@h.example/x@y?a=1", "at https://h.example/x@y?a=1"),
        ("run 20261122T110301Z-7f3a since 1790000000000", "run 20261122T110301Z-7f3a since 1790000000000"),
        (
            "The security token included in the request is invalid",
            "The security token included in the request is invalid",
        ),
        ("Signature expired: 20261122T110301Z", "Signature expired: 20261122T110301Z"),
    ],
    ids=lambda text: text[:24],
)
def test_no_secret_is_shown(message: str, shown: str) -> None:
    """The tab and the CSV file show AWS's messages, with canonical requests, signed URLs and ARNs."""
    failing = part(status={"failures": [message], "outage_since": 3600.0})
    was = part(status={"problem": message, "problem_at": 3600.0})
    for own, when in ((failing, "since 01:00:00"), (was, "01:00:00")):
        (status,) = _status.statuses(LIVE, own, {}, 4200.0)
        assert status.problem == f"{shown} ({when} UTC)"
    assert _status.off(message, 3600.0).problem == f"{shown} (01:00:00 UTC)"


def test_the_cost_per_hour_counts_metrics_by_the_clock_hour() -> None:
    """From 00:50 to 01:10 are two clock hours of metrics, and a third of an hour of everything else."""
    (status,) = _status.statuses(LIVE, part(), {}, 4200.0)
    assert status.cost_usd == 0.5
    assert status.cost_per_hour_usd == pytest.approx(0.3 / 2 + 0.2 * 3)
    (status,) = _status.statuses(LIVE, part(), {}, 3005.0)
    assert status.cost_per_hour_usd is None


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1", "-1", "@x", "\t=1", " =1"])
def test_no_spreadsheet_takes_a_name_for_a_formula(name: str) -> None:
    heads, _, line = _status.records(_status.statuses(LIVE, part(), {name: part()}, 4200.0))
    assert heads[0] == "process"
    assert line[0] == f"'{name}"
    assert line[heads.index("observed")] == 100


def test_links_lead_to_the_console_of_the_partition() -> None:
    """Names are escaped in the URL."""
    found = console_links.links("eu-north-1", "My/App", "/aws/x y", "Shop")
    assert found == {
        "Dashboard Shop": "https://eu-north-1.console.aws.amazon.com/cloudwatch/home?region=eu-north-1"
        "#dashboards/dashboard/Shop",
        "Metrics in My/App": "https://eu-north-1.console.aws.amazon.com/cloudwatch/home?region=eu-north-1"
        "#metricsV2:graph=~();namespace=~'My*2fApp",
        "Log group /aws/x y": "https://eu-north-1.console.aws.amazon.com/cloudwatch/home?region=eu-north-1"
        "#logsV2:log-groups/log-group/$252Faws$252Fx$2520y",
    }
    assert "https://cn-north-1.console.amazonaws.cn/" in console.metrics_url("cn-north-1", "L")
    assert "https://us-gov-west-1.console.amazonaws-us-gov.com/" in console.log_group_url("us-gov-west-1", "L")
    for address in console_links.links("eu-north-1", NASTY, NASTY, None).values():
        assert not set(address) & set("<> ")


Configure: TypeAlias = Callable[..., pytest.MonkeyPatch]


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Configure:
    """Writes an AWS configuration file, and unsets all variables other than the given ones."""

    def configure(text: str, **variables: str) -> pytest.MonkeyPatch:
        """Writes an AWS configuration file, and unsets all variables other than the given ones."""
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        (tmp_path / "config").write_text(text)
        for name, value in {"AWS_CONFIG_FILE": str(tmp_path / "config"), **variables}.items():
            monkeypatch.setenv(name, value)
        return monkeypatch

    return configure


ELSEWHERE = "http://127.0.0.1:9"
OWN_SERVICES = f"services = dev\n[services dev]\nsts =\n  endpoint_url = {ELSEWHERE}\n"


@pytest.mark.parametrize(
    ("options", "variables", "profile", "found"),
    [
        ({}, {}, "", ["Metrics in Locust", "Log group LocustTests"]),
        ({"logs": "off"}, {}, "", ["Metrics in Locust"]),
        ({"endpoint_url": ELSEWHERE}, {}, "", []),
        ({"dry_run": True}, {}, "", []),
        ({}, {"AWS_ENDPOINT_URL": ELSEWHERE}, "", []),
        ({}, {"AWS_ENDPOINT_URL_CLOUDWATCH": ELSEWHERE}, "", []),
        ({}, {"AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": ELSEWHERE}, "", []),
        ({}, {}, f"endpoint_url = {ELSEWHERE}", []),
        ({}, {}, f"{OWN_SERVICES}cloudwatch =\n  endpoint_url = {ELSEWHERE}", []),
        ({"logs": "off"}, {"AWS_ENDPOINT_URL": ""}, OWN_SERVICES, ["Metrics in Locust"]),
    ],
)
def test_there_are_links_only_to_resources_at_aws(
    configure: Configure, options: dict[str, Any], variables: dict[str, str], profile: str, found: list[str]
) -> None:
    """A configured Region is known as soon as the core has read the configuration."""
    configure(f"[default]\nregion = eu-north-1\n{profile}\n", **variables)
    places = console_links.ConsoleLinks(options, None)

    def look() -> dict[str, str]:
        gevent.sleep(0.01)
        return places.links

    if found:
        wait_until(look, "links")
    else:
        gevent.sleep(0.5)
    assert list(places.links) == found


def test_the_links_appear_when_the_region_is_known(configure: Configure) -> None:
    """When the core has resolved it."""
    configure("")
    places = console_links.ConsoleLinks({"region": "eu-north-1", "logs": "off"}, None)

    def look() -> dict[str, str]:
        gevent.sleep(0.01)
        return places.links

    wait_until(look, "links")
    assert list(places.links) == ["Metrics in Locust"]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (None, None), ("", None), (False, None), ("false", None),
        (True, "My-App"), ("true", "My-App"), ("default", "My-App"), ("Shop", "Shop"),
    ],
)  # fmt: skip
def test_the_dashboard_can_be_named_in_each_source(given: object, name: str | None) -> None:
    """In Python, in an environment variable, and in the form."""
    options = _options.Options(None, {"namespace": "My/App", "dashboard": given})
    assert options.dashboard == name
    options.check()
    assert _core.default_options()["namespace"] == "Locust"
