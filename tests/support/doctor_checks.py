"""The checks in the JSON output of `locust-cw doctor`."""

from __future__ import annotations

import json


def checks_by_name(output: str, *, ok: bool) -> dict[str, dict[str, str | None]]:
    """The checks by their names, which are unique; only failed checks have a remedy."""
    result = json.loads(output)
    assert result["ok"] == ok
    checks = {each["name"]: each for each in result["checks"]}
    assert len(checks) == len(result["checks"])
    for each in checks.values():
        assert bool(each["remedy"]) == (each["state"] == "failed"), each
        assert "--cw-" not in str(each["text"])
    return checks


def states(checks: dict[str, dict[str, str | None]], state: str) -> set[str]:
    """The names of the checks in a state."""
    return {name for name, each in checks.items() if each["state"] == state}
