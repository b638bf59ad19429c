"""A master and a worker that use Locust as a library: `scripts/library_fleet.py`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from support.fixtures import Aws
from support.locust_run import clean_environment, launch_library, run_library
from support.paths import SCRIPTS
from support.servers import ending, free_port


def receipts(
    folder: Path, aws: Aws, tests: Sequence[Mapping[str, Any]], own: Mapping[str, Any], **worker_env: str
) -> list[dict[str, Any]]:
    """The receipts of the master, as JSON.

    Args:
        folder: The home folder of both.
        aws: Both publish there by default.
        tests: The options of `attach` of each test, on the master.
        own: The options of `attach` on the worker.
        worker_env: More environment variables of the worker.

    """
    script, port = SCRIPTS / "library_fleet.py", str(free_port())
    home = {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "state"), "AWS_ENDPOINT_URL": aws.proxy.url}
    folders = [folder / "master", folder / "worker"]
    for each in folders:
        each.mkdir()
    worker = launch_library(
        folders[1], script, "worker", port, json.dumps(own), env=clean_environment(folders[1], **home, **worker_env)
    )
    with ending(worker.process):
        master = run_library(folders[0], script, "master", port, json.dumps(tests), env=home)
        assert master.exit_code == 0, master.err
        assert worker.exit_code == 0, worker.err
    printed: list[dict[str, Any]] = json.loads(master.out)
    return printed
