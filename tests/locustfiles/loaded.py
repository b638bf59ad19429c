"""Writes which modules of locust-cw are loaded when the load ends, with their lines of code."""

import ast
import json
import sys
from pathlib import Path
from typing import Any

from locust import events

import locust_cw
from plain_walker import Walker

__all__ = ["Walker", "locust_cw"]


def lines_of_code(path: Path) -> int:
    """Lines without blank ones, comments and docstrings, which the interpreter does not keep."""
    source = path.read_text()
    documentation = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = ((number, line.strip()) for number, line in enumerate(source.splitlines(), start=1))
    return sum(bool(line) and not line.startswith("#") and number not in documentation for number, line in lines)


@events.test_stop.add_listener
def note_modules(**_: Any) -> None:
    files = {name: module.__file__ for name, module in list(sys.modules.items()) if name.split(".")[0] == "locust_cw"}
    sources = {name: Path(file) for name, file in files.items() if file is not None and file.endswith(".py")}
    Path("modules.json").write_text(json.dumps({name: lines_of_code(path) for name, path in sources.items()}))
