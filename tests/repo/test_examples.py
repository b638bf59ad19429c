"""Each way of use has a working example, which runs here with a CloudWatch on this machine.

Files that start a load generator elsewhere, such as a task definition, a pod or a pipeline, are checked against the
rules of their service.
"""

from __future__ import annotations

import importlib.resources
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import boto3
import kubernetes_validate
import psutil
import pytest
import yaml
from botocore.validate import ParamValidator

from support.checks import check_log_events, check_metrics
from support.fixtures import Aws
from support.fork_server import Process
from support.locust_run import LocustRun, Receipt, clean_environment, launch, launch_locust
from support.paths import EXAMPLES, LOCUSTFILES
from support.servers import REGION, ending, free_port, serving, wait_until
from support.users_python import USERS_PYTHON

LOCUST = (USERS_PYTHON, "-m", "locust")
PUBLISHED = [sys.executable, "-m", "locust_cw"]
BRIEF = ("--headless", "--cw-flush-interval=1", "-u4", "-r100", "-t3s", "--exit-code-on-error=0", "--json-file=locust")


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    """The URL of the demo's shop."""
    with serving(EXAMPLES / "demo" / "target.py") as url:
        yield url


def started(aws: Aws, folder: Path, *command: str | Path, env: Mapping[str, str] | None = None) -> LocustRun:
    """Run a program in its own folder, with the CloudWatch of the test."""
    settings = {
        "AWS_ENDPOINT_URL": aws.proxy.url,
        "LOCUST_CW_NAMESPACE": aws.cloudwatch.namespace,
        "LOCUST_CW_LOG_GROUP": aws.cloudwatch.log_group,
        "LOCUST_CW_RECEIPT": str(folder / "receipt.json"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        **(env or {}),
    }
    clean = clean_environment(folder, **settings)
    if command[: len(LOCUST)] == LOCUST:
        run = launch_locust(folder, *map(str, command[len(LOCUST) :]), env=clean)
        with ending(run.process):
            return run.wait()
    run = launch(folder, *command, env=clean, new_session=True)
    with ending_session(run.process):
        return run.wait()


@contextmanager
def ending_session(process: Process) -> Iterator[None]:
    """At the end, kill the remaining processes of the session that the process leads, including those of a script."""
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_script_that_is_stopped_leaves_no_process() -> None:
    script = "sleep 60 & echo $!; wait"
    process = subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True)
    with ending_session(process):
        assert process.stdout
        child = psutil.Process(int(process.stdout.readline()))
        assert child.is_running()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "its child has ended")


def check_result(run: LocustRun, exit_code: int = 0) -> Receipt:
    """The run ended with the expected exit code and without warnings, and CloudWatch has all of its data."""
    assert run.exit_code == exit_code, run.output
    assert run.listener_errors == 0, run.output
    assert run.logged_problems() == []
    receipt = run.receipt.check_delivered()
    assert receipt["requests"]["observed"] > 0
    return receipt


def commands_of(example: str) -> list[list[str]]:
    """The commands in the first lines of an example."""
    text = (EXAMPLES / example).read_text().split('"""')[1].replace("\\\n", " ")
    found = [shlex.split(line, comments=True) for line in text.splitlines() if re.match(r" {4}(locust|python) ", line)]
    assert found, f"{example} tells no command"
    return found


def arranged(command: list[str], host: str) -> list[str]:
    """The same command for this machine."""
    program = {"locust": LOCUST, "python": (sys.executable,)}[command[0]]
    here = {"https://service.example": host}
    return [
        *program,
        *(
            here.get(part, str(EXAMPLES / Path(part).name) if part.startswith("examples/") else part)
            for part in command[1:]
        ),
    ]


@pytest.mark.parametrize("example", ["locustfile.py", "unchanged.py", "tenants.py"])
def test_a_locustfile(aws: Aws, shop: str, tmp_path: Path, example: str) -> None:
    """With the command in its first lines."""
    (command,) = commands_of(example)
    assert "--cw-live" in command
    run = started(aws, tmp_path, *arranged(command, shop), *BRIEF)
    check_result(run)
    if example != "tenants.py":
        check_metrics(aws.cloudwatch, run.stats, shop)
        check_log_events(aws.cloudwatch.events(), run.stats)


def test_dimensions_and_context_of_ones_own(aws: Aws, shop: str, tmp_path: Path) -> None:
    (command,) = commands_of("tenants.py")
    run = started(aws, tmp_path, *arranged(command, shop), *BRIEF)
    requests = check_result(run)["requests"]["observed"]
    series = {"Host": shop, "Request": "/product", "Method": "GET", "Stage": "perf"}
    assert aws.cloudwatch.sum("RequestCount", **series) == requests
    logged = [event.fields for event in aws.cloudwatch.events() if event.is_request]
    assert {each["context"]["tenant"] for each in logged} == {"acme", "globex", "initech"}
    assert all(isinstance(each["context"]["product"], int) for each in logged)


def test_metrics_and_marks_of_ones_own(aws: Aws, shop: str, tmp_path: Path) -> None:
    (command,) = commands_of("measuring.py")
    run = started(aws, tmp_path, *arranged(command, shop), *BRIEF)
    check_result(run)
    queue = aws.cloudwatch.statistics("queue_length", Host=shop, pool="web")
    assert (queue.min, queue.max) == (17, 17)
    assert aws.cloudwatch.count("tokens", Host=shop, model="small") > 0
    assert [event.fields["text"] for event in aws.cloudwatch.events() if event.is_event("mark")] == ["deploy began"]
    body = aws.cloudwatch.metrics.get_dashboard(DashboardName=aws.cloudwatch.namespace)["DashboardBody"]
    assert "mark: deploy began" in body
    assert "Custom metric queue_length" in body


def test_a_client_that_is_not_http(aws: Aws, tmp_path: Path) -> None:
    (command,) = commands_of("custom_client.py")
    run = started(aws, tmp_path, *arranged(command, "none"), *BRIEF, "-u60", env={"TMPDIR": str(tmp_path)})
    check_result(run)
    host = "sqlite://localhost"
    check_metrics(aws.cloudwatch, run.stats, host)
    check_log_events(aws.cloudwatch.events(), run.stats)
    logged = [event.fields for event in aws.cloudwatch.events() if event.is_request]
    assert {each["context"]["database"] for each in logged} == {"locust-cw-example.db"}
    failed = {each["error_type"] for each in logged if each["outcome"] == "failure"}
    assert failed == {"OperationalError"}


def test_locust_as_a_library(aws: Aws, shop: str, tmp_path: Path) -> None:
    run = started(aws, tmp_path, sys.executable, EXAMPLES / "library.py", shop)
    assert run.exit_code == 0, run.output
    reconciled = re.search(r"Reconciled with Locust: (\d+) requests", run.err)
    assert reconciled, run.output
    assert aws.cloudwatch.sum("RequestCount", Host=shop) == int(reconciled[1]) > 0
    assert sum(event.is_request for event in aws.cloudwatch.events()) == int(reconciled[1])


@pytest.mark.parametrize("exit_code", [0, 1], ids=["well", "requests failed"])
def test_master_and_workers(aws: Aws, shop: str, tmp_path: Path, exit_code: int) -> None:
    """The options of the script are those of the master. The workers deliver after any end."""
    options = (
        "--host",
        shop,
        "--cw-live",
        "--cw-flush-interval=1",
        "--run-time=4s",
        "--spawn-rate=100",
        "--json-file=locust",
        "--users=40",  # a quarter of their requests is for an article, which the shop has not: some fail
    )
    env = {
        "LOCUST_EXIT_CODE_ON_ERROR": str(exit_code),
        "MASTER_PORT": str(free_port()),
        "LOCUSTFILE": f"{EXAMPLES / 'locustfile.py'},{LOCUSTFILES / 'patient.py'}",
    }
    run = started(aws, tmp_path, EXAMPLES / "distributed.sh", *options, env=env)
    receipt = check_result(run, exit_code)
    check_metrics(aws.cloudwatch, run.stats, shop)
    streams = {event.stream for event in aws.cloudwatch.events() if event.is_request}
    assert len(streams) == 2
    assert all(stream.startswith(f"load-generator/{receipt['run_id']}/") for stream in streams)


def test_a_wrong_option_ends_the_workers_too(aws: Aws, tmp_path: Path) -> None:
    env = {"MASTER_PORT": str(free_port())}
    run = started(aws, tmp_path, EXAMPLES / "distributed.sh", "--cw-resolution=7", env=env)
    assert run.exit_code == 2, run.output
    assert "--cw-resolution" in run.err


def test_a_port_that_is_taken_ends_the_workers_too(aws: Aws, tmp_path: Path) -> None:
    """Otherwise, they would wait for a master, and the script for them, without end."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        env = {"MASTER_PORT": str(other.getsockname()[1])}
        run = started(aws, tmp_path, EXAMPLES / "distributed.sh", "--host=http://service.example", env=env)
    assert run.exit_code == 1, run.output
    assert "Address already in use" in run.err


@pytest.mark.parametrize("well", [True, False], ids=["well", "lost"])
def test_a_step_of_a_pipeline(aws: Aws, shop: str, tmp_path: Path, *, well: bool) -> None:
    """It fails if CloudWatch does not have everything, and leaves the receipt in both cases."""
    # The shop has no articles: a request that fails is Locust's to judge, and not what this is about.
    env = {"RUN_TIME": "3s", "LOCUST_EXIT_CODE_ON_ERROR": "0", "LOCUST_CW_RECEIPT": ""}
    if not well:
        aws.proxy.refuse()
        env["LOCUST_CW_DRAIN_TIMEOUT"] = "1"
    script = (EXAMPLES / "ci.sh").read_text()
    folder = tmp_path / "steps"
    folder.mkdir()
    # The drain timeout on the command line would win over the test's shorter one.
    (folder / "ci.sh").write_text(script if well else script.replace("--cw-drain-timeout 60 ", ""))
    (folder / "locustfile.py").write_text((EXAMPLES / "locustfile.py").read_text())
    run = started(aws, tmp_path, "sh", folder / "ci.sh", shop, env=env)
    assert run.exit_code == (0 if well else 1), run.output
    receipt = run.receipt.check()
    requests = receipt["requests"]
    assert f"{requests['delivered']} of {requests['observed']} requests are in CloudWatch" in run.out
    assert (requests["delivered"] == requests["observed"] > 0) is well
    assert (receipt["log_events"]["spooled"] == 0) is well


def test_a_step_without_load_does_not_show_an_earlier_receipt(aws: Aws, tmp_path: Path) -> None:
    """The receipt of an earlier step in the same folder."""
    (tmp_path / "receipt.json").write_text('{"run_id": "earlier"}')
    env = {"LOCUST_CW_RESOLUTION": "7", "LOCUST_CW_RECEIPT": ""}
    run = started(aws, tmp_path, "sh", EXAMPLES / "ci.sh", "http://service.example", env=env)
    assert (run.exit_code, run.out) == (2, ""), run.output
    assert not run.has_receipt


# What starts a load generator elsewhere


def yaml_of(name: str) -> list[Any]:
    return list(yaml.safe_load_all((EXAMPLES / name).read_text()))


def test_the_task_definition_is_valid_for_ecs() -> None:
    """By AWS's model of the call, and with enough time for the delivery after a stop."""
    definition = json.loads((EXAMPLES / "ecs-task-definition.json").read_text())
    shape = boto3.client("ecs", region_name=REGION).meta.service_model.operation_model("RegisterTaskDefinition")
    report = ParamValidator().validate(definition, shape.input_shape)
    assert not report.has_errors(), report.generate_report()
    (container,) = definition["containerDefinitions"]
    check_options(container["command"])
    assert 120 >= container["stopTimeout"] > drain_timeout(container["command"])
    volumes = {volume["name"] for volume in definition["volumes"]}
    assert {mount["sourceVolume"] for mount in container["mountPoints"]} == volumes
    (mount,) = container["mountPoints"]
    assert option(container["command"], "--cw-spool-dir").startswith(mount["containerPath"])
    assert definition["taskRoleArn"] != definition["executionRoleArn"]


def test_the_manifest_is_valid_for_kubernetes() -> None:
    manifests = yaml_of("kubernetes.yaml")
    for manifest in manifests:
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)
    by_kind = {manifest["kind"]: manifest for manifest in manifests}
    assert set(by_kind) == {"ServiceAccount", "PersistentVolumeClaim", "Job"}
    pod = by_kind["Job"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    check_options(container["args"])
    assert pod["terminationGracePeriodSeconds"] > drain_timeout(container["args"])
    assert pod["serviceAccountName"] == by_kind["ServiceAccount"]["metadata"]["name"]
    assert (
        pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == by_kind["PersistentVolumeClaim"]["metadata"]["name"]
    )
    (mount,) = container["volumeMounts"]
    assert option(container["args"], "--cw-spool-dir").startswith(mount["mountPath"])


@pytest.mark.parametrize(
    ("name", "schema"), [("github-actions.yml", "github-workflows"), ("gitlab-ci.yml", "gitlab-ci")]
)
def test_the_pipeline_is_valid_for_its_service(name: str, schema: str) -> None:
    """By the schemas of check-jsonschema. Its scripts pass shellcheck."""
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    assert (
        importlib.resources.files("check_jsonschema").joinpath("builtin_schemas", "vendor", f"{schema}.json").is_file()
    )
    done = subprocess.run([*checker, EXAMPLES / name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (pipeline,) = yaml_of(name)
    jobs = pipeline["jobs"].values() if "jobs" in pipeline else [pipeline["load-test"]]
    (job,) = jobs
    scripts = [step["run"] for step in job["steps"] if "run" in step] if "steps" in job else job["script"]
    for script in scripts:
        subprocess.run(["/bin/sh", "-n"], input=re.sub(r"\$\{\{.*?\}\}", "x", script), text=True, check=True)
    text = " ".join(scripts).replace("\\\n", " ")
    test = next(part for part in text.split("locust -f ") if "--headless" in part)
    check_options(shlex.split(test.partition("locust-cw")[0]))
    assert "--cw-fail-on-loss" in text
    assert "--cw-receipt" in text
    # A test of a branch is compared with the baseline that an earlier one has set.
    assert '--cw-baseline "$BASE"' in text
    (run_id,) = re.findall(r'--cw-run-id "([^"]+)"', text)
    assert f'locust-cw baseline set "{run_id}" ' in text
    assert text.index("--cw-fail-on-loss") < text.index("locust-cw baseline set")


def test_the_files_of_the_container_image_exist() -> None:
    """Hadolint accepts the Dockerfile, and its program receives signals."""
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, EXAMPLES / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    lines = (EXAMPLES / "Dockerfile").read_text().splitlines()
    instructions = [line.split(maxsplit=1) for line in lines if re.match(r"[A-Z]+ ", line)]
    for name, rest in instructions:
        if name == "COPY":
            assert (EXAMPLES / rest.split()[-2]).is_file()
    # The exec form: a shell in between would keep SIGTERM from Locust, and the results from being delivered.
    (entrypoint,) = (rest for name, rest in instructions if name == "ENTRYPOINT")
    assert json.loads(entrypoint)[0] == "locust"


def option(arguments: list[str], name: str) -> str:
    """The value of an option on a command line."""
    return arguments[arguments.index(name) + 1]


def drain_timeout(arguments: list[str]) -> float:
    return float(option(arguments, "--cw-drain-timeout"))


def check_options(arguments: list[str]) -> None:
    """Locust with locust-cw knows every option of this command line."""
    known = subprocess.run(
        [*PUBLISHED, "--help"],
        env=clean_environment(Path.home()),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    given = [each.split("=")[0] for each in arguments if each.startswith("--")]
    assert given
    assert [each for each in given if not re.search(rf"{re.escape(each)}\b(?!-)", known)] == []


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.sh")), ids=lambda path: path.name)
def test_the_scripts_pass_shellcheck(script: Path) -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([shellcheck, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_each_example_is_run_here() -> None:
    """An example without a test stops working unnoticed. Those of `Publisher` have their own tests."""
    here = Path(__file__).read_text()
    elsewhere = {"asyncio_load.py", "threads.py"}
    names = {path.name for path in EXAMPLES.iterdir() if path.is_file()}
    assert {name for name in names - elsewhere if f'"{name}"' not in here} == set()
