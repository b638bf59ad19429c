"""The commands, option files and queries on the pages work."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from botocore import xform_name

from locust_cw._settings.table import OPTIONS
from support.cloudwatch import CloudWatch
from support.locust_run import LocustRun, clean_environment, launch, launch_command, launch_locust
from support.pages import DOCS, PAGES, README
from support.paths import LOCUSTFILES, ROOT
from support.proxy import Proxy
from support.servers import REGION, ending, free_port, serving


def blocks(page: Path) -> Iterator[str]:
    """The indented lines with commands, without those in fences."""
    fenced = False
    for line in page.read_text().replace("\\\n", " ").splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced and line.startswith("    "):
            yield line.strip()


def commands(*programs: str) -> list[str]:
    """Every command of these programs on the pages, once, and those in the table of commands."""
    found = [line for page in PAGES for line in blocks(page)]
    found += re.findall(r"^\| `(locust-cw [^`]+)` \|", (DOCS / "usage.md").read_text(), re.MULTILINE)
    # Optional parts, a comment behind it, and credentials before it.
    found = [
        re.sub(r"\s+", " ", re.sub(r"^(?:AWS_\w+=\S+ +)+(?=aws )|\[-.*?\]|\[RUN\]|\s#.*", "", line)).strip()
        for line in found
    ]
    return list(dict.fromkeys(line for line in found if line.split(" ")[0] in programs))


LOCUST_COMMANDS = [command for command in commands("locust") if " --worker" not in command]
WORKER = "locust -f test.py --worker --master-host 10.0.0.10 --processes -1"


PROGRAMS = {"locust": launch_locust, "locust-cw": launch_command}


@dataclass
class Ground:
    """A folder with the locustfile of the README, a CloudWatch, a service, and an earlier test."""

    folder: Path
    cloudwatch: Proxy
    shop: str
    run_id: str = ""

    def run(self, *command: str, away: bool = False, out: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program, which must exit by itself. If AWS is unreachable, nothing is delivered."""
        env = {
            "AWS_ENDPOINT_URL": self.cloudwatch.url,
            "LOCUST_EXIT_CODE_ON_ERROR": "0",
            # The local CloudWatch has no data of targets.
            "LOCUST_CW_CHECK_WAIT": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        if away:
            self.cloudwatch.refuse()
        try:
            environment = clean_environment(self.folder, **env)
            launched = self._launch(*command, env=environment)
            with ending(launched.process):
                launched.process.wait(90)
        finally:
            if away:
                self.cloudwatch.listen()
        done = subprocess.CompletedProcess(command, launched.process.returncode, launched.out, launched.err)
        assert "Traceback" not in done.stderr, done.stderr
        if out is not None:
            (self.folder / out).write_text(done.stdout)
        return done

    def _launch(self, program: str, *args: str, env: Mapping[str, str]) -> LocustRun:
        """Start a forked process, except for the first test."""
        if self.run_id and program in PROGRAMS:
            return PROGRAMS[program](self.folder, *args, env=env)
        return launch(self.folder, program, *args, env=env)

    def locust(self, command: str, *more: str, away: bool = False) -> subprocess.CompletedProcess[str]:
        """The same for a test, which is shortened."""
        changes = {"-t": "2s", "-u": "2", "--processes": "1", "--expect-workers": "1", "--cw-drain-timeout": "5"}
        words = shlex.split(command)
        for before, (number, word) in zip(words, list(enumerate(words))[1:], strict=False):
            words[number] = changes.get(before, self.shop if word.startswith("https://") else word)
        words += [] if "--headless" in words else ["--headless", "-u", "2"]
        words += [] if "-t" in words else ["-t", "2s"]
        for _ in range(3):
            done = self.run(*words, "-r", "100", "--only-summary", *more, away=away)
            # On a busy machine the time may be over before the first request.
            if "no requests were made" not in done.stderr or "--master" in words:
                break
        return done


@pytest.fixture(scope="module")
def ground(ministack: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("ground")
    (locustfile,) = re.findall(r"```python\n(from locust .*?)```", README.read_text(), re.DOTALL)
    (folder / "test.py").write_text(f"{locustfile}\nimport patient  # a master is\n")
    (folder / "patient.py").write_text((LOCUSTFILES / "patient.py").read_text())
    with serving(ROOT / "examples" / "demo" / "target.py") as shop, Proxy(ministack) as cloudwatch:
        ready = Ground(folder, cloudwatch, shop)
        done = ready.locust(LOCUST_COMMANDS[0], "--cw-receipt=receipt.json")
        assert done.returncode == 0, done.stderr
        ready.run_id = json.loads((folder / "receipt.json").read_text())["run_id"]
        yield ready


def exit_codes(text: str) -> tuple[int, ...]:
    """The exit codes of a short test or its command. It has too few requests for a check of a percentile."""
    return (0, 3) if "check" in text else (0,)


@pytest.mark.parametrize(
    "command",
    [
        command
        for command in [*LOCUST_COMMANDS, *commands("python")]
        if "-f test.py" in command and "--master" not in command
    ],
)
def test_a_locust_command_of_a_page_works(ground: Ground, command: str) -> None:
    done = ground.locust(command)
    assert done.returncode in exit_codes(command), done.stderr
    assert re.search(r"receipt for run \S+: all delivered", done.stderr), done.stderr


@pytest.mark.parametrize("command", [command for command in LOCUST_COMMANDS if "--master" in command])
def test_the_commands_of_a_fleet_work(ground: Ground, command: str) -> None:
    assert WORKER in commands("locust")
    port = str(free_port())
    words = shlex.split(WORKER.replace("10.0.0.10", "127.0.0.1").replace(" --processes -1", ""))
    env = clean_environment(ground.folder, AWS_ENDPOINT_URL=ground.cloudwatch.url)
    program = Path(sys.executable).with_name(words[0])
    with ending(
        subprocess.Popen(
            [program, *words[1:], "--master-port", port], cwd=ground.folder, env=env, stderr=subprocess.DEVNULL
        )
    ):
        # Reports come every three seconds.
        done = ground.locust(command, "--master-bind-port", port, "-t", "5s")
    assert done.returncode == 0, done.stderr
    assert re.search(r"receipt for run \S+: all delivered", done.stderr), done.stderr


@pytest.mark.parametrize("command", commands("locust-cw"))
def test_a_command_of_a_page_works(ground: Ground, command: str) -> None:
    """With its output file, if the page names one."""
    command, _, out = command.partition(" > ")
    words = shlex.split(command)
    if words[1] == "replay":
        left = ground.locust(LOCUST_COMMANDS[0], "--cw-receipt=left.json", "--cw-drain-timeout=0.1", away=True)
        assert "Send it with" in left.stderr, left.stderr
        words = [
            json.loads((ground.folder / "left.json").read_text())["run_id"] if word == "RUN" else word for word in words
        ]
    else:
        if words[1] in ("report", "verify") and not {"RUN", "[RUN]"} & set(words):
            # They choose the latest run, of which another command may have discarded the data. In a namespace of its
            # own, its metrics are not added to those of earlier tests in the same seconds.
            assert ground.locust(LOCUST_COMMANDS[0], f"--cw-namespace=newest-{words[1]}").returncode == 0
        words = [ground.run_id if word in ("BASE", "RUN", "[RUN]") else word for word in words]
    if words[1:3] == ["dashboard", "delete"]:
        assert ground.run(*words[:2], "put", *words[3:]).returncode == 0
    if words[1:3] == ["baseline", "remove"]:
        assert ground.run(*words[:2], "set", ground.run_id, words[3]).returncode == 0
    if words[1] == "report":
        words += ["--json"] if "--json" not in words else []
    done = ground.run(*words, out=out or None)
    assert done.returncode in exit_codes(words[1]), done.stdout + done.stderr
    if out:
        assert json.loads((ground.folder / out).read_text())


@pytest.mark.parametrize("command", commands("aws"))
def test_an_aws_command_exists_with_its_parameters(command: str) -> None:
    """It needs an account, so the test compares operation and parameters with AWS's models."""
    _, service, operation, *rest = shlex.split(command)
    given = {word[2:] for word in rest if word.startswith("--")}
    for path in (word.removeprefix("file://") for word in rest if word.startswith("file://examples/")):
        assert (ROOT / path).is_file()
    if (service, operation) == ("cloudformation", "deploy"):
        # The command line's own, made of several operations.
        assert given <= {"stack-name", "template-file", "capabilities", "parameter-overrides"}
        return
    client = boto3.client(service, region_name=REGION)
    names = {xform_name(name, "-"): name for name in client.meta.service_model.operation_names}
    shape = client.meta.service_model.operation_model(names[operation]).input_shape
    known = {xform_name(name, "-") for name in shape.members} if shape else set()
    assert given - known <= {"cli-input-json", "endpoint-url"}


def test_make_targets_files_and_extras_on_pages_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {command.split()[1] for command in commands("make") if len(command.split()) > 1} <= targets
    scripts = [command.split()[1] for command in commands("python", ".venv/bin/python")]
    assert [each for each in scripts if not each.startswith("-") and not (ROOT / each).is_file()] == []
    for command in commands("kubectl"):
        assert (ROOT / command.split()[-1]).is_file()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for page in PAGES:
        assert set(re.findall(r"locust-cw\[(\w+)\]", page.read_text())) <= set(extras)


def config_files() -> list[str]:
    """The option files on pages."""
    found = []
    for page in PAGES:
        for block in re.findall(r"^((?: {4}.*\n)+)", page.read_text(), re.MULTILINE):
            text = textwrap.dedent(block)
            if text.startswith("# locust.conf"):
                found.append(text)
    return found


@pytest.mark.parametrize("text", config_files())
def test_an_option_file_of_a_page_works(ground: Ground, text: str) -> None:
    """Each option exists and is valid. A typing error would stop Locust."""
    # Locust itself passes over keys that it does not know.
    known = {f"cw-{option.name.replace('_', '-')}" for option in OPTIONS} | {"host", "headless", "run-time"}
    assert {line.split(" = ")[0] for line in text.splitlines()[1:]} <= known
    (ground.folder / "shown.conf").write_text(text)
    done = ground.locust("locust -f test.py --host https://service.example --config shown.conf")
    assert done.returncode in exit_codes(text), done.stderr
    if "cw-namespace = " in text:
        assert re.search(r"cw-namespace = (.*)", text)[1] in done.stderr  # type: ignore[index]


def test_a_list_in_the_environment(ground: Ground) -> None:
    """In the form of the page: the values reach the record of the run."""
    (targets,) = re.findall(r"`LOCUST_CW_TARGET=(\[.*?\])`", (DOCS / "running-on-aws.md").read_text())
    words = shlex.split("locust -f test.py --headless -u 1 -t 1s --cw-live --cw-receipt targets.json --host")
    done = ground.run("env", f"LOCUST_CW_TARGET={targets}", *words, ground.shop)
    assert done.returncode == 0, done.stderr
    run_id = json.loads((ground.folder / "targets.json").read_text())["run_id"]
    (record,) = ground.folder.rglob(f"{run_id}.json")
    assert json.loads(record.read_text())["targets"] == targets.strip("[]").split(",")


def queries() -> list[str]:
    """The Logs Insights queries on pages and in examples."""
    pages = [*PAGES, ROOT / "examples" / "tenants.py"]
    found = [
        re.findall(r"^ {4}((?:filter|parse) .*\n(?: {4,}.*\n)*)", page.read_text(), re.MULTILINE) for page in pages
    ]
    return list(dict.fromkeys(textwrap.dedent(query).strip() for each in found for query in each))


@pytest.mark.parametrize("query", queries())
def test_a_query_of_a_page_uses_fields_of_log_events(ground: Ground, query: str) -> None:
    """The local CloudWatch cannot run queries.

    It returns all events for any query.
    """
    text = query.startswith("parse")
    group = f"/queried/{uuid.uuid4().hex}"
    request = 'get("/")' if text else 'get("/none", context={"tenant": "acme"})'
    (ground.folder / "queried.py").write_text((ground.folder / "test.py").read_text().replace('get("/")', request))
    more = [f"--cw-log-group={group}", *(["--cw-log-format=text"] if text else [])]
    done = ground.locust("locust -f queried.py --host https://service.example --cw-live", *more)
    assert "all delivered" in done.stderr, done.stderr
    held = [event for event in CloudWatch(ground.cloudwatch.url, "Locust", group).events() if event.is_request]
    assert held

    if text:
        # In `parse`, a star matches any text up to the next part of the pattern.
        glob, names = re.findall(r'parse @message "(.*?)"\s+as (.*)', query)[0]
        for event in held:
            found = re.fullmatch(re.escape(glob).replace(r"\*", "(.*?)"), event.message)
            assert found, event.message
            values = dict(zip(names.split(", "), found.groups(), strict=True))
            assert (values["name"], values["host"], values["request_type"]) == ("/", ground.shop, "GET")
            assert float(values["response_time"]) > 0
        return
    query = re.sub(r"filter @logStream like /[\w-]+/ \| ", "", query)
    condition, counted = re.fullmatch(r"filter (.*) \| stats count\(\) by (.*)", query).groups()  # type: ignore[union-attr]
    field, value = re.fullmatch(r'(\w+) = "(\w+)"', condition).groups()  # type: ignore[union-attr]
    for event in held:
        assert event.fields[field] == value
        flat = event.fields | {f"context.{key}": each for key, each in event.fields["context"].items()}
        assert set(counted.split(", ")) <= set(flat)


def test_the_receipt_on_the_page_has_the_keys_of_a_receipt(ground: Ground) -> None:
    page = (DOCS / "receipt.md").read_text()
    (shown,) = re.findall(r"^    (\{\"run_id\".*?\})$\n\n", page, re.MULTILINE | re.DOTALL)
    receipt = json.loads((ground.folder / "receipt.json").read_text())
    assert set(json.loads(shown)) == set(receipt)
    assert set(json.loads(shown)["requests"]) == set(receipt["requests"])
