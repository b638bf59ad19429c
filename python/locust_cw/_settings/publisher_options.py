"""The options of a `Publisher`: those that the program sets, and those of environment variables and files."""

from __future__ import annotations

import os
from typing import Any

from locust_cw._settings.sources import existing_files


def publisher_options(given: dict[str, Any]) -> dict[str, Any]:
    """Add the options of variables and files to the given ones. An opt-out applies wherever it is set.

    Raises:
        InvalidOptionError: If an option cannot be used, or a file cannot be read.

    """
    has_variables = any(name.startswith("LOCUST_CW_") for name in os.environ)
    if "disable" not in given and not has_variables and not existing_files():
        return given
    # Few programs need what is imported here, and it brings modules with it.
    from locust_cw._settings.table import NAMES_OF_PUBLISHER, Options  # noqa: PLC0415 - as said above

    options = Options(None, given, NAMES_OF_PUBLISHER)
    return {**options.core, "disable": options["disable"]}
