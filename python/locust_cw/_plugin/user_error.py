"""Locust's `user_error`: an exception in a task that no request has reported."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType


def fields_of(instance: object, exception: BaseException, tb: TracebackType | None) -> dict[str, Any]:
    """The fields of the log event: the class of the user, the exception, and the line that raised it.

    Args:
        instance: A user, or a task set of one.
        exception: The exception.
        tb: Its traceback.

    """
    user = getattr(instance, "user", instance)
    fields = {"user_class": type(user).__name__, "error_type": type(exception).__name__, "error": exception}
    for frame in traceback.extract_tb(tb, limit=-1):
        fields["where"] = f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}"
    return fields
