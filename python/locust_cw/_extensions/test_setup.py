"""How Locust is set up for a test, for its record: nothing that may be secret, such as a host or a path."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from locust_cw import _core

if TYPE_CHECKING:
    from locust.env import Environment

_MOST_CLASSES = 20


def setup_of(environment: Environment) -> dict[str, Any]:
    """Versions, user classes, shape, users, spawn rate and run time, as far as they are known."""
    options = environment.parsed_options
    runner = environment.runner
    shape = environment.shape_class
    classes = [user_class.__name__ for user_class in environment.user_classes]
    found: dict[str, Any] = {
        "locust_cw": _core.VERSION,
        "locust": _version_of("locust"),
        "python": platform.python_version(),
        "user_classes": ", ".join(classes[:_MOST_CLASSES]) + (", ..." if len(classes) > _MOST_CLASSES else ""),
        "shape": None if shape is None else type(shape).__name__,
        "target_users": getattr(runner, "target_user_count", None) if shape is None else None,
        "spawn_rate": getattr(options, "spawn_rate", None) if shape is None else None,
        "run_time_s": getattr(options, "run_time", None),
    }
    return {name: value for name, value in found.items() if isinstance(value, str | int | float) and value}


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
