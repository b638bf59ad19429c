"""The documentation is correct: options have a row, links have a target, and commands and estimates are current."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import textwrap
from collections import Counter
from pathlib import Path

import pytest
import yaml

from locust_cw import _core
from locust_cw._settings.table import OPTIONS
from support.in_process import run
from support.pages import DOCS, IN_KOREAN, LINKED_PAGES, PAGES, README
from support.paths import ROOT


def printed(*args: str) -> str:
    """The output of a command that does not call AWS."""
    return run(Path(tempfile.gettempdir()), *args)


def test_every_link_has_a_target() -> None:
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
    """Pages for contributors name files, which can be moved."""
    folders = "src|python|tests|benches|examples|docs|fuzz|\\.github|\\.ci"
    lost = [
        f"{page.name}: {path}"
        for page in LINKED_PAGES
        for path in re.findall(rf"`((?:{folders})/[\w./-]+)`", page.read_text())
        if not (ROOT / path).exists()
    ]
    assert lost == []


def test_a_compact_event_has_the_documented_size() -> None:
    """A test in `src/logs/formats/mod.rs` has the same two events."""
    page = (DOCS / "metrics-and-logs.md").read_text()
    section = page.split("### Compact events\n")[1].split("\n###")[0]
    full, compact = ("".join(map(str.strip, text.split("\n"))) for text in re.findall(r"(?m)(?:^    .+\n)+", section))
    sizes = [len(event.encode()) + _core.EVENT_OVERHEAD_BYTES for event in (full, compact)]
    assert f"CloudWatch charges {sizes[0]} bytes for this event, and {sizes[1]} if" in " ".join(section.split())
    assert sizes[1] <= 180
    kept = json.loads(full)
    for name in ("time", "run_id", "worker", "host"):
        del kept[name]
    assert json.loads(compact) == {"time_us": 456, **kept}


def code_blocks(page: Path) -> list[str]:
    """The indented and fenced code blocks, in order, without the text around them."""
    return re.findall(r"^```.*?^```|(?:^ {4}[^\n]*\n)+", page.read_text(), re.MULTILINE | re.DOTALL)


def links_of(page: Path) -> Counter[str]:
    """The targets of links and pictures with their number, except those within the page and to its translation."""
    found = Counter(re.findall(r"\]\(([^)\s#][^)\s]*)\)", page.read_text()))
    del found["README.md"], found["README.ko.md"]
    return found


def first_cells(page: Path) -> list[str]:
    """The code in the first column of each table: options, metrics, commands."""
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
    for name, shown in rows.items():
        default = defaults.get(name.replace("-", "_"))
        if default is None or default is False or default == []:
            assert "`" not in shown, name
        else:
            text = ",".join(default) if isinstance(default, list) else str(default)
            # Both are written as people write them.
            assert shown in (f"`{text}`", f"`{text.removesuffix('.0')}`"), name


def test_the_policy_on_the_page_is_that_of_the_command() -> None:
    page = (DOCS / "permissions.md").read_text()
    ((command, policy),) = re.findall(r"`locust-cw (policy [^`]*)`:\n\n```json\n(.*?)```", page, re.DOTALL)
    assert json.loads(policy) == json.loads(printed(*command.split()))


def test_each_permission_is_explained() -> None:
    """The page names no other permission, except those of the caller."""
    everything = ["--for=all", "--dashboard=Shop", "--stop-on-alarm=slow", "--log-retention-days=7"]
    statements = json.loads(printed("policy", *everything))["Statement"]
    granted = {action for statement in statements for action in statement["Action"]}
    page = (DOCS / "permissions.md").read_text().split("\n### Actions\n")[1].split("\n## ")[0]
    named = set(re.findall(r"`((?:logs|cloudwatch|sts):[A-Z]\w+)`", page))
    assert named - {"sts:AssumeRole", "sts:GetCallerIdentity"} == granted


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples_in_json_are_json(page: Path) -> None:
    for block in re.findall(r"```json\n(.*?)```", page.read_text(), re.DOTALL):
        json.loads(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples_in_yaml_are_yaml(page: Path) -> None:
    for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL):
        yaml.safe_load(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_option_on_a_page_exists(page: Path) -> None:
    """Also in examples that no test runs, such as those of pipelines."""
    known = {option.flag for option in OPTIONS}
    assert set(re.findall(r"--cw-[a-z]+(?:-[a-z]+)*", page.read_text())) - known == set()


# Cost


def total(*args: str) -> float:
    value: float = json.loads(printed("cost", *args, "--json"))["usd"]["run"]["total"]
    return value


def test_the_estimates_are_those_of_the_command() -> None:
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


def test_the_readme_has_the_same_costs() -> None:
    page = README.read_text()
    hour = ["--minutes=60", "--names=20", "--record=local"]
    few, many = ([f"--requests-per-second={rate}", *hour] for rate in (500, 5000))
    logs = [total(*each) - total(*each, "--logs=off") for each in (few, many)]
    assert f"{logs[0]:.2f} and {logs[1]:.2f} USD" in page
    assert abs(total(*few, "--logs=off") - 0.05) < 0.01
    assert abs(total(*many, "--logs=off") - 0.05) < 0.01
    assert (total(*many, "--logs=failures") - total(*many, "--logs=off")) / logs[1] == pytest.approx(0.01, rel=0.01)


def test_the_reference_pages_are_current() -> None:
    """`make docs` was run after the last change of a docstring or help text."""
    done = subprocess.run(
        [sys.executable, DOCS / "make_reference.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
