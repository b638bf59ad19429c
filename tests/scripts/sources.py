"""Prints the options that Locust's command line reads from files and variables, and those that a program reads."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from locust.argument_parser import get_empty_argument_parser

from locust_cw._settings.table import OPTIONS, Options, add_to


def values() -> list[dict[str, object]]:
    """All options, by both."""
    parser = get_empty_argument_parser(add_help=False)
    add_to(parser)
    command_line, _ = parser.parse_known_args([])
    both = Options(command_line, {}), Options(None, {})
    # Without a command line, the options that are not the core's have no default.
    return [{option.name: each[option.name] or option.default for option in OPTIONS} for each in both]


found = []
for files, variables in json.loads(sys.argv[1]):
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["HOME"] = folder
        for name, text in files.items():
            Path(name).write_text(text)
        os.environ.update(variables)
        found.append(values())
        for name in variables:
            del os.environ[name]
        os.chdir("/")
print(json.dumps(found))
