"""Every option does what it says, from wherever it is set, and a bad value stops Locust at start."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import psutil
import pytest

from locust_cw._aws import local as _local
from locust_cw._extensions import preflight as _safeguards
from locust_cw._plugin.session import Session
from locust_cw._settings.table import Options
from support.checks import check_story
from support.cloudwatch import TEXT_LINE
from support.fixtures import Aws, Locust
from support.fleet import Fleet
from support.locust_run import NO_KEYS, NOBODY, LocustRun, clean_environment, run_python
from support.paths import LOCUSTFILES, SCRIPTS
from support.proxy import Answer, Call, Exchange, Proxy, error
from support.servers import Target, ending, free_port, wait_until

HOST = "http://optional.test"
NOT_ON_WINDOWS = pytest.mark.skipif(sys.platform == "win32", reason="Locust forks its workers")
STARTS = SCRIPTS / "starts.py"
SCRIPT = [{"names": ["/a", "/b"], "repeat": 20}, {"names": ["/c"], "method": "POST", "error": "no", "repeat": 5}]


def play(locust: Locust, folder: Path, *args: str, script: Any = SCRIPT, env: Any = None, **how: Any) -> LocustRun:
    """45 requests, 5 of them failures, unless scripted otherwise."""
    path = folder / "script.json"
    path.write_text(json.dumps(script))
    return locust.run("scripted.py", "--host", HOST, *args, env={"SCRIPT": str(path), **(env or {})}, **how)


def signed_by(call: Call) -> tuple[str, str]:
    """Access key and region of the call's signature."""
    found = re.search(r"Credential=([^/]+)/\d+/([^/]+)/", call.headers["authorization"])
    assert found
    return found[1], found[2]


# Where options come from

OPTIONS = {
    "--cw-live", "--cw-disable", "--cw-dry-run", "--cw-local", "--cw-namespace", "--cw-dimensions", "--cw-dimension",
    "--cw-resolution", "--cw-flush-interval", "--cw-max-requests", "--cw-logs", "--cw-log-sample", "--cw-log-format",
    "--cw-log-group", "--cw-log-stream", "--cw-log-retention-days", "--cw-log-class", "--cw-region", "--cw-profile",
    "--cw-role-arn", "--cw-external-id", "--cw-endpoint-url", "--cw-run-id", "--cw-spool-dir", "--cw-spool-max-mb",
    "--cw-drain-timeout", "--cw-receipt", "--cw-fail-on-loss", "--cw-strict", "--cw-stop-on-alarm", "--cw-dashboard",
    "--cw-target", "--cw-source", "--cw-log-urls",
}  # fmt: skip

BAD = [
    "--cw-resolution=7",
    "--cw-resolution=often",
    "--cw-flush-interval=-1",
    "--cw-flush-interval=0",
    "--cw-flush-interval=nan",
    "--cw-max-requests=-1",
    "--cw-drain-timeout=-1",
    "--cw-drain-timeout=soon",
    "--cw-dimensions=Foo",
    "--cw-dimension=novalue",
    "--cw-dimension==v",
    "--cw-namespace=AWS/x",
    "--cw-namespace=:x",
    "--cw-logs=maybe",
    "--cw-log-sample=2",
    "--cw-log-sample=-0.1",
    "--cw-log-format=xml",
    "--cw-log-urls=some",
    "--cw-log-group=a b",
    "--cw-log-group=aws/x",
    "--cw-log-stream=a:b",
    "--cw-log-retention-days=8",
    "--cw-log-class=X",
    "--cw-endpoint-url=nonsense",
    "--cw-role-arn=x",
    "--cw-run-id=a b:*",
    "--cw-external-id=without-a-role",
    "--cw-spool-max-mb=0",
    "--cw-source=nobody",
    "--cw-receipt=/no/such/folder/receipt.json",
    # The tests' own options say where CloudWatch is.
    "--cw-local",
]


@pytest.fixture(scope="module")
def refused(ministack: str, target: Target, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """How Locust ended with each of them, and what it said. No load was made, and AWS heard nothing."""
    folder = tmp_path_factory.mktemp("bad")
    before = target.served
    with Proxy(ministack) as proxy:
        usual = ["--headless", "-t", "20s", "--host", target.url, f"--cw-endpoint-url={proxy.url}"]
        tried = json.dumps([[*usual, option] for option in BAD])
        done = run_python(folder, STARTS, LOCUSTFILES / "shop.py", tried, timeout=280)
        assert not proxy.calls()
    assert target.served == before
    return dict(zip(BAD, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("option", BAD)
def test_a_bad_value_stops_locust_at_start(refused: dict[str, tuple[int, str]], option: str) -> None:
    """A message names the option, and the exit code is not 0."""
    code, err = refused[option]
    assert code == 2
    assert option.split("=", 1)[0] in err
    assert "Traceback" not in err


@pytest.mark.parametrize("value", [("LOCUST_CW_RESOLUTION", "7"), ("LOCUST_CW_LOGS", "maybe")], ids=lambda it: it[0])
def test_a_bad_value_of_a_variable_stops_locust_too(locust: Locust, target: Target, value: tuple[str, str]) -> None:
    before = target.served
    run = locust.run("shop.py", "-t", "20s", "--host", target.url, env=dict([value]))
    assert run.exit_code != 0
    assert "--cw-" + value[0].removeprefix("LOCUST_CW_").lower() in run.err
    assert target.served == before


def settings(aws: Aws) -> dict[str, str]:
    return {
        "endpoint-url": aws.proxy.url,
        "namespace": aws.cloudwatch.namespace,
        "log-group": aws.cloudwatch.log_group,
        "run-id": "set-elsewhere",
        "live": "true",
        "flush-interval": "1",
    }


@pytest.mark.parametrize("source", ["environment", "locust.conf", "pyproject.toml"])
def test_options_may_be_set_elsewhere(aws: Aws, locust: Locust, tmp_path: Path, source: str) -> None:
    """In the environment as LOCUST_CW_..., in locust.conf or in [tool.locust]."""
    values, how = settings(aws), dict[str, Any]()
    if source == "environment":
        how["env"] = {f"LOCUST_CW_{name.upper().replace('-', '_')}": value for name, value in values.items()}
    elif source == "locust.conf":
        how["files"] = {source: "".join(f"cw-{name} = {value}\n" for name, value in values.items())}
    else:
        lines = [f'"cw-{name}" = {value if value == "true" else json.dumps(value)}\n' for name, value in values.items()]
        how["files"] = {source: "[tool.locust]\n" + "".join(lines)}
    run = play(locust, tmp_path, options=[], **how)
    run.receipt.check_delivered()
    assert run.receipt["run_id"] == "set-elsewhere"
    assert aws.cloudwatch.sum("RequestCount", Host=HOST) == 45
    assert len(aws.cloudwatch.events("load-generator/set-elsewhere/")) >= 45


@pytest.mark.parametrize(
    ("value", "targets"),
    [
        ("sqs:a,rds:b", ["sqs:a", "rds:b"]),
        ("sqs:a", ["sqs:a"]),
        ("sqs:a,,rds:b,", ["sqs:a", "rds:b"]),
        (["sqs:a", ""], ["sqs:a"]),
        ("", None),
        ([""], None),
        (None, None),
    ],
    ids=str,
)
def test_what_can_be_repeated_may_be_a_text_with_commas(value: object, targets: list[str] | None) -> None:
    """As the web UI's address gets it, if it was not given at the start; what is empty is not there."""
    assert Options(SimpleNamespace(cw_target=value), {})["target"] == targets


def test_options_stand_in_one_group_of_the_help(locust: Locust) -> None:
    """Under "CloudWatch"."""
    run = locust.run("plain.py", "--help", module="locust_cw")
    assert run.exit_code == 0
    group = re.split(r"^CloudWatch:$", run.out, flags=re.MULTILINE)[1]
    assert set(re.findall(r"^ +(--cw-[a-z-]+)", group, re.MULTILINE)) == OPTIONS


# Whether to publish


def test_disable_registers_nothing(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    run = play(locust, tmp_path, "--cw-disable", "--cw-live")
    assert run.exit_code == 1
    assert run.stats.requests.total() == 45
    assert not aws.proxy.calls()
    assert not run.has_receipt
    assert not (run.folder / "state").exists()


@pytest.mark.parametrize("live", [["--cw-live"], []], ids=["live", "end"])
def test_a_dry_run_calls_nobody_and_tells_the_cost(aws: Aws, locust: Locust, tmp_path: Path, live: list[str]) -> None:
    run = play(locust, tmp_path, "--cw-dry-run", *live, env=NO_KEYS)
    receipt = run.receipt.check()
    assert not aws.proxy.calls()
    for group in ("requests", "failures", "log_events"):
        assert receipt[group]["spooled"] == receipt[group]["observed"] > 0
    assert receipt["requests"]["observed"] == 45
    assert receipt["estimated_cost_usd"] > 0
    assert run.complaints() == []
    assert any(path.stat().st_size for path in (run.folder / "state").rglob("*") if path.is_file()), (
        "batches are spooled"
    )


def test_strict_refuses_to_start_when_aws_refuses(aws: Aws, locust: Locust, target: Target) -> None:
    aws.proxy.on("*", error("AccessDeniedException", 403, "not authorized"))
    before = target.served
    run = locust.run("shop.py", "-t", "20s", "--host", target.url, "--cw-strict")
    assert run.exit_code != 0
    assert "AccessDenied" in run.err
    assert target.served == before


def test_strict_refuses_to_start_without_credentials(locust: Locust, target: Target) -> None:
    before = target.served
    run = locust.run("shop.py", "-t", "20s", "--host", target.url, "--cw-strict", env=NO_KEYS)
    assert run.exit_code != 0
    assert re.search("(?i)credential", run.err)
    assert target.served == before


def test_strict_starts_where_only_a_retention_fails(aws: Aws, locust: Locust, target: Target) -> None:
    aws.proxy.on("PutRetentionPolicy", error("ThrottlingException", 400, "Rate exceeded"), times=2)
    options = ["--cw-strict", "--cw-log-retention-days=7"]
    # Longer than both pauses between the tries can be: they come before the users, and the run time counts them.
    run = locust.run("shop.py", "-u", "4", "-r", "100", "-t", "8s", "--host", target.url, *options)
    assert len(aws.proxy.calls("PutRetentionPolicy")) == 3
    run.receipt.check_delivered()
    assert run.receipt["requests"]["observed"] > 0


def test_strict_tells_the_reason_once_and_what_else_has_come_up(caplog: pytest.LogCaptureFixture) -> None:
    failure = SimpleNamespace(
        operation="PutMetricData", topic="refused", message="PutMetricData was refused.", needs_action=True
    )
    messages = [(30, "spool", "an earlier run is left"), (40, "refused", "it was refused"), (40, "logs", "logs, too")]
    publisher = SimpleNamespace(
        has_logs=True,
        flush=lambda: None,
        progress=lambda: SimpleNamespace(metrics_calls=0, logs_calls=0, failures=[failure]),
        diagnostics=lambda: [SimpleNamespace(level=level, topic=topic, text=text) for level, topic, text in messages],
    )
    refusals: list[str] = []
    test: Any = SimpleNamespace(
        publisher=publisher,
        sample=lambda: None,
        environment=SimpleNamespace(runner=None, process_exit_code=None),
        is_under_way=True,
        refusal=None,
        refuse=refusals.append,
    )
    _safeguards.refuse_unless_published(test)
    assert [record.message for record in caplog.records] == ["an earlier run is left", "logs, too"]
    assert refusals == ["as --cw-strict asks: PutMetricData was refused."]


@pytest.mark.parametrize("live", [["--cw-live"], []], ids=["live", "end"])
def test_strict_changes_nothing_when_aws_is_well(aws: Aws, locust: Locust, target: Target, live: list[str]) -> None:
    run = locust.run("shop.py", "-u", "40", "-r", "100", "-t", "3s", "--host", target.url, "--cw-strict", *live)
    assert run.exit_code == 1, "as always when requests failed"
    check_story(aws.cloudwatch, run, target.url)


def test_a_host_with_bytes_that_are_no_text_is_published(locust: Locust, tmp_path: Path) -> None:
    run = play(locust, tmp_path, "--host", "http://a\udcff.test")
    run.receipt.check_delivered()
    assert run.receipt["requests"]["observed"] == 45


def test_local_brings_its_own_cloudwatch(locust: Locust, target: Target) -> None:
    """A MiniStack is started, published to and ended; no credentials needed."""
    run = locust.start("shop.py", "-t", "5s", "--host", target.url, "--cw-local", "--cw-live", options=[], env=NOBODY)

    children = wait_until(psutil.Process(run.process.pid).children, "a child process runs")
    run.finish()
    run.receipt.check_delivered()
    wait_until(lambda: not any(child.is_running() for child in children), "the child process is ended")


PROCESSES = pytest.param(["--processes=2"], id="fleet", marks=NOT_ON_WINDOWS)


@pytest.mark.parametrize("processes", [pytest.param([], id="alone"), PROCESSES])
def test_local_leaves_the_options_open_to_change(locust: Locust, processes: list[str]) -> None:
    """Where it listens is known to all processes, and is nothing that the user gave beside it."""
    args = ("-u", "2", "-r", "100", "-t", "6s", "--host", HOST)
    run = locust.run("attached_late.py", *processes, *args, "--cw-local", "--cw-live", options=[])
    assert run.output.count("attached late") == max(len(processes) * 3, 1), run.output
    assert run.stumbles == 0, run.err
    run.receipt.check_delivered()


@pytest.mark.skipif(
    sys.platform == "win32",
    reason="there MiniStack may bind a port that is taken (SO_REUSEADDR)",
)
def test_a_port_that_is_taken_in_the_last_moment_is_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one is tried, but not for ever."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        ports = [taken, free_port(), taken, taken, taken]
        monkeypatch.setattr(_local, "_free_port", lambda: ports.pop(0))
        with _local.LocalCloudWatch() as running:
            assert not running.endpoint_url.endswith(f":{taken}")
        with pytest.raises(_local.LocalCloudWatchError, match="already in use"):
            _local.LocalCloudWatch()
    assert ports == []


def test_a_local_cloudwatch_that_the_system_refuses_is_told_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(_local.LocalCloudWatchError, match="could not be started"):
        _local.LocalCloudWatch()
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(_local.LocalCloudWatchError, match="could not be started"):
        _local.LocalCloudWatch()


@pytest.mark.parametrize(
    ("attached", "fate"),
    [
        ({"local": True}, "delivered"),
        ({"local": True, "dry_run": True}, "spooled"),
        ({"dry_run": True}, "spooled"),
        ({"disable": True}, None),
    ],
    ids=str,
)
def test_what_a_masters_program_keeps_off_aws_stays_off_it(
    aws: Aws, locust: Locust, attached: dict[str, bool], fate: str | None
) -> None:
    """Its workers know of it from the master alone, whatever else their own options say."""
    env: dict[str, str | None] = {"AWS_ENDPOINT_URL": aws.proxy.url}
    fleet = Fleet(
        locust, "--cw-live", "-u2", "-t3", "--host", HOST, "--exit-code-on-error=0", workers=1, options=[],
        locustfile="attached_fleet.py", worker_env=env, env={**env, "ATTACH": json.dumps(attached)},
    )  # fmt: skip
    fleet.finish()
    fired = fleet.fired.requests.total()
    assert fired > 0
    assert not aws.proxy.calls(), "AWS, for all that the workers know"
    assert [run.complaints() for run in fleet.processes] == [[], []]
    if fate is None:
        assert not fleet.master.has_receipt
        assert not any((run.folder / "state").exists() for run in fleet.processes)
    else:
        assert fleet.master.receipt.check()["requests"][fate] == fired


@pytest.mark.parametrize("own", [{}, {"local": True}], ids=str)
def test_a_librarys_fleet_is_told_of_each_test_what_holds_for_it(
    aws: Aws, tmp_path: Path, own: dict[str, bool]
) -> None:
    """Without a command line, too, whose options Locust would send; and one test's are not the next one's."""
    tests: list[dict[str, Any]] = [{"local": True}, {"disable": True}, {"dry_run": True}]
    fates = ["delivered", "spooled"]
    if not own:
        tests = [{"namespace": aws.cloudwatch.namespace}, {"disable": True}, *tests]
        fates = ["delivered", *fates]
    arguments = [sys.executable, str(SCRIPTS / "library_fleet.py")]
    port = str(free_port())
    env = clean_environment(tmp_path, AWS_ENDPOINT_URL=aws.proxy.url)
    worker = subprocess.Popen([*arguments, "worker", port, json.dumps(own)], env=env)
    with ending(worker):
        master = subprocess.run(
            [*arguments, "master", port, json.dumps(tests)],
            env=env, stdout=subprocess.PIPE, text=True, timeout=90, check=True,
        )  # fmt: skip
        assert worker.wait(30) == 0
    receipts = json.loads(master.stdout)
    for receipt, fate in zip(receipts, fates, strict=True):
        assert receipt["requests"][fate] == receipt["requests"]["observed"] >= 50
        # Locust may lack a worker's last report, and has at least 50 of each test.
        assert receipt["requests"]["observed"] < receipt["locust"]["requests"] + 45, "and nothing of another test"
    streams = {call.params["logStreamName"].split("/")[1] for call in aws.proxy.calls("PutLogEvents")}
    assert streams == (set() if own else {receipts[0]["run_id"]})


def test_a_worker_that_is_not_told_where_it_is_does_not_publish_to_aws(tmp_path: Path) -> None:
    environment = SimpleNamespace(parsed_options=SimpleNamespace(cw_local=True), runner=type("WorkerRunner", (), {})())
    options = Options(environment.parsed_options, {"spool_dir": str(tmp_path)})
    # Locust's own events would have gevent patch the tests' process.
    session = Session(SimpleNamespace())  # type: ignore[arg-type]
    with pytest.raises(_local.LocalCloudWatchError, match="does not tell where"):
        session._direct_to_local(environment, options)  # type: ignore[arg-type]  # noqa: SLF001 - no Locust sends that


def test_locust_does_not_start_without_the_local_cloudwatch_it_was_told_to_bring(locust: Locust) -> None:
    """Nor with an exception in a listener, after which the test would go on and publish nothing."""
    run = locust.run("no_python.py", "-t", "3s", "--host", HOST, "--cw-local", options=[], receipt=False)
    assert run.exit_code == 2
    assert "could not be started" in run.err
    assert run.stumbles == 0


# Where and as whom


def test_region_is_that_of_the_option(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    play(locust, tmp_path, "--cw-region=ap-northeast-2").receipt.check_delivered()
    assert {signed_by(call) for call in aws.proxy.calls()} == {("test", "ap-northeast-2")}


def test_a_profile_may_assume_a_role_in_its_own_region(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    """With no region in the environment: the profile's, or the one that was asked for."""
    config = (
        "[profile base]\naws_access_key_id = basekey\naws_secret_access_key = secret\n"
        "[profile cross]\nrole_arn = arn:aws:iam::210987654321:role/LoadTest\nsource_profile = base\n"
        "region = ap-northeast-2\n"
    )
    for option, region in ("--cw-live", "ap-northeast-2"), ("--cw-region=eu-west-3", "eu-west-3"):
        before = len(aws.proxy.calls())
        folder = tmp_path / region
        folder.mkdir()
        run = play(
            *(locust, folder, "--cw-profile=cross", option),
            env=NOBODY | {"AWS_ENDPOINT_URL": aws.proxy.url},
            files={".aws/config": config},
        )
        run.receipt.check_delivered()
        calls = aws.proxy.calls()[before:]
        (assumed,) = {signed_by(call) for call in calls if call.operation == "AssumeRole"}
        assert assumed == ("basekey", region)
        assert {signed_by(call)[1] for call in calls} == {region}


def test_a_profile_gives_keys_and_region(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    profile = "aws_access_key_id = profilekey\naws_secret_access_key = secret\nregion = ap-northeast-2\n"
    run = play(
        *(locust, tmp_path, "--cw-profile=load"),
        env=NOBODY,
        files={".aws/config": f"[default]\nregion = us-west-1\n[profile load]\n{profile}"},
    )
    run.receipt.check_delivered()
    assert {signed_by(call) for call in aws.proxy.calls()} == {("profilekey", "ap-northeast-2")}


ROLE = "arn:aws:iam::123456789012:role/load"


def test_a_role_is_assumed(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    """With the external id; calls are then signed with the role's session."""
    run = play(
        *(locust, tmp_path, f"--cw-role-arn={ROLE}", "--cw-external-id=abc"),
        env={"AWS_ENDPOINT_URL": aws.proxy.url},
    )
    run.receipt.check_delivered()
    assumed = parse_qs(aws.proxy.calls("AssumeRole")[0].plain_body.decode())
    assert assumed["RoleArn"] == [ROLE]
    assert assumed["ExternalId"] == ["abc"]
    assert assumed["RoleSessionName"][0]
    for call in aws.proxy.calls("PutMetricData", "PutLogEvents"):
        assert call.headers["x-amz-security-token"]
        assert signed_by(call)[0] != "test"


def test_an_assumed_role_is_refreshed(aws: Aws, locust: Locust) -> None:
    """Sessions that last seconds are renewed for as long as the test runs."""
    expiry = re.compile(rb"(?<=<Expiration>).*?(?=</Expiration>)")

    def short(exchange: Exchange) -> Answer:
        answer = exchange.forward(exchange.call)
        soon = (datetime.now(UTC) + timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
        return Answer(answer.status, answer.headers, expiry.sub(soon, answer.body))

    aws.proxy.on("AssumeRole", short)
    run = locust.run(
        *("orders.py", "-u", "5", "--host", HOST, "-t", "6s", "--cw-live", "--cw-flush-interval=1"),
        f"--cw-role-arn={ROLE}",
        env={"AWS_ENDPOINT_URL": aws.proxy.url},
    )
    run.receipt.check_delivered()
    assert len(aws.proxy.calls("AssumeRole")) >= 2
    assert len({signed_by(call)[0] for call in aws.proxy.calls("PutMetricData")}) >= 2


# Series


@pytest.mark.parametrize("dimensions", ["Host,Request,Method", "Request", "RunId", "Host,RunId", "Host"])
def test_dimensions_make_the_series_and_the_host_is_always_there(
    aws: Aws, locust: Locust, tmp_path: Path, dimensions: str
) -> None:
    run = play(locust, tmp_path, f"--cw-dimensions={dimensions}")
    kinds = dimensions.split(",")
    expected: Counter[frozenset[tuple[str, str]]] = Counter()
    for name, method, requests in (("/a", "GET", 20), ("/b", "GET", 20), ("/c", "POST", 5)):
        values = {"Host": HOST, "Request": name, "Method": method, "RunId": run.receipt["run_id"]}
        expected[frozenset((kind, values[kind]) for kind in kinds)] += requests
    expected[frozenset({("Host", HOST)})] = 45
    held = {
        series: aws.cloudwatch.sum("RequestCount", **dict(series)) for series in aws.cloudwatch.series("RequestCount")
    }
    assert held == dict(expected)


def test_constant_dimensions_are_on_every_metric(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    play(locust, tmp_path, "--cw-dimension=Team=a", "--cw-dimension=Stage=b=c")
    datums = [datum for call in aws.proxy.calls("PutMetricData") for datum in call.params["MetricData"]]
    for datum in datums:
        named = {each["Name"]: each["Value"] for each in datum["Dimensions"]}
        assert (named["Team"], named["Stage"]) == ("a", "b=c"), datum
    assert aws.cloudwatch.sum("RequestCount", Host=HOST, Team="a", Stage="b=c") == 45


def test_the_run_id_may_be_chosen(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    run = play(locust, tmp_path, "--cw-run-id=release-7.1")
    assert run.receipt["run_id"] == "release-7.1"
    assert all(stream.startswith("load-generator/release-7.1/") for stream in aws.cloudwatch.streams())
    assert {event.fields["run_id"] for event in aws.cloudwatch.events() if event.is_request} == {"release-7.1"}


# Logs


def test_the_log_stream_begins_as_asked(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    run = play(locust, tmp_path, "--cw-log-stream=nightly/eu")
    (stream,) = aws.cloudwatch.streams()
    assert stream.startswith(f"nightly/eu/{run.receipt['run_id']}/")


@pytest.mark.parametrize(("which", "logged"), [("all", 45), ("failures", 5), ("off", 0)])
def test_logs_says_which_requests_are_logged(aws: Aws, locust: Locust, tmp_path: Path, which: str, logged: int) -> None:
    run = play(locust, tmp_path, f"--cw-logs={which}")
    events = aws.cloudwatch.events()
    receipt = run.receipt.check_delivered()
    assert sum(event.is_request for event in events) == logged
    assert receipt["log_events"]["observed"] == len(events)
    assert receipt["requests"]["observed"] == 45


def test_a_share_of_the_successes_is_logged_and_all_failures(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    script = [{"names": ["/a"], "repeat": 2000}, {"names": ["/c"], "error": "no", "repeat": 100}]
    run = play(locust, tmp_path, "--cw-log-sample=0.1", script=script)
    outcomes = Counter(event.fields["outcome"] for event in aws.cloudwatch.events() if event.is_request)
    assert outcomes["failure"] == 100
    assert 80 <= outcomes["success"] <= 320, "200 expected, and 9 standard deviations"
    run.receipt.check_delivered()
    assert run.receipt["requests"]["observed"] == 2100


def test_text_is_the_old_scripts_line(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    run = play(locust, tmp_path, "--cw-log-format=text")
    lines = [TEXT_LINE.fullmatch(event.message) for event in aws.cloudwatch.events() if event.is_request]
    assert len(lines) == 45
    found = Counter((line["request_type"], line["name"], line["host"]) for line in lines if line)
    assert found == {("GET", "/a", HOST): 20, ("GET", "/b", HOST): 20, ("POST", "/c", HOST): 5}
    assert all(line["exception"].endswith("no") for line in lines if line and line["name"] == "/c")
    assert {float(line["response_time"]) for line in lines if line} == {10.0}
    assert {line["response_length"] for line in lines if line} == {"100", None}
    run.receipt.check_delivered()


def test_a_new_log_group_gets_retention_and_class(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    play(locust, tmp_path, "--cw-log-retention-days=7", "--cw-log-class=INFREQUENT_ACCESS").receipt.check_delivered()
    (created,) = [call for call in aws.proxy.calls("CreateLogGroup") if call.accepted]
    assert created.params == {"logGroupName": aws.cloudwatch.log_group, "logGroupClass": "INFREQUENT_ACCESS"}
    (retained,) = aws.proxy.calls("PutRetentionPolicy")
    assert retained.params == {"logGroupName": aws.cloudwatch.log_group, "retentionInDays": 7}


def test_a_log_group_that_exists_is_left_as_it_is(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    aws.cloudwatch.logs.create_log_group(logGroupName=aws.cloudwatch.log_group)
    run = play(locust, tmp_path, "--cw-log-retention-days=7", "--cw-log-class=INFREQUENT_ACCESS")
    run.receipt.check_delivered()
    assert not aws.proxy.calls("PutRetentionPolicy")
    (group,) = aws.cloudwatch.logs.describe_log_groups(logGroupNamePrefix=aws.cloudwatch.log_group)["logGroups"]
    assert group["logGroupClass"] == "STANDARD"


def test_no_retention_is_set_unless_asked(aws: Aws, locust: Locust, tmp_path: Path) -> None:
    play(locust, tmp_path)
    assert not aws.proxy.calls("PutRetentionPolicy")
