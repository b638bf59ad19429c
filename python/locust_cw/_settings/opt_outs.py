"""Options of a worker's own command line that its master's options do not replace: opt-outs, and settings of a machine.

Locust sends the options of the master to the workers with each start. They replace the worker's own options, possibly
before any event. So the values are noted as soon as a command line is parsed.
"""

from __future__ import annotations

import functools
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import ref

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from weakref import ReferenceType

OPT_OUTS = ("disable", "dry_run")
"""Options that apply if any source sets them. Neither another source nor the master can undo them."""

KEPT = (*OPT_OUTS, "local")
"""Options of a worker that its master cannot undo. Without `local`, the worker would publish to AWS."""

OF_MACHINE = ("spool_dir", "region", "profile", "role_arn", "external_id", "endpoint_url")
"""Options that each machine may have for itself: a master without a value does not replace the value of a worker."""

# By identity, as command lines compare by their values and have no hash.
_noted: dict[int, tuple[ReferenceType[object], dict[str, object]]] = {}


def watch(parser: argparse.ArgumentParser, check: Callable[[argparse.ArgumentParser, object], None]) -> None:
    """Note each command line that a parser parses, and check it.

    Args:
        parser: Locust's parser.
        check: Ends the process if Locust has read a file only in part.

    """
    parse: Callable[..., tuple[object, list[str]]] = parser.parse_known_args

    @functools.wraps(parse)
    def parse_and_note(*args: Any, **kwargs: Any) -> tuple[object, list[str]]:  # noqa: ANN401 - any argument of the parser
        command_line, unknown = parse(*args, **kwargs)
        check(parser, command_line)
        _note(command_line)
        return command_line, unknown

    parser.parse_known_args = parse_and_note  # type: ignore[method-assign, assignment]


def note_unless_known(command_line: object) -> None:
    """Note a command line that a program made without the parser, before the master's options replace it."""
    if command_line is not None and id(command_line) not in _noted:
        _note(command_line)


def is_noted(command_line: object) -> bool:
    """Whether a command line was noted."""
    return id(command_line) in _noted


def noted(command_line: object, name: str) -> Any:  # noqa: ANN401 - each option has its own type
    """The value of an option of `KEPT` or `OF_MACHINE` when its command line was noted; None if it had none."""
    return _noted[id(command_line)][1].get(name) if is_noted(command_line) else None


def _note(command_line: object) -> None:
    key = id(command_line)

    def forget(_: object) -> None:
        _noted.pop(key, None)

    # A class may refuse weak references. Locust's does not.
    with suppress(TypeError):
        _noted[key] = (
            ref(command_line, forget),
            {name: value for name in (*KEPT, *OF_MACHINE) if (value := getattr(command_line, f"cw_{name}", None))},
        )
