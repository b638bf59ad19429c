"""The change that counts as the same, which options give in percent."""

from __future__ import annotations

import re

from locust_cw import _core

DEFAULT = "5%"
_FORM = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,4})?)\s*%")
_MAX_PERCENT = 1000.0


def parse_tolerance(name: str, text: str) -> float:
    """The share that a percentage stands for, such as 0.1 for `10%`.

    Args:
        name: The name of the option, for the message of an error.
        text: Its value.

    Raises:
        InvalidOptionError: If it is not a percentage above 0.

    """
    found = _FORM.fullmatch(text.strip())
    percent = float(found[1]) if found is not None else 0.0
    if not 0 < percent <= _MAX_PERCENT:
        raise _core.InvalidOptionError(
            name, f"must be a percentage such as 10%, above 0 and up to {_MAX_PERCENT:g}%, and not {text!r}"
        )
    return percent / 100
