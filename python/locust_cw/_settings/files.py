"""Reading a configuration file of Locust: `locust.conf`, or `[tool.locust]` of `pyproject.toml`."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from locust_cw import _core

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class ConfigurationFileError(_core.InvalidOptionError):
    """A configuration file that cannot be read. The message names it."""

    def __init__(self, path: Path, problem: str) -> None:
        """Without an option: no option of this file is known."""
        super().__init__("config", f"the configuration file {path} cannot be read: {problem}")

    def __str__(self) -> str:
        """The message."""
        return self.problem


def read_file(path: Path) -> dict[str, str | list[str]]:
    """The settings of a file by their keys, as Locust reads them.

    Raises:
        ConfigurationFileError: If the file cannot be read.

    """
    try:
        text = path.read_text(encoding="utf-8")
        return _read_toml(text) if path.suffix == ".toml" else read_conf(text)
    except OSError as error:
        raise ConfigurationFileError(path, error.strerror or str(error)) from error
    except ValueError as error:
        raise ConfigurationFileError(path, str(error)) from error


def _read_toml(text: str) -> dict[str, str | list[str]]:
    tool = tomllib.loads(text).get("tool")
    section = tool.get("locust") if isinstance(tool, dict) else None
    return _as_text(section) if isinstance(section, dict) else {}


def read_conf(text: str) -> dict[str, str | list[str]]:
    """The settings of a text in the format of `locust.conf`.

    Raises:
        ValueError: If it has another format.

    """
    try:
        # Locust depends on it. A program that uses only Publisher may be installed without Locust.
        import configargparse  # noqa: PLC0415 - as said above
    except ImportError:
        raise ValueError(
            "ConfigArgParse, which comes with Locust, is not installed: pip install configargparse"
        ) from None
    try:
        settings = configargparse.DefaultConfigFileParser().parse(text.splitlines())
    except configargparse.ConfigFileParserException as error:
        raise ValueError(str(error)) from error
    return _as_text(settings)


def _as_text(settings: Mapping[str, Any]) -> dict[str, str | list[str]]:
    return {
        key: [str(each) for each in value] if isinstance(value, list) else str(value) for key, value in settings.items()
    }
