"""The sources of options after the command line: environment variables, then Locust's configuration files.

Locust's own command line reads both. This module reads them for programs and commands that have no such command line.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from locust_cw._settings.option import Option

_FILES = ("pyproject.toml", "locust.conf", "~/.locust.conf")
"""The files that Locust reads by default. The first one that has an option decides it."""


class Sources:
    """Environment variables and configuration files.

    Args:
        config: A file that takes precedence over Locust's default files, as with Locust's option ``--config``.

    """

    def __init__(self, config: str | None = None) -> None:
        """Nothing is read before `find`."""
        self._config = config
        self._settings: list[tuple[Path, dict[str, str | list[str]]]] | None = None

    def find(self, option: Option) -> tuple[Any, str] | None:
        """The value of an option and the name of its source; None if no source has one.

        Raises:
            InvalidOptionError: If a value cannot be used, or a file cannot be read.

        """
        value = from_environment(option)
        if value is not None:
            return value, option.variable
        for path, settings in self._files():
            for key in (option.key, option.flag):
                if key in settings:
                    if option.type is list:
                        from locust_cw._settings.cut_lists import refuse_cut_list  # noqa: PLC0415 - few files have one

                        refuse_cut_list(option, [path])
                    source = f"{option.key} in {path}"
                    value = option.value_of(settings[key], source)
                    if value is not None:
                        return value, source
        return None

    def value(self, option: Option) -> Any:  # noqa: ANN401 - each option has its own type
        """The value of an option; None if no source has one.

        Raises:
            InvalidOptionError: If a value cannot be used, or a file cannot be read.

        """
        found = self.find(option)
        return None if found is None else found[0]

    def _files(self) -> list[tuple[Path, dict[str, str | list[str]]]]:
        if self._settings is None:
            paths = [Path(self._config)] if self._config is not None else []
            paths += existing_files()
            self._settings = []
            if paths:
                # It needs a library of Locust's, and most programs have no such file.
                from locust_cw._settings.files import read_file  # noqa: PLC0415 - as said above

                self._settings = [(path, read_file(path)) for path in paths]
        return self._settings


def existing_files() -> list[Path]:
    """Those of Locust's default configuration files that exist."""
    found = []
    for name in _FILES:
        path = Path(os.path.expanduser(name))  # noqa: PTH111 - Path.expanduser raises an exception if there is no home folder
        if path.is_file():
            found.append(path)
    return found


def from_environment(option: Option) -> Any:  # noqa: ANN401 - each option has its own type
    """The value of an option's environment variable, read as the parser of the command line reads it; None without one.

    Raises:
        InvalidOptionError: If the value cannot be used.

    """
    text = os.environ.get(option.variable)
    if text is None:
        return None
    return option.value_of(_parts_of(text) if option.type is list else text, option.variable)


def _parts_of(text: str) -> list[str]:
    """The parts of a list: `[a, b]`, which may be JSON, or else the one that the text is."""
    if not (text.startswith("[") and text.endswith("]")):
        return [text]
    try:
        return [str(part) for part in json.loads(text)]
    except ValueError:
        return [part.strip() for part in text[1:-1].split(",")]
