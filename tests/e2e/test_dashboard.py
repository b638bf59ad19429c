"""The command `locust-cw dashboard`, and the dashboard on which Locust marks its tests."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from locust_cw._dashboard.body import make_body
from locust_cw._dashboard.log_queries import saved_queries
from support.commands import commanding
from support.dashboard_grammar import assert_valid, expressions_of, metrics_of, resolved
from support.dashboards import (
    BALANCER,
    HOST,
    TARGETS,
    lines,
    marked_runs,
    marks,
    stored,
    view,
    widget,
)
from support.fixtures import Aws, Locust
from support.fleet import MasterWeb
from support.locust_run import NO_KEYS, LocustRun
from support.proxy import error
from support.servers import REGION, Target, answers, wait_until


@pytest.fixture
def name(aws: Aws) -> str:
    return aws.cloudwatch.namespace


# The command


def run_command(aws: Aws, folder: Path, *args: str, env: dict[str, str | None] | None = None) -> LocustRun:
    """Run `locust-cw dashboard`."""
    where = (f"--endpoint-url={aws.proxy.url}", f"--namespace={aws.cloudwatch.namespace}")
    group = f"--log-group={aws.cloudwatch.log_group}"
    with commanding(folder, "dashboard", *args, *where, group, env=env) as command:
        command.wait()
    assert "Traceback" not in command.output, command.output
    return command


def test_the_dashboard_has_only_metrics_that_a_test_publishes(aws: Aws, locust: Locust, target: Target) -> None:
    """This includes the metrics of searches and the fields of log queries."""
    run = locust.run("shop.py,shop_too.py", "-u", "40", "-r", "100", "-t", "3s", "--host", target.url, "--cw-live")
    run.receipt.check_delivered()
    name, namespace = aws.cloudwatch.namespace, aws.cloudwatch.namespace
    assert run_command(aws, run.folder, "put", f"--host={target.url}").exit_code == 0
    shown = resolved(stored(aws, name))
    drawn = metrics_of(shown)
    assert {metric for _, metric, _, _ in drawn} == {
        "RequestCount", "FailureCount", "ResponseTime_ms", "UserCount", "WorkerCount", "GeneratorCpu_Percent",
        "GeneratorMemory_Bytes",
    }  # fmt: skip
    for space, metric, dimensions, _ in drawn:
        assert space == namespace
        # There is no worker in a single process.
        assert aws.cloudwatch.count(metric, **dimensions) or metric == "WorkerCount", (metric, dimensions)
    searches = re.findall(
        r"""SEARCH\('\{"([^}]*)"\} MetricName="(\w+)" Host="([^"]+)"'""", " ".join(expressions_of(shown))
    )
    assert len(searches) == 5
    for schema, metric, host in searches:
        space, *names = schema.split('","')
        assert space == namespace
        found = [dict(one) for one in aws.cloudwatch.series(metric) if {name for name, _ in one} == set(names)]
        assert {one["Host"] for one in found} == {host}, (metric, names)
    failed = [
        event.fields for event in aws.cloudwatch.events() if event.is_request and event.fields["outcome"] == "failure"
    ]
    assert failed
    query = widget(shown, "Newest failures")["properties"]["query"]
    assert query.startswith(f"SOURCE '{aws.cloudwatch.log_group}' | ")
    assert f"host = '{failed[0]['host']}'" in query
    names_in_log = {key for fields in failed for key in fields}
    for text in (query, *saved_queries(view()).values()):
        for field in ("status", "response_time_ms", "error_type", "error", "run_id", "outcome", "method", "name"):
            assert field not in text or field in names_in_log


def test_the_host_of_user_classes_is_drawn_as_it_is_published(
    aws: Aws, locust: Locust, target: Target, name: str
) -> None:
    """By its origin, without the path in the host of the classes."""
    run = locust.run(
        "class_host.py", "-u", "2", "-r", "10", "-t", "3s", *LIVE, f"--cw-dashboard={name}",
        env={"CLASS_HOST": f"{target.url}/v1"},
    )  # fmt: skip
    run.receipt.check_delivered()
    drawn = metrics_of(resolved(stored(aws, name)))
    assert {dimensions["Host"] for _, _, dimensions, _ in drawn} == {target.url}
    for _, metric, dimensions, _ in drawn:
        # No request succeeds, and there is no worker in a single process.
        published = aws.cloudwatch.count(metric, **dimensions)
        assert published or metric in ("ResponseTime_ms", "WorkerCount"), (metric, dimensions)


def test_users_with_several_hosts_are_drawn_too(aws: Aws, locust: Locust, target: Target, name: str) -> None:
    """Each graph of the load generator has a line with data, for any chosen host."""
    run = locust.run(
        "several_hosts.py", "-u", "2", "-r", "10", *LIVE, f"--cw-dashboard={name}",
        module="locust_cw", env={"TARGET": target.url},
    )  # fmt: skip
    run.receipt.check_delivered()
    drawn = metrics_of(resolved(stored(aws, name), locustCwHost=target.url))
    for metric in ("UserCount", "GeneratorCpu_Percent", "GeneratorMemory_Bytes", "RequestCount"):
        assert any(aws.cloudwatch.count(found, **dimensions) for _, found, dimensions, _ in drawn if found == metric)


def test_the_command_puts_prints_and_deletes(aws: Aws, tmp_path: Path, name: str) -> None:
    """The command does not need Locust. It keeps existing markers, and prints what it would put."""
    account = {"AWS_REGION": REGION}
    poison = tmp_path / "poison"
    for package in ("locust", "gevent"):
        (poison / package).mkdir(parents=True)
        (poison / package / "__init__.py").write_text("raise ImportError('not installed')\n")
    env: dict[str, str | None] = {**account, "PYTHONPATH": str(poison)}
    what = (f"--host={HOST}", "--target", "sqs:orders", "--target", f"alb:{BALANCER}")
    printed = run_command(aws, tmp_path, "print", *what, env=env)
    assert printed.exit_code == 0
    assert aws.proxy.calls() == []
    put = run_command(aws, tmp_path, "put", *what, env=env)
    assert put.exit_code == 0
    assert f"Put the dashboard {name}.\n" in put.out
    assert stored(aws, name) == assert_valid(printed.out)
    body = make_body(view(), marks(1), stored(aws, name))
    aws.cloudwatch.metrics.put_dashboard(DashboardName=name, DashboardBody=json.dumps(body))
    again = run_command(aws, tmp_path, "put", *what, "--json", env=env)
    assert json.loads(again.out) == {"dashboard": name, "url": None, "queries": []}
    assert marked_runs(stored(aws, name)) == ["run-1"]
    deleted = run_command(aws, tmp_path, "delete", "--json", env=env)
    assert (deleted.exit_code, json.loads(deleted.out)) == (0, {"dashboard": name, "deleted": True})
    missing = run_command(aws, tmp_path, "delete", env=env)
    assert missing.exit_code == 1
    assert (
        missing.err == f"locust-cw: error: there is no dashboard {name} in this account: check --name and the account\n"
    )


def test_the_command_uses_the_given_account_region_and_endpoint(aws: Aws, tmp_path: Path) -> None:
    put = run_command(aws, tmp_path, "put", "--name=Shop_1", "--region=ap-south-1", "--logs=off")
    assert put.exit_code == 0
    (call,) = aws.proxy.calls("PutDashboard")
    assert "/ap-south-1/" in call.headers["authorization"]
    body = assert_valid(call.params["DashboardBody"])
    assert call.params["DashboardName"] == "Shop_1"
    assert {each["properties"]["region"] for each in body["widgets"] if each["type"] != "text"} == {"ap-south-1"}
    assert "log" not in {each["type"] for each in body["widgets"]}


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("put", "--name=a b"), "argument --name: 'a b'"),
        (("put", "--target=ec2:x"), "argument --target: 'ec2:x'.*i-0123"),
        (("put", "--dimensions=Shoe"), "argument --dimensions"),
        (("throw",), "invalid choice: 'throw'"),
        ((), "print.put.delete"),
    ],
)
def test_the_command_refuses_a_wrong_argument(aws: Aws, tmp_path: Path, args: tuple[str, ...], expected: str) -> None:
    command = run_command(aws, tmp_path, *args)
    assert command.exit_code == 2
    assert re.search(expected, command.err), command.err
    assert aws.proxy.calls() == []


def test_the_command_needs_a_region(aws: Aws, tmp_path: Path) -> None:
    command = run_command(aws, tmp_path, "print", env={"AWS_REGION": None})
    assert command.exit_code == 2
    assert re.search(r"argument --region: .*AWS_REGION", command.err)


@pytest.mark.parametrize("operation", ["GetDashboard", "PutDashboard", "DeleteDashboards"])
def test_the_command_names_a_missing_permission(aws: Aws, tmp_path: Path, operation: str) -> None:
    """The message has the operation, the resource and the remedy, with the option names of the command."""
    aws.proxy.on(operation, error("AccessDeniedException", 400))
    command = run_command(aws, tmp_path, "delete" if operation.startswith("Delete") else "put")
    assert command.exit_code == 1
    assert command.err.startswith(f"locust-cw: error: {operation} ")
    assert aws.cloudwatch.namespace in command.err
    assert "IAM policy" in command.err
    assert "--cw-" not in command.err


def test_the_command_names_missing_credentials(aws: Aws, tmp_path: Path) -> None:
    command = run_command(aws, tmp_path, "put", env=NO_KEYS)
    assert command.exit_code == 1
    assert "credentials" in command.err
    assert "--cw-" not in command.err


def test_the_help_of_the_command_has_examples(tmp_path: Path) -> None:
    with commanding(tmp_path, "dashboard", "--help") as command:
        assert command.exit_code == 0
        for kind in {text.partition(":")[0] for text in TARGETS} | {"metric"}:
            assert re.search(rf"^  {kind}:", command.out, re.MULTILINE), kind
        assert "locust-cw dashboard put --host" in command.out
        assert "exit code: 0" in command.out


# In a test

TARGET = "sqs:orders"
LIVE = ["--cw-live", "--cw-flush-interval=1"]
LOAD = ["-u", "3", "-r", "10", "--host", HOST, "--exit-code-on-error=0", *LIVE]


def test_two_tests_are_marked_on_one_dashboard(aws: Aws, locust: Locust, name: str) -> None:
    """Start, end of ramp-up and stop of each test, next to the metrics of the target. The load is not affected."""
    runs = [
        locust.run("orders.py", *LOAD, "-t", "3s", f"--cw-dashboard={name}", f"--cw-target={TARGET}") for _ in range(2)
    ]
    body = stored(aws, name)
    ids = [run.receipt.check_delivered()["run_id"] for run in runs]
    assert lines(body) == [f"run {run_id} {event}" for run_id in ids for event in ("start", "ramped up", "stop")]
    assert any(namespace == "AWS/SQS" for namespace, *_ in metrics_of(body))
    for run in runs:
        assert run.exit_code == 0
        assert run.logged_problems() == []
        assert run.receipt["dashboard_url"] is None, "a local dashboard has no URL in the console"


def test_the_limits_of_the_newest_checks_are_lines(aws: Aws, locust: Locust, name: str) -> None:
    for checks in (("p95 < 60s", "failures < 90%"), ("p95 < 30s",)):
        given = [f"--cw-check={check}" for check in checks]
        run = locust.run("paced.py", "--cw-live", "-u1", "-t1", "--cw-dashboard", *given)
        run.receipt.check_delivered()
    response_time = widget(stored(aws, name), "Response time")["properties"]["annotations"]
    assert response_time["horizontal"] == [{"label": "check: p95 < 30s", "value": 30_000, "color": "#d13212"}]
    assert "horizontal" not in widget(stored(aws, name), "Failed requests")["properties"]["annotations"]
    # Without a test, the command draws the lines of its own checks.
    assert run_command(aws, run.folder, "put", "--check=mean < 1s").exit_code == 0
    response_time = widget(stored(aws, name), "Response time")["properties"]["annotations"]
    assert [line["label"] for line in response_time["horizontal"]] == ["check: mean < 1s"]


@pytest.mark.parametrize("event", ["spawning_complete", "test_stop"])
def test_the_load_does_not_wait_for_the_region(aws: Aws, locust: Locust, name: str, event: str) -> None:
    """The dashboard has all markers, also if the Region is known late."""
    run = locust.run("late_region.py", *LOAD, "-t", "3s", f"--cw-dashboard={name}", env={"REGION_AFTER": event})
    receipt = run.receipt.check_delivered()
    assert lines(stored(aws, name)) == [f"run {receipt['run_id']} {mark}" for mark in ("start", "ramped up", "stop")]


def test_targets_may_be_sent_with_the_start(aws: Aws, locust: Locust, name: str) -> None:
    """To the URL of the web UI, which accepts every option. An invalid target prevents the publication of that test.

    Several targets are one text, separated by commas.
    """
    web = MasterWeb()
    run = locust.start("orders.py", *LIVE, *web.options, f"--cw-dashboard={name}", headless=False)
    wait_until(lambda: answers(web.url), "the web UI")
    web.swarm(2, HOST, cw_target="toaster:1")
    assert "'toaster:1'" in run.wait_for("locust-cw does not publish this test: .*")[0]
    run.wait_for("20 steps")
    web.stop()
    assert not aws.proxy.calls()
    web.swarm(2, HOST, cw_target=f"{TARGET},dynamodb:baskets")
    wait_until(lambda: aws.proxy.calls("PutDashboard") and aws.proxy.calls("PutMetricData"), "the next is published")
    run.shut_down()
    run.wait()
    run.receipt.check_delivered()
    assert {"AWS/SQS", "AWS/DynamoDB"} <= {namespace for namespace, *_ in metrics_of(stored(aws, name))}


def endpoints(url: str, folder: Path) -> dict[str, dict[str, str]]:
    """The ways to set the endpoint of CloudWatch, other than the option."""
    profile = folder / "config"
    profile.write_text(f"[default]\nendpoint_url = {url}\n")
    services = ("CLOUDWATCH", "CLOUDWATCH_LOGS")
    return {
        "variable": {"AWS_ENDPOINT_URL": url},
        "variables": {f"AWS_ENDPOINT_URL_{service}": url for service in services},
        "profile": {"AWS_CONFIG_FILE": str(profile)},
    }


@pytest.mark.parametrize("way", ["variable", "variables", "profile"])
def test_there_are_no_console_links_for_a_custom_endpoint(
    aws: Aws, locust: Locust, tmp_path: Path, name: str, way: str
) -> None:
    """With the endpoint in a variable, in variables of the services, and in a profile."""
    env = endpoints(aws.proxy.url, tmp_path)[way]
    options = [option for option in aws.options if "endpoint" not in option]
    run = locust.run("orders.py", *LOAD, "-t", "2s", f"--cw-dashboard={name}", options=options, env=env)
    run.receipt.check_delivered()
    assert run.receipt["dashboard_url"] is None
    assert "console.aws" not in run.output
    with commanding(tmp_path, "dashboard", "put", f"--name={name}", env={**env}) as put:
        assert put.exit_code == 0, put.output
    assert put.out == f"Put the dashboard {name}.\n"
    assert len(aws.proxy.calls("PutDashboard")) >= 2


def test_a_dashboard_without_a_name_is_the_namespaces(aws: Aws, locust: Locust, name: str) -> None:
    locust.run("orders.py", *LOAD, "-t", "2s", "--cw-dashboard")
    assert len(lines(stored(aws, name))) == 3


def test_a_missing_permission_for_the_dashboard_disturbs_nothing(aws: Aws, locust: Locust, name: str) -> None:
    """A warning names the permission. The test and its delivery continue."""
    aws.proxy.on("PutDashboard", error("AccessDenied", 403, "not authorized"))
    run = locust.run("orders.py", *LOAD, "-t", "3s", f"--cw-dashboard={name}")
    assert run.exit_code == 0
    run.receipt.check_delivered()
    assert run.logged_problems()
    assert all("PutDashboard" in message and "IAM policy" in message for message in run.logged_problems())


@pytest.mark.parametrize(
    ("option", "value"), [("--cw-dashboard", "no spaces please"), ("--cw-target", "toaster:1")], ids=["name", "target"]
)
def test_an_invalid_name_is_refused_at_the_start(locust: Locust, option: str, value: str) -> None:
    run = locust.run("orders.py", *LOAD, "-t", "3s", f"{option}={value}", receipt=False, json_file=False)
    assert run.exit_code == 2
    assert option in run.err
    assert value in run.err
