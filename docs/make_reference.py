"""Generates `docs/api.md` from docstrings and `docs/command.md` from help texts.

    python docs/make_reference.py [--check]

With `--check`, it writes nothing, and exits with 1 if a page is not current.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import griffe

from locust_cw._cli import main as _command

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PACKAGE = "locust_cw"
WIDTH = 100
Kind = griffe.ParameterKind

PARTS = {f"{PACKAGE}.Session": {"close"}}
"""Public members of classes that also have internal ones, for Locust's events and the web UI."""

BEGINNING = "<!-- Made by docs/make_reference.py: change the {} and run `make docs`. -->\n\n"


def main() -> int:
    """Write both pages, or compare them."""
    parser = argparse.ArgumentParser(description="Generate the reference pages.")
    parser.add_argument("--check", action="store_true", help="write nothing, and exit with 1 if a page is not current")
    check = parser.parse_args().check
    stale = []
    for name, text in {"api.md": api_page(), "command.md": command_page()}.items():
        path = ROOT / "docs" / name
        # Python versions wrap help texts differently.
        if path.exists() and path.read_text(encoding="utf-8").split() == text.split():
            continue
        stale.append(name)
        if not check:
            path.write_text(text, encoding="utf-8")
    if check and stale:
        sys.stderr.write(f"Not current: {', '.join(stale)}. Run: make docs\n")
        return 1
    return 0


# The Python interface.


def api_page() -> str:
    """The page for the names in `locust_cw.__all__`, from the sources and the stub of the native module."""
    package = griffe.load(PACKAGE, search_paths=[ROOT / "python"], allow_inspection=False, docstring_parser="google")
    parts = [BEGINNING.format("docstrings"), "# Python interface\n\n"]
    if package.docstring is not None:
        parts.append(f"{package.docstring.value}\n\n")
    for name in sorted(str(name) for name in package.exports or ()):
        found = package[name]
        target = found.final_target if found.is_alias else found
        parts += described(target, f"{PACKAGE}.{name}", 2)
    return "".join(parts).rstrip() + "\n"


def described(thing: griffe.Object, path: str, level: int) -> Iterator[str]:
    """A function, class or attribute, with its members."""
    yield f"{'#' * level} `{path}`\n\n"
    parts = PARTS.get(path)
    # Programs do not create instances of a class that is shown in part.
    made_by = None if parts else thing.members.get("__new__") or thing.members.get("__init__")
    own = made_by if thing.is_class else thing
    if isinstance(own, griffe.Function):
        yield f"```python\n{signature(own, path)}\n```\n\n"
    elif isinstance(thing, griffe.Attribute) and thing.annotation is not None:
        yield f"`{thing.annotation}`\n\n"
    yield from sections(thing)
    if own is not thing and isinstance(own, griffe.Function):
        # The class describes the constructor; its own docstring can have parameters and exceptions.
        yield from sections(own, but_text=True)
    if not isinstance(thing, griffe.Class):
        return
    inherited = {name: member.final_target for name, member in thing.inherited_members.items()}
    for name, member in (inherited | thing.members).items():
        shown = name in parts if parts else not name.startswith("_")
        if shown and isinstance(member, griffe.Object) and member.docstring is not None:
            yield from described(member, f"{path.rpartition('.')[2]}.{name}", level + 1)


def signature(function: griffe.Function, path: str) -> str:
    """The signature, wrapped if necessary."""
    name = path.rpartition(".")[2]
    shown: list[str] = []
    was_positional_only = False
    for parameter in function.parameters:
        if parameter.name in ("self", "cls") or parameter.name.startswith("_"):
            continue
        kind = parameter.kind
        stars = "*" if kind is Kind.var_positional else "**" if kind is Kind.var_keyword else ""
        if kind is not Kind.positional_only and was_positional_only:
            shown.append("/")
        was_positional_only = kind is Kind.positional_only
        if kind is Kind.keyword_only and not any(each.startswith("*") for each in shown):
            shown.append("*")
        text = f"{stars}{parameter.name}"
        if parameter.annotation is not None:
            text += f": {parameter.annotation}"
        if parameter.default is not None and not stars:
            text += f" = {parameter.default}" if parameter.annotation is not None else f"={parameter.default}"
        shown.append(text)
    if was_positional_only:
        shown.append("/")
    prefix = "async def " if "async" in function.labels else "def "
    if function.name in ("__new__", "__init__"):
        prefix, end = "class ", ""
    else:
        end = f" -> {function.returns}" if function.returns is not None else ""
    line = f"{prefix}{name}({', '.join(shown)}){end}"
    if len(line) <= WIDTH:
        return line
    return f"{prefix}{name}(\n" + "".join(f"    {each},\n" for each in shown) + f"){end}"


def sections(thing: griffe.Object, *, but_text: bool = False) -> Iterator[str]:
    """The docstring, with its sections as lists."""
    if thing.docstring is None:
        return
    for section in thing.docstring.parse("google", warnings=False):
        if isinstance(section, griffe.DocstringSectionText):
            yield "" if but_text else f"{section.value}\n\n"
            continue
        yield f"**{str(section.kind.value).capitalize()}**\n\n"
        if isinstance(section, griffe.DocstringSectionParameters | griffe.DocstringSectionAttributes):
            yield from (f"- `{each.name}`: {one_line(each.description)}\n" for each in section.value)
        elif isinstance(section, griffe.DocstringSectionRaises):
            yield from (f"- `{each.annotation}`: {one_line(each.description)}\n" for each in section.value)
        elif isinstance(section, griffe.DocstringSectionReturns | griffe.DocstringSectionYields):
            yield from (f"{one_line(each.description)}\n" for each in section.value)
        else:
            raise SystemExit(f"{thing.path}: no way to show a section {section.kind.value}")
        yield "\n"


def one_line(text: str) -> str:
    """A description without line breaks."""
    return " ".join(text.split())


# The command.


def command_page() -> str:
    """The page with the help of the command and its subcommands."""
    whole = help_text()
    parts = re.findall(r"^ {4}(\w+)", whole, re.MULTILINE)
    pages = [BEGINNING.format("help texts"), "# The command `locust-cw`\n\n", f"```\n{whole}```\n"]
    pages += [f"\n## `locust-cw {name}`\n\n```\n{help_text(name)}```\n" for name in sorted(parts)]
    return "".join(pages)


def help_text(*arguments: str) -> str:
    """The output of `--help`, with a fixed width."""
    os.environ |= {"COLUMNS": str(WIDTH), "NO_COLOR": "1"}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        _command.main([*arguments, "--help"])
    return printed.getvalue()


if __name__ == "__main__":
    sys.exit(main())
