"""The baselines that this machine knows: one file next to the records."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from locust_cw._runs.baselines import FORMAT, Baseline, newest_of
from locust_cw._runs.folder import baselines_file, records_folder
from locust_cw._runs.folder_lock import locked

if TYPE_CHECKING:
    from collections.abc import Iterable


def local_baselines(spool_dir: str | None = None) -> dict[str, Baseline]:
    """The baselines of this machine by name. A file that cannot be read has none."""
    try:
        content = json.loads(baselines_file(records_folder(spool_dir)).read_text(encoding="utf-8"))
        entries = content["baselines"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return {}
    found = map(Baseline.from_fields, entries if isinstance(entries, list) else ())
    return newest_of(each for each in found if each is not None)


def update_local(spool_dir: str | None, *, add: Iterable[Baseline] = (), remove: Iterable[str] = ()) -> None:
    """Change the baselines of this machine.

    Args:
        spool_dir: The spool folder of the tests.
        add: Baselines, which replace those with the same names.
        remove: Names, whose baselines are removed first.

    Raises:
        OSError: If the file cannot be written.

    """
    folder, removed = records_folder(spool_dir), set(remove)
    with locked(folder):
        known = {name: each for name, each in local_baselines(spool_dir).items() if name not in removed}
        known |= {each.name: each for each in add}
        path = baselines_file(folder)
        part = path.with_name(f"{path.name}.part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"format": FORMAT, "baselines": [each.as_fields() for each in known.values()]}, file, indent=2)
        part.replace(path)
