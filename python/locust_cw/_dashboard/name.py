"""The name of a dashboard."""

from __future__ import annotations

import re

from locust_cw import _core

MAX_CHARS = 255
"""Longest name of a dashboard (PutDashboard)."""

DEFAULT = "default"
"""The value of the option for the name that `default_name` returns."""

_NAME = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_CHARS}}}")


def problem_with(name: str) -> str | None:
    """Why CloudWatch does not accept the name; None if it does."""
    if _NAME.fullmatch(name) is not None:
        return None
    return f"{name!r} cannot be the name of a dashboard; expected 1 to {MAX_CHARS} letters, digits, - and _"


def check_name(name: str) -> str:
    """Return the name.

    Raises:
        InvalidOptionError: If CloudWatch does not accept it.

    """
    if problem := problem_with(name):
        raise _core.InvalidOptionError("dashboard", problem)
    return name


def default_name(namespace: str) -> str:
    """The name of the dashboard of a namespace, if the user gives none."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", namespace).strip("-")[:MAX_CHARS] or "Locust"


def dashboard_name(given: object, namespace: str) -> str | None:
    """The name of the dashboard for a value of the option; None for no dashboard."""
    # In environment variables and the web UI's form, every value is text.
    text = str(given).lower()
    if text in ("none", "false"):
        return None
    return default_name(namespace) if text in ("true", DEFAULT) else str(given)
