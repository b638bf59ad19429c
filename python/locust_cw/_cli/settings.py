"""Options that a command shares with a test: without an argument, the command reads them from the same sources."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from locust_cw import _core
from locust_cw._settings.opt_outs import OPT_OUTS
from locust_cw._settings.option import Option
from locust_cw._settings.sources import Sources
from locust_cw._settings.table import option_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_HOST = Option("host", "Host under test", "URL", prefix="")
"""An option of Locust's own: its environment variable is LOCUST_HOST."""


@dataclass(frozen=True)
class FromTest:
    """The default of a command's option that a test has, too: an environment variable, a file, or else a value.

    Attributes:
        name: The name of the option in Python form.
        default: The value if no source has one.

    """

    name: str
    default: Any = None

    def __str__(self) -> str:
        """The value if no source has one, for help texts."""
        return str(self.default)

    @property
    def option(self) -> Option:
        """The option of the test."""
        return _HOST if self.name == _HOST.name else option_of(self.name)


def from_test(name: str) -> FromTest:
    """The default of an option that a test has with the same name, and with the same default."""
    return FromTest(name, _core.default_options().get(name))


class Repeatable(argparse.Action):
    """Collects the values of an option that can be repeated. Its arguments replace the default."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's signature
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,  # noqa: ARG002 - argparse's signature
    ) -> None:
        """Add an argument to those before it."""
        given = getattr(namespace, self.dest)
        setattr(namespace, self.dest, [*(given if isinstance(given, list) else ()), values])


def resolve(options: argparse.Namespace) -> None:
    """Replace the defaults that a test has, too, by their values.

    Raises:
        InvalidOptionError: If a value cannot be used, or a file cannot be read.

    """
    sources = Sources(options.config)
    for name, default in list(vars(options).items()):
        if isinstance(default, FromTest):
            value = sources.value(default.option)
            if isinstance(value, list):
                value = [part for part in value if part != ""] or None
            setattr(options, name, default.default if value is None else value)


def opt_out_of(options: argparse.Namespace) -> str | None:
    """The opt-out that keeps a command from writing to AWS, by the name of its source; None if there is none.

    Raises:
        InvalidOptionError: If a value cannot be used, or a file cannot be read.

    """
    sources = Sources(options.config)
    found = (sources.find(option_of(name)) for name in OPT_OUTS)
    return next((source for value, source in filter(None, found) if value), None)
