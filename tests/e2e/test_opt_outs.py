"""An opt-out applies wherever it is set: in Python, a command line, the environment or a file, by master or worker."""

from __future__ import annotations

import json
import os
import textwrap
from pathlib import Path
from typing import Any

import pytest

from locust_cw import InvalidOptionError, Publisher
from support import library_fleet
from support.checks import check_metrics
from support.commands import replay
from support.fixtures import Aws, Locust
from support.fleet import HOST, Fleet, MasterWeb, stats_of
from support.locust_run import NO_KEYS, LocustStats, Receipt, run_library, run_python
from support.option_parser import own
from support.paths import SCRIPTS
from support.servers import REGION, wait_until
from support.spools import files_in, spool_of

LIVE = ["--cw-live", "--cw-flush-interval=1"]


KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION}


def in_environment(aws: Aws) -> dict[str, str]:
    """The variables for the CloudWatch of a test."""
    return {f"LOCUST_CW_{name.upper()}": value for name, value in aws.in_python.items()}


# Locust as a library


@pytest.mark.parametrize(
    ("variable", "fate"),
    [({}, "delivered"), ({"LOCUST_CW_DRY_RUN": "on"}, "spooled"), ({"LOCUST_CW_DISABLE": "TRUE"}, None)],
    ids=["none", "dry run", "disable"],
)  # fmt: skip
def test_locusts_documented_example_uses_the_options_of_the_environment(
    aws: Aws, tmp_path: Path, variable: dict[str, str], fate: str | None
) -> None:
    """With only `import locust_cw`, and without a command line: where it publishes, and whether it does."""
    env = {**in_environment(aws), "LOCUST_CW_RECEIPT": str(tmp_path / "receipt.json"), **variable}
    done = run_library(tmp_path, SCRIPTS / "documented.py", tmp_path / "stats.json", env=env)
    assert done.exit_code == 0, done.err
    assert "the script is done" in done.out
    assert bool(aws.proxy.calls()) == (fate == "delivered")
    stats = LocustStats.of(json.loads((tmp_path / "stats.json").read_text()))
    if fate is None:
        assert "CloudWatch" not in done.err
        assert not (tmp_path / "receipt.json").exists()
        assert not (tmp_path / "state").exists()
    else:
        receipt = Receipt((tmp_path / "receipt.json").read_text()).check()
        assert receipt["requests"][fate] == receipt["requests"]["observed"] == stats.requests.total() >= 50
    if fate == "delivered":
        check_metrics(aws.cloudwatch, stats, "http://walked.test")


def test_attach_publishes_nothing_where_the_environment_opts_out(aws: Aws, tmp_path: Path) -> None:
    """Also with `disable=False` in the program: the variable belongs to the user who runs it."""
    options = {**aws.in_python, "receipt": str(tmp_path / "receipt.json"), "disable": False, "live": True}
    done = run_library(
        tmp_path, SCRIPTS / "library.py", json.dumps(options), "http://127.0.0.1:9", tmp_path / "stats.json", "quit",
        env={"LOCUST_CW_DISABLE": "1"},
    )  # fmt: skip
    assert done.exit_code == 0, done.err
    assert not aws.proxy.calls()
    assert not (tmp_path / "receipt.json").exists()
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("script", ["documented.py", "library.py"])
def test_an_invalid_opt_out_raises_an_error_in_a_program(tmp_path: Path, script: str) -> None:
    """Before there is any load. The error names the variable."""
    arguments = ["{}", "http://127.0.0.1:9"] if script == "library.py" else []
    done = run_library(tmp_path, SCRIPTS / script, *arguments, tmp_path / "stats.json", env={"LOCUST_CW_DISABLE": "ja"})
    assert done.exit_code != 0
    assert "LOCUST_CW_DISABLE must be one of true, " in done.err
    assert "the script is done" not in done.out


def test_an_invalid_opt_out_at_the_start_of_a_test_prevents_publication(aws: Aws, tmp_path: Path) -> None:
    """No listener raises an exception, and the exit code shows the loss if `fail_on_loss` is set."""
    code = """
    import json, os, sys
    from locust.env import Environment
    from locust.event import Events
    import locust_cw
    from locust_cw._webui.session_view import SessionView
    environment = Environment(events=Events(), host="http://in.turn.test")
    session = locust_cw.attach(environment, fail_on_loss=True, **json.loads(sys.argv[1]))
    os.environ["LOCUST_CW_DRY_RUN"] = "ja"
    environment.events.test_start.fire(environment=environment)
    environment.events.request.fire(request_type="GET", name="/", response_time=1.0, response_length=1)
    environment.events.test_stop.fire(environment=environment)
    print([status.health for status in SessionView(session._session).statuses()], session.close(), flush=True)
    environment.events.quit.fire(exit_code=0)
    """
    done = run_python(tmp_path, "-c", textwrap.dedent(code), json.dumps(aws.in_python), timeout=60)
    assert (done.returncode, done.stdout) == (1, "['off'] []\n"), done.stderr
    assert (
        "locust-cw does not publish this test: argument --cw-dry-run: LOCUST_CW_DRY_RUN must be one of" in done.stderr
    )
    assert "Uncaught exception" not in done.stderr
    assert not aws.proxy.calls()


def test_a_worker_of_a_library_opts_out_though_its_master_does_not(aws: Aws, tmp_path: Path) -> None:
    """Neither has a command line: the worker uses its environment, and the master the options of its program."""
    tests: list[dict[str, Any]] = [{"disable": True}, {**aws.in_python, "dry_run": False}]
    (receipt,) = library_fleet.receipts(tmp_path, aws, tests, {}, LOCUST_CW_DRY_RUN="true")
    assert receipt["requests"]["spooled"] == receipt["requests"]["observed"] >= 50
    assert receipt["api_calls"]["PutMetricData"] == len(aws.proxy.calls("PutMetricData")) > 0, "the master's own"
    assert aws.cloudwatch.sum("RequestCount", Host="http://walked.test") == 0
    assert not [event for event in aws.cloudwatch.events() if event.is_request]


# Master and workers


def test_workers_opt_out_though_their_master_does_not(aws: Aws, locust: Locust) -> None:
    """By variable, file and command line, also a worker that joins late. Opt-outs of the previous test do not apply.

    The receipt counts what the others published, and says why Locust counts more.
    """
    web = MasterWeb()
    fleet = Fleet(
        locust, *LIVE, *web.options, "--cw-fail-on-loss", "--exit-code-on-error=0", workers=1, headless=False,
    )  # fmt: skip
    fleet.join(LOCUST_CW_DISABLE="yes")
    fleet.join(files={"locust.conf": "cw-disable = true\n"})
    web.wait_for_workers(3)
    web.swarm(3, HOST, cw_disable="true")
    fleet.wait_for(20)
    web.stop()
    assert not aws.proxy.calls()

    first_test = [len(journal.of("fired")) for journal in fleet.journals]
    web.swarm(6, HOST, cw_disable="false")
    fleet.wait_for(20)
    fleet.join("--cw-disable", LOCUST_CW_DRY_RUN="true")
    fleet.wait_for(20)
    fleet.join("--cw-dry-run")
    web.wait_for_workers(5)
    # Locust gives no users to a second one that joins.
    web.swarm(10, HOST, cw_disable="false")
    fleet.wait_for(40)
    fleet.master.shut_down()
    fleet.wait()
    publishing, *silent, dry = fleet.workers
    names = [journal.client_id for journal in fleet.journals]
    fired = [
        len(journal.of("fired")) - before
        for journal, before in zip(fleet.journals, [*first_test, 0, 0], strict=True)
    ]  # fmt: skip
    assert min(fired) >= 40
    receipt = fleet.master.receipt
    requests = receipt["requests"]
    assert (requests["observed"], requests["delivered"], requests["spooled"]) == (
        fired[0] + fired[4],
        fired[0],
        fired[4],
    )
    assert (receipt["reconciled"], receipt["locust"]["requests"]) == (False, sum(fired))
    assert receipt["api_calls"]["PutMetricData"] == len(aws.proxy.calls("PutMetricData")), "and none of a dry run"
    assert receipt["api_calls"]["PutLogEvents"] == len(aws.proxy.calls("PutLogEvents"))
    assert {event.fields["worker"] for event in aws.cloudwatch.events() if event.is_request} == {names[0]}
    check_metrics(aws.cloudwatch, stats_of(fleet.journals[0].of("fired")[first_test[0] :]), HOST)

    printed = fleet.master.output[fleet.master.output.index("CloudWatch receipt") :]
    for name in names[1:4]:
        assert f"{name}: opted out with --cw-disable: Locust counts its requests, but they are not published" in printed
    assert f"{names[4]}: opted out with --cw-dry-run: its results are in its spool and were not sent" in printed
    assert not [word for word in ("vanished", "no account", f"{names[0]}: ") if word in printed]
    assert fleet.master.exit_code == 1, "as --cw-fail-on-loss asks"
    assert [run.logged_problems() for run in fleet.workers] == [[]] * 5
    for run in silent:
        assert not (run.folder / "state").exists()
    assert files_in(spool_of(dry))
    assert not files_in(spool_of(publishing))


def test_a_master_that_publishes_for_its_workers_leaves_out_those_that_opt_out(aws: Aws, locust: Locust) -> None:
    fleet = Fleet(locust, *LIVE, "-u", "6", "-r", "100", "--host", HOST, "--cw-source=master", workers=1)
    # The master waits for one of them.
    fleet.join("--cw-disable")
    fleet.join(LOCUST_CW_DRY_RUN="true")
    fleet.join("--cw-local")
    wait_until(lambda: len(fleet.journals) == 4, "all have joined")
    fleet.wait_for(40)
    fleet.master.shut_down()
    fleet.wait()
    (publishing, *others), receipt = fleet.journals, fleet.master.receipt
    assert receipt["requests"]["observed"] == receipt["requests"]["delivered"] == len(publishing.of("fired"))
    assert receipt["reconciled"] is False
    assert aws.cloudwatch.sum("RequestCount", Host=HOST) == len(publishing.of("fired"))
    printed = fleet.master.output[fleet.master.output.index("CloudWatch receipt") :]
    for journal, option in zip(others, ("--cw-disable", "--cw-dry-run", "--cw-local"), strict=True):
        assert f"{journal.client_id}: opted out with {option}: Locust counts its requests" in printed
    assert publishing.client_id not in printed


# Without Locust


def test_a_disabled_publisher_ignores_everything(aws: Aws, tmp_path: Path) -> None:
    """By the environment, also against the program, or by the program. Its methods still work."""
    code = """
    import asyncio, json, os, sys, threading
    from locust_cw import Publisher
    options = json.loads(sys.argv[1])
    def used(publisher):
        publisher.record("GET", "/", 1.0, exception="no")
        publisher.gauge("QueueDepth", 7, "Count")
        publisher.event("half_time", {"tenants": 3})
        publisher.set_users(2)
        return publisher.flush(1)
    async def used_async(publisher):
        async with publisher:
            await publisher.record_async("GET", "/", 1.0)
            await publisher.gauge_async("QueueDepth", 7)
            return await publisher.flush_async(1), await publisher.close_async() is publisher.close()
    results = []
    for argument in ({"disable": False}, {"disable": True}):
        with Publisher(run_id="mine", **argument, **options) as publisher:
            assert used(publisher) is True and publisher.endpoint_url is None
        receipt = publisher.close()
        results.append([receipt.complete, receipt.text, json.loads(receipt.json)])
        try:
            publisher.record("GET", "/late", 1.0)
        except ValueError as error:
            assert "the publisher of run mine is closed" in str(error)
        else:
            sys.exit("it is closed")
        assert asyncio.run(used_async(Publisher(**argument, **options))) == (True, True)
        assert [thread.name for thread in threading.enumerate()] == ["MainThread"]
        os.environ.pop("LOCUST_CW_DISABLE")
        os.environ["LOCUST_CW_DISABLE"] = "false"
    print(json.dumps(results))
    """
    # Nothing is asked of it, so no credentials, and no folder either.
    options = {**aws.in_python, "local": False, "spool_dir": "/nowhere/to/be/made"}
    env = {"LOCUST_CW_DISABLE": "true", **NO_KEYS}
    done = run_python(tmp_path, "-c", textwrap.dedent(code), json.dumps(options), timeout=60, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    for complete, text, receipt in json.loads(done.stdout):
        assert complete
        assert text.startswith("CloudWatch receipt for run mine: nothing was recorded\n")
        assert "Publishing is disabled by the option disable or by LOCUST_CW_DISABLE: nothing was recorded\n" in text
        assert receipt["requests"] == dict.fromkeys(("observed", "delivered", "spooled", "rejected", "dropped"), 0)
    assert not aws.proxy.calls()
    assert list(tmp_path.iterdir()) == []


def test_a_publisher_uses_the_options_of_the_environment(aws: Aws, tmp_path: Path) -> None:
    """Options in Python take precedence, except over an opt-out. Options that a publisher does not have are ignored."""
    given = {"LOCUST_CW_RUN_ID": "theirs", "LOCUST_CW_LIVE": "off", "LOCUST_CW_SOURCE": "invalid"}
    with own(**KEYS, **in_environment(aws), **given):
        with Publisher(host=HOST, spool_dir=str(tmp_path)) as publisher:
            publisher.record("GET", "/", 1.0)
        assert (publisher.run_id, publisher.close().complete) == ("theirs", True)
        assert aws.cloudwatch.sum("RequestCount", Host=HOST) == 1
        os.environ["LOCUST_CW_DRY_RUN"] = "true"
        calls = len(aws.proxy.calls())
        with Publisher(host=HOST, run_id="mine", dry_run=False, spool_dir=str(tmp_path)) as publisher:
            publisher.record("GET", "/", 1.0)
        receipt = publisher.close()
        assert (publisher.run_id, receipt.complete) == ("mine", False)
        assert json.loads(receipt.json)["requests"]["spooled"] == 1
        assert len(aws.proxy.calls()) == calls


def test_a_publisher_names_an_invalid_option(tmp_path: Path) -> None:
    cases: list[tuple[dict[str, str], dict[str, Any], str]] = [
        ({"LOCUST_CW_DISABLE": "ja"}, {}, "LOCUST_CW_DISABLE must be one of true, "),
        ({"LOCUST_CW_FLUSH_INTERVAL": "soon"}, {}, "LOCUST_CW_FLUSH_INTERVAL must be a number, not 'soon'"),
        ({"LOCUST_CW_RESOLUTION": "7"}, {}, "--cw-resolution"),
        ({"LOCUST_CW_LIVE": "no"}, {"receipt": "x"}, "receipt: there is no such option"),
        ({}, {"disable": "true"}, "--cw-disable: must be a Boolean"),
    ]
    for env, options, words in cases:
        with own(**env), pytest.raises(InvalidOptionError, match=words):
            Publisher(spool_dir=str(tmp_path), **options)
    assert list(tmp_path.iterdir()) == []


# Replay


def test_replay_sends_nothing_if_the_environment_opts_out(aws: Aws, tmp_path: Path) -> None:
    """A dry run prints what it would send. Otherwise, an error gives the reason."""
    options = {**aws.in_python, "run_id": "left", "spool_dir": str(tmp_path / "spool"), "dry_run": True}
    code = "import json, sys; from locust_cw import Publisher\n"
    code += "with Publisher(**json.loads(sys.argv[1])) as publisher: publisher.record('GET', '/', 1.0)"
    assert run_python(tmp_path, "-c", code, json.dumps(options)).returncode == 0
    where = f"--spool-dir={tmp_path / 'spool'}"
    dry = replay(tmp_path, "left", where, env={"LOCUST_CW_DRY_RUN": "true", "LOCUST_CW_DISABLE": "true"})
    assert dry.exit_code == 0, dry.output
    assert "dry run" in dry.out
    for env, words in (
        ({"LOCUST_CW_DISABLE": "true"}, "nothing was sent, because LOCUST_CW_DISABLE is set"),
        ({"LOCUST_CW_DISABLE": "ja"}, "LOCUST_CW_DISABLE must be one of"),
    ):
        refused = replay(tmp_path, "left", where, env=env)
        assert refused.exit_code > 0
        assert words in refused.err
    assert not aws.proxy.calls()
    assert replay(tmp_path, "left", where).exit_code == 0
    assert aws.proxy.calls("PutMetricData")
