"""The pages tell the truth: each message has an entry, each option a row, each link an end; commands work."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from botocore import xform_name

from locust_cw import _core
from locust_cw._settings.table import OPTIONS
from support.cloudwatch import CloudWatch
from support.locust_run import clean_environment
from support.paths import LOCUSTFILES, ROOT
from support.proxy import Proxy
from support.servers import REGION, ending, free_port, serving

DOCS = ROOT / "docs"
README, IN_KOREAN = ROOT / "README.md", ROOT / "README.ko.md"
PAGES = [README, IN_KOREAN, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted(DOCS.glob("*.md"))]
LINKED_PAGES = [*PAGES, ROOT / "CHANGELOG.md", *sorted((DOCS / "decisions").glob("*.md"))]
"""Pages whose links and paths are checked. The commands of the last ones are not run."""

# Messages

VARYING = "…"

NO_MESSAGES = {
    "HTTP connect timeout": "of the SDK's, to be recognised",
    "tcp connect error": "the same",
    "invalid peer certificate": "the same",
    "…... (… bytes more)": "the end of a text that was cut",
    "(… that has no text)": "in place of an exception's text, in the log",
    "log events left out": "the topic of a message",
    "… … …": "the parts of the receipt's or the status's line",
    "… … … in … ms": "a call, at DEBUG",
    "of the credentials": "what a call was about",
    "HTTP ……, …": "what is wrong with a response, in the same message",
    "profile …: …": "whose credentials, in the same message",
    "PutMetricData: CloudWatch took": "a call, at DEBUG",
    "PutLogEvents: CloudWatch Logs took": "the same",
    "CreateLogStream: … of log group … is there": "the same",
    "its result was taken before": "a mistake of our own, never a user's",
    "not a status report of this version of locust-cw: …": "at DEBUG; the warning has an entry",
    "… is not a number of seconds from 0 to the year 9999": "the reason in it",
    "a list of text": "the type that an option needs, in a message",
    "a truth value": "the same",
    "a whole number": "the same",
    "request name with values": "the topic of a message",
    "there is no such operation": "the same",
    "locust-cw: error: …": "how each message of the command begins",
    "module … has no attribute …": "as Python itself says it",
    "locust: error: …": "how each message of an option begins",
    "KIND:ID, where KIND is one of …": "the end of a message",
    "Average, Sum, Minimum, Maximum, SampleCount, p99 or similar": "the same",
}
"""Texts in the sources that look like messages, and what they are."""

SINKS = {"_invalid", "_refuse", "critical", "error", "exception", "exit_with", "log", "print_error", "warning"}
"""Functions whose arguments people read. So are an exception's, a receipt's remarks, notes, and what goes to stderr."""

REASONS = {
    "_completeness",
    "_differences",
    "_from_receipt",
    "_not_found",
    "_overlap_notes",
    "_reason",
    "_undelivered",
    "_why_not",
    "_without_identity",
    "generator_notes",
    "load_notes",
    "news",
    "problem_with",
}
"""Functions that return what people read."""


def template_of(node: ast.expr) -> str:
    """A text as it stands in Python, with `…` for what varies."""
    match node:
        case ast.Constant(value=str(text)):
            return re.sub(r"%[sdr]", VARYING, text).strip()
        case ast.JoinedStr(values=parts):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else VARYING for part in parts).strip()
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return f"{template_of(left)}{template_of(right)}"
        case _:
            return VARYING


def told_by(call: ast.Call) -> Iterator[ast.expr]:
    """The arguments of a call that people read."""
    function = ast.unparse(call.func)
    name = function.rpartition(".")[2]
    if name in SINKS or name.endswith("Error") or function.endswith(("notes.append", "remarks.append", "stderr.write")):
        yield from call.args
    elif name == "Check" and len(call.args) > 2 and ast.unparse(call.args[1]) == "'failed'":
        # What doctor found; its remedy stands beside it.
        yield call.args[2]


def is_message(text: str) -> bool:
    """Words, and not only what varies."""
    return len(text.replace(VARYING, " ").split()) >= 2


def python_messages() -> Iterator[str]:
    for path in (ROOT / "python").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield from map(template_of, told_by(node))
            elif isinstance(node, ast.AugAssign) and ast.unparse(node.target).endswith("remarks"):
                yield from (template_of(each) for each in ast.walk(node.value) if isinstance(each, ast.JoinedStr))
            elif isinstance(node, ast.FunctionDef) and node.name in REASONS:
                # Its docstring is none of them.
                texts = (each for part in node.body[1:] for each in ast.walk(part))
                yield from (template_of(each) for each in texts if isinstance(each, ast.JoinedStr))


def python_texts() -> Iterator[str]:
    for path in (ROOT / "python").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.expr):
                yield template_of(node)


def rust_messages() -> Iterator[str]:
    """Every text of three words or more outside tests, comments and attributes that are no messages."""
    for path in (ROOT / "src").rglob("*.rs"):
        source = path.read_text().split("#[cfg(test)]")[0]
        source = re.sub(r"^\s*//.*$", "", source, flags=re.MULTILINE)
        # A quotation mark may also be a character, or stand in a raw string, which without a space is no message.
        source = re.sub(r"""'"'|\bb?r(#*)"[^ ]*?"\1""", "", source)
        source = re.sub(r"#!?\[(?:expect|allow)\(.*?\)\]", "", source, flags=re.DOTALL)
        for literal in re.findall(r'"((?:[^"\\]|\\.)*)"', source, re.DOTALL):
            text = re.sub(r"\\\n\s*", "", literal).replace('\\"', '"')
            text = re.sub(r"\{[^{}]*\}", VARYING, text).strip()
            if text.count(" ") >= 2:
                yield text


def entries() -> list[str]:
    """What stands in the first column of the page's tables, but the last, which is about what has no message."""
    page = (DOCS / "troubleshooting.md").read_text().split("\n## Without a message")[0]
    return [found.strip() for found in re.findall(r"^\| `(.+?)` \|", page, re.MULTILINE)]


def answers(entry: str, message: str) -> bool:
    """Whether an entry is about a message: it stands in it, or is all of it that does not vary."""
    core = entry.strip(f"{VARYING} .")
    # A few words may stand in any message.
    return core in message and (len(core) >= 25 or len(core) >= 0.3 * len(message))


def test_every_message_has_an_entry() -> None:
    """A new message needs one: what it means, and what to do."""
    messages = {text for text in {*python_messages(), *rust_messages()} if is_message(text)} - set(NO_MESSAGES)
    assert len(messages) > 80
    known = entries()
    unanswered = sorted(text for text in messages if not any(answers(entry, text) for entry in known))
    assert unanswered == [], "docs/troubleshooting.md has no entry for these"


def test_every_entry_is_of_a_message_that_there_is() -> None:
    """What the product no longer says is taken off the page."""
    texts = {*python_texts(), *rust_messages()}
    stale = [entry for entry in entries() if not any(answers(entry, text) for text in texts)]
    assert stale == []
    assert len(entries()) == len(set(entries())), "an entry stands there twice"


def test_the_exceptions_are_still_there() -> None:
    texts = {*python_messages(), *rust_messages()}
    assert sorted(set(NO_MESSAGES) - texts) == []


# Commands


def blocks(page: Path) -> Iterator[str]:
    """The lines to be typed: those set in by four spaces, without what stands between fences."""
    fenced = False
    for line in page.read_text().replace("\\\n", " ").splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced and line.startswith("    "):
            yield line.strip()


def commands(*programs: str) -> list[str]:
    """Every command of these programs in the pages, once, and those in the table of commands."""
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


@dataclass
class Ground:
    """A folder with the README's own locustfile, a CloudWatch, a service, and a test that was."""

    folder: Path
    cloudwatch: Proxy
    shop: str
    run_id: str = ""

    def run(self, *command: str, away: bool = False, out: str | None = None) -> subprocess.CompletedProcess[str]:
        """A program that ends by itself, without a stumble; where AWS is away, nothing is delivered."""
        env = {
            "AWS_ENDPOINT_URL": self.cloudwatch.url,
            "LOCUST_EXIT_CODE_ON_ERROR": "0",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        if away:
            self.cloudwatch.refuse()
        try:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=clean_environment(self.folder, **env),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=90,
                check=False,
            )
        finally:
            if away:
                self.cloudwatch.listen()
        assert "Traceback" not in done.stderr, done.stderr
        if out is not None:
            (self.folder / out).write_text(done.stdout)
        return done

    def locust(self, command: str, *more: str, away: bool = False) -> subprocess.CompletedProcess[str]:
        """The same for a test, which is made short and small."""
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


@pytest.mark.parametrize(
    "command",
    [
        command
        for command in [*LOCUST_COMMANDS, *commands("python")]
        if "-f test.py" in command and "--master" not in command
    ],
)
def test_a_test_that_a_page_tells_to_run(ground: Ground, command: str) -> None:
    done = ground.locust(command)
    assert done.returncode == 0, done.stderr
    assert re.search(r"receipt for run \S+: all delivered", done.stderr), done.stderr


@pytest.mark.parametrize("command", [command for command in LOCUST_COMMANDS if "--master" in command])
def test_a_fleet_that_a_page_tells_to_run(ground: Ground, command: str) -> None:
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
def test_a_command_that_a_page_tells_to_run(ground: Ground, command: str) -> None:
    """With a result where a page tells to keep one."""
    command, _, out = command.partition(" > ")
    words = shlex.split(command)
    if words[1] == "replay":
        left = ground.locust(LOCUST_COMMANDS[0], "--cw-receipt=left.json", "--cw-drain-timeout=0.1", away=True)
        assert "Send it with" in left.stderr, left.stderr
        words = [
            json.loads((ground.folder / "left.json").read_text())["run_id"] if word == "RUN" else word for word in words
        ]
    else:
        words = [ground.run_id if word in ("RUN", "[RUN]") else word for word in words]
    if words[1:3] == ["dashboard", "delete"]:
        assert ground.run(*words[:2], "put", *words[3:]).returncode == 0
    if words[1] == "report":
        words += ["--json"] if "--json" not in words else []
    done = ground.run(*words, out=out or None)
    assert done.returncode == 0, done.stdout + done.stderr
    if out:
        assert json.loads((ground.folder / out).read_text())


@pytest.mark.parametrize("command", commands("aws"))
def test_a_command_for_an_account_is_one_that_aws_has(command: str) -> None:
    """It needs an account, so it is held against AWS's own models: the operation, and each parameter."""
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


def test_what_else_pages_tell_to_type() -> None:
    """Targets of make, files, and extras of the package exist."""
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
    """The files of options that pages show."""
    found = []
    for page in PAGES:
        for block in re.findall(r"^((?: {4}.*\n)+)", page.read_text(), re.MULTILINE):
            text = textwrap.dedent(block)
            if text.startswith("# locust.conf"):
                found.append(text)
    return found


@pytest.mark.parametrize("text", config_files())
def test_a_file_of_options_that_a_page_shows(ground: Ground, text: str) -> None:
    """It is read, and each of its options is known and fit: a typing error would stop Locust."""
    # Locust itself passes over keys that it does not know.
    known = {f"cw-{option.name.replace('_', '-')}" for option in OPTIONS} | {"host", "headless", "run-time"}
    assert {line.split(" = ")[0] for line in text.splitlines()[1:]} <= known
    (ground.folder / "shown.conf").write_text(text)
    done = ground.locust("locust -f test.py --host https://service.example --config shown.conf")
    assert done.returncode == 0, done.stderr
    if "cw-namespace = " in text:
        assert re.search(r"cw-namespace = (.*)", text)[1] in done.stderr  # type: ignore[index]


def test_a_list_in_the_environment(ground: Ground) -> None:
    """As the page has it: the values reach the record of the run."""
    (told,) = re.findall(r"`LOCUST_CW_TARGET=(\[.*?\])`", (DOCS / "running-on-aws.md").read_text())
    words = shlex.split("locust -f test.py --headless -u 1 -t 1s --cw-live --cw-receipt targets.json --host")
    done = ground.run("env", f"LOCUST_CW_TARGET={told}", *words, ground.shop)
    assert done.returncode == 0, done.stderr
    run_id = json.loads((ground.folder / "targets.json").read_text())["run_id"]
    (record,) = ground.folder.rglob(f"{run_id}.json")
    assert json.loads(record.read_text())["targets"] == told.strip("[]").split(",")


def queries() -> list[str]:
    """The queries of Logs Insights in pages and examples."""
    pages = [*PAGES, ROOT / "examples" / "tenants.py"]
    found = [
        re.findall(r"^ {4}((?:filter|parse) .*\n(?: {4,}.*\n)*)", page.read_text(), re.MULTILINE) for page in pages
    ]
    return list(dict.fromkeys(textwrap.dedent(query).strip() for each in found for query in each))


@pytest.mark.parametrize("query", queries())
def test_a_query_that_a_page_shows(ground: Ground, query: str) -> None:
    """It asks for fields that log events have.

    The local CloudWatch does not: it answers any query with all there is.
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
        # A star of `parse` is whatever stands there, up to what follows it.
        glob, names = re.findall(r'parse @message "(.*?)"\s+as (.*)', query)[0]
        for event in held:
            found = re.fullmatch(re.escape(glob).replace(r"\*", "(.*?)"), event.message)
            assert found, event.message
            values = dict(zip(names.split(", "), found.groups(), strict=True))
            assert (values["name"], values["host"], values["request_type"]) == ("/", ground.shop, "GET")
            assert float(values["response_time"]) > 0
        return
    condition, counted = re.fullmatch(r"filter (.*) \| stats count\(\) by (.*)", query).groups()  # type: ignore[union-attr]
    field, value = re.fullmatch(r'(\w+) = "(\w+)"', condition).groups()  # type: ignore[union-attr]
    for event in held:
        assert event.fields[field] == value
        flat = event.fields | {f"context.{key}": each for key, each in event.fields["context"].items()}
        assert set(counted.split(", ")) <= set(flat)


# What the pages say of the product


def printed(*args: str) -> str:
    """What a command that asks AWS nothing prints."""
    command = Path(sys.executable).with_name("locust-cw")
    return subprocess.run([command, *args], capture_output=True, text=True, check=True).stdout


def test_every_link_has_an_end() -> None:
    anchors: dict[Path, set[str]] = {}
    for page in LINKED_PAGES:
        headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
        anchors[page] = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    lost = []
    for page in LINKED_PAGES:
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            path, _, anchor = link.partition("#")
            end = (page.parent / path).resolve() if path else page
            if "://" in link:
                continue
            if not end.exists() or (anchor and anchor not in anchors[end]):
                lost.append(f"{page.name}: {link}")
    assert lost == []


def test_each_source_folder_has_an_entry_in_the_architecture_page() -> None:
    page = (DOCS / "architecture.md").read_text()
    rust, python = (page.split(heading)[1].split("\n##")[0] for heading in ("### Rust: `src/`", "### Python: `python/"))
    folders = {f"src/{path.name}/" for path in (ROOT / "src").iterdir() if path.is_dir()}
    assert set(re.findall(r"^\| `(src/\w+/)` \|", rust, re.MULTILINE)) == folders
    parts = (ROOT / "python" / "locust_cw").iterdir()
    modules = {f"{path.name}/" if path.is_dir() else path.stem for path in parts if path.suffix in ("", ".py")}
    listed = re.findall(r"^\| `(_\w+/?)` \|", python, re.MULTILINE)
    assert set(listed) == modules - {"__init__", "__main__", "__pycache__/"}


def test_every_source_path_on_a_page_exists() -> None:
    """Pages for contributors name files; a file that moves takes them along."""
    folders = "src|python|tests|benches|examples|docs|fuzz|\\.github|\\.ci"
    lost = [
        f"{page.name}: {path}"
        for page in LINKED_PAGES
        for path in re.findall(rf"`((?:{folders})/[\w./-]+)`", page.read_text())
        if not (ROOT / path).exists()
    ]
    assert lost == []


def code_blocks(page: Path) -> list[str]:
    """What is set in or stands between fences, in its order, without the text around it."""
    return re.findall(r"^```.*?^```|(?:^ {4}[^\n]*\n)+", page.read_text(), re.MULTILINE | re.DOTALL)


def links_of(page: Path) -> Counter[str]:
    """Where links and pictures lead, and how often, except within the page and to its twin."""
    found = Counter(re.findall(r"\]\(([^)\s#][^)\s]*)\)", page.read_text()))
    del found["README.md"], found["README.ko.md"]
    return found


def first_cells(page: Path) -> list[str]:
    """The code in the first column of each table's rows: options, metrics, commands."""
    cells = re.findall(r"^\| (.*?) \|", page.read_text(), re.MULTILINE)
    return [code for cell in cells for code in re.findall(r"`(.*?)`", cell)]


def test_the_readme_in_korean_has_the_same_code_links_and_tables() -> None:
    assert code_blocks(IN_KOREAN) == code_blocks(README)
    assert links_of(IN_KOREAN) == links_of(README)
    assert first_cells(IN_KOREAN) == first_cells(README)
    assert len(code_blocks(README)) >= 5
    assert len(first_cells(README)) >= 5


def test_the_table_has_every_option_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `--cw-([a-z-]+)[^|]*` \| (.*?) \|", (DOCS / "options.md").read_text(), re.MULTILINE))
    assert set(rows) == {option.name.replace("_", "-") for option in OPTIONS}
    defaults = _core.default_options() | {option.name: option.default for option in OPTIONS if option.default}
    for name, told in rows.items():
        default = defaults.get(name.replace("-", "_"))
        if default is None or default is False or default == []:
            assert "`" not in told, name
        else:
            text = ",".join(default) if isinstance(default, list) else str(default)
            # Both are written as people write them.
            assert told in (f"`{text}`", f"`{text.removesuffix('.0')}`"), name


def test_the_receipt_is_as_it_is_told(ground: Ground) -> None:
    page = (DOCS / "receipt.md").read_text()
    (told,) = re.findall(r"^    (\{\"run_id\".*?\})$\n\n", page, re.MULTILINE | re.DOTALL)
    receipt = json.loads((ground.folder / "receipt.json").read_text())
    assert set(json.loads(told)) == set(receipt)
    assert set(json.loads(told)["requests"]) == set(receipt["requests"])


def test_the_policy_is_as_it_is_told() -> None:
    page = (DOCS / "permissions.md").read_text()
    ((command, told),) = re.findall(r"`locust-cw (policy [^`]*)`:\n\n```json\n(.*?)```", page, re.DOTALL)
    assert json.loads(told) == json.loads(printed(*command.split()))


def test_each_permission_is_explained() -> None:
    """And none that no policy has, but the caller's own."""
    everything = ["--for=all", "--dashboard=Shop", "--stop-on-alarm=slow", "--log-retention-days=7"]
    statements = json.loads(printed("policy", *everything))["Statement"]
    granted = {action for statement in statements for action in statement["Action"]}
    page = (DOCS / "permissions.md").read_text().split("\n### Actions\n")[1].split("\n## ")[0]
    told = set(re.findall(r"`((?:logs|cloudwatch|sts):[A-Z]\w+)`", page))
    assert told - {"sts:AssumeRole", "sts:GetCallerIdentity"} == granted


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples_in_json_are_json(page: Path) -> None:
    for block in re.findall(r"```json\n(.*?)```", page.read_text(), re.DOTALL):
        json.loads(block)


# Cost


def total(*args: str) -> float:
    value: float = json.loads(printed("cost", *args, "--json"))["usd"]["run"]["total"]
    return value


def test_the_estimates_are_what_the_command_reckons() -> None:
    page = (DOCS / "cost.md").read_text()
    shown = re.findall(r"^    \$ locust-cw cost (.*)\n((?:    .*\n)+)", page, re.MULTILINE)
    assert len(shown) >= 3
    for args, output in shown:
        assert textwrap.dedent(output) == printed("cost", *args.split())
    usual = ["--requests-per-second=5000", "--minutes=60", "--names=20"]
    assert f"An hour at 5,000 requests/s with 20 names costs {total(*usual):.2f} USD" in page
    rows = re.findall(r"^\| `(--[^`]*)` \| ([\d.]+) \|", page, re.MULTILINE)
    assert len(rows) >= 6
    assert {args: f"{total(*usual, *args.split()):.2f}" for args, _ in rows} == dict(rows)


def test_the_front_page_tells_the_same_costs() -> None:
    page = README.read_text()
    hour = ["--minutes=60", "--names=20"]
    few, many = ([f"--requests-per-second={rate}", *hour] for rate in (500, 5000))
    logs = [total(*each) - total(*each, "--logs=off") for each in (few, many)]
    assert f"{logs[0]:.2f} and {logs[1]:.2f} USD" in page
    assert abs(total(*few, "--logs=off") - 0.05) < 0.01
    assert abs(total(*many, "--logs=off") - 0.05) < 0.01
    assert (total(*many, "--logs=failures") - total(*many, "--logs=off")) / logs[1] == pytest.approx(0.01, rel=0.01)


def test_the_reference_pages_are_current() -> None:
    """`make docs` was run after the last change of a docstring or a help text."""
    done = subprocess.run(
        [sys.executable, DOCS / "make_reference.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
