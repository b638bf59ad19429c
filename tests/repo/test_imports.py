"""The plugin imports only the core and the options, the tools do not import it, and there are no import cycles.

The modules of the Rust core have no cycles either.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from locust_cw._plugin.extension import MODULES as EXTENSIONS

ROOT = Path(__file__).parents[2] / "python"
CORE = ROOT.parent / "src"
TOOLS = ("_aws", "_checks", "_dashboard", "_report", "_cli")


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in ROOT.rglob("*.py")}


def imports_of(module: str) -> set[str]:
    """The modules of the package that a module imports anywhere, also for type checking only."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = {f"{node.module}.{each.name}" for each in node.names}
            # The native module has no source here, and is no part of the package's own module.
            names -= {"locust_cw._core"}
            found |= {name if name in MODULES else node.module for name in names}
        elif isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
    return {each for each in found if each in MODULES}


def folder_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@cache
def graph() -> dict[str, set[str]]:
    """The imports of each module. Only the process that runs these tests reads the sources."""
    return {module: imports_of(module) for module in MODULES}


@pytest.mark.parametrize("tool", TOOLS)
def test_the_tools_do_not_import_the_plugin(tool: str) -> None:
    """The libraries do not import the command either."""
    forbidden = {"_plugin", "_extensions", "_distributed"} | ({"_cli"} if tool != "_cli" else set())
    found = {
        f"{module} -> {each}"
        for module, imported in graph().items()
        for each in imported
        if folder_of(module) == tool and folder_of(each) in forbidden
    }
    assert found == set()


def test_the_plugin_imports_only_the_core_and_the_options() -> None:
    """An extension is imported by name when an option enables it."""
    found = {
        f"{module} -> {each}"
        for module, imported in graph().items()
        for each in imported
        if folder_of(module) == "_plugin" and folder_of(each) not in ("_plugin", "_errors", "_settings")
    }
    assert found == set()


def test_every_extension_is_a_module() -> None:
    assert {f"locust_cw.{name}" for name in EXTENSIONS.values()} <= MODULES.keys()


def test_there_are_no_import_cycles() -> None:
    """Imports for type checking count as well."""
    try:
        list(TopologicalSorter(graph()).static_order())
    except CycleError as error:
        pytest.fail(f"{' -> '.join(error.args[1])}")


def rust_folders() -> dict[str, set[str]]:
    """The other folders that each folder of the core uses, without its tests."""
    used: dict[str, set[str]] = {}
    for path in CORE.rglob("*.rs"):
        if path.stem == "tests":
            continue
        folder = path.relative_to(CORE).parts[0].removesuffix(".rs")
        # The tests of a file are at its end.
        code = re.split(
            r"^#\[cfg\(.*\btest\b.*\n(?:#.*\n)*(?:pub(?:\(crate\))? )?mod \w+ \{", path.read_text(), flags=re.MULTILINE
        )[0]
        assert "crate::{" not in code, f"{path}: one path for each import"
        used.setdefault(folder, set()).update(re.findall(r"\bcrate::(\w+)", code))
    return {folder: others & used.keys() - {folder} for folder, others in used.items()}


def test_the_folders_of_the_core_have_no_cycles() -> None:
    """`lib.rs` contains the module tree."""
    folders = {folder: others for folder, others in rust_folders().items() if folder != "lib"}
    assert {"metrics", "sample"} <= folders["ingest"]
    try:
        list(TopologicalSorter(folders).static_order())
    except CycleError as error:
        pytest.fail(f"{' -> '.join(error.args[1])}")


def test_no_module_is_too_long_to_have_one_responsibility() -> None:
    long = {module: count for module in MODULES if (count := len(MODULES[module].read_text().splitlines())) > 420}
    assert long == {}
