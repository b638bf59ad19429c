"""An option of a test: its names, its form, and the value that a text stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from locust_cw import _core

# The same values as for the parser of the command line.
_YES = ("true", "yes", "on", "1")
_NO = ("false", "no", "off", "0")


@dataclass(frozen=True)
class Option:
    """One option of the command line.

    Attributes:
        name: Its name in Python form: `flush_interval` for ``--cw-flush-interval``.
        help: Its help text.
        metavar: The name of its value in the help text; None for a flag.
        type: The type of its value; None for a flag, and list for an option that can be repeated.
        choices: All values that it accepts; None for any.
        default: Its default, if it is not an option of the core.
        const: Its value if it is given without one.
        form: Whether the web UI's start form shows it, because another value for the next test makes sense.
        prefix: The beginning of its name on the command line.
        separator: What separates the values of a list in a text; None if a text is one value.

    """

    name: str
    help: str
    metavar: str | None = None
    type: type | None = str
    choices: tuple[str, ...] | None = None
    default: object = None
    const: str | None = None
    form: bool = False
    prefix: str = "cw-"
    separator: str | None = ","

    @property
    def key(self) -> str:
        """Its name in configuration files."""
        return self.prefix + self.name.replace("_", "-")

    @property
    def flag(self) -> str:
        """Its name on the command line."""
        return f"--{self.key}"

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"LOCUST_{self.key.replace('-', '_').upper()}"

    def list_of(self, given: str | list[str]) -> list[str] | None:
        """The values of an option that can be repeated; None if there are none.

        Empty values are left out if values can be separated. Otherwise they stay, and the check of the option refuses
        them: a condition from a variable that is not set must not vanish.
        """
        if self.separator is None:
            return [given] if isinstance(given, str) else given or None
        parts = given.split(self.separator) if isinstance(given, str) else given
        return [part for part in parts if part != ""] or None

    def value_of(self, given: str | list[str], source: str) -> Any:  # noqa: ANN401 - each option has its own type
        """The value that a text or a list stands for, as the parser of the command line reads it.

        Args:
            given: The text or the list.
            source: The name of the source, for the message of an error.

        Returns:
            The value; None if the source leaves the option open.

        Raises:
            InvalidOptionError: If the value cannot be used.

        """
        if given == "" and self.const is not None:
            return None
        if self.type is list:
            return [given] if isinstance(given, str) else given
        if isinstance(given, list):
            must_be = "one value"
        elif self.type is None:
            if given.lower() in (*_YES, *_NO):
                return given.lower() in _YES
            must_be = f"one of {', '.join((*_YES, *_NO))}"
        elif self.choices is not None and given not in self.choices:
            must_be = f"one of {', '.join(self.choices)}"
        else:
            try:
                return self.type(given)
            except ValueError:
                must_be = "a whole number" if self.type is int else "a number"
        raise _core.InvalidOptionError(self.name, f"{source} must be {must_be}, not {given!r}")
