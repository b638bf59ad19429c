"""The parser of Locust's command line, as far as options of locust-cw matter."""

from __future__ import annotations

import os
from typing import Any
from unittest.mock import patch

import configargparse

from locust_cw._settings import table as _options


def own(**env: str) -> Any:
    """Stands for such an environment, and no other variable of ours."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    return patch.dict(os.environ, {**clean, **env}, clear=True)


# The environment's options


class RefusedError(Exception):
    """Of the command line's parser: of a value."""


def parser(*files: str) -> Any:
    """As Locust's is, as far as it matters here, with these configuration files."""

    def refuse(message: str) -> None:
        raise RefusedError(message)

    made = configargparse.ArgumentParser(default_config_files=files)
    made.add_argument("--config", is_config_file_arg=True)
    made.error = refuse
    _options.add_to(made)
    return made
