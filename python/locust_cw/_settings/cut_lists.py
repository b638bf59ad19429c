"""Lists in configuration files that Locust would read only in part. They are refused, because no value may get lost."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._settings.files import read_conf

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from locust_cw._settings.option import Option


def refuse_in_files_of(
    parser: argparse.ArgumentParser, command_line: object, lists: Iterable[Option], files: Iterable[Path]
) -> None:
    """End the process if Locust's parser has read one of these lists only in part."""
    config = getattr(command_line, "config", None)
    paths = [*files, *([Path(config)] if config else [])]
    try:
        for option in lists:
            refuse_cut_list(option, paths)
    except _core.InvalidOptionError as error:
        parser.error(str(error))


def refuse_cut_list(option: Option, paths: Iterable[Path]) -> None:
    """Refuse a list that Locust would read only in part.

    Raises:
        InvalidOptionError: If a file has such a list.

    """
    for path in paths:
        if problem := _cut_lists(path).get(option.key):
            raise _core.InvalidOptionError(option.name, problem)


def _cut_lists(path: Path) -> dict[str, str]:
    """The lists in a file that Locust would read only in part, by their keys, with the problem and what to write.

    ConfigArgParse reads a file line by line: the last line of an option replaces those before it, and a list ends with
    its line. A file in TOML has neither problem. A file that cannot be read has none here.
    """
    if path.suffix == ".toml":
        return {}
    problems: dict[str, str] = {}
    lines: dict[str, int] = {}
    with suppress(OSError, ValueError):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for given, value in read_conf(line).items():
                key = given.removeprefix("--")
                if key in lines:
                    problems[key] = (
                        f"{path} has {key} in lines {lines[key]} and {number}, but only the last one would apply: write"
                        f" one line with a list, {key} = [FIRST, SECOND]"
                    )
                elif isinstance(value, str) and value.startswith("[") and "]" not in value:
                    problems[key] = (
                        f"the list of {key} in line {number} of {path} does not end in this line: write it in one line,"
                        " or in pyproject.toml, where a list can have several lines"
                    )
                lines[key] = number
    return problems
