"""A master and a worker that use Locust as a library: `scripts/library_fleet.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from support.fixtures import Aws
from support.locust_run import clean_environment
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
    arguments = [sys.executable, str(SCRIPTS / "library_fleet.py")]
    port = str(free_port())
    env = clean_environment(folder, AWS_ENDPOINT_URL=aws.proxy.url)
    worker = subprocess.Popen([*arguments, "worker", port, json.dumps(own)], env=env | worker_env)
    with ending(worker):
        master = subprocess.run(
            [*arguments, "master", port, json.dumps(tests)],
            env=env, stdout=subprocess.PIPE, text=True, timeout=90, check=True,
        )  # fmt: skip
        assert worker.wait(30) == 0
    printed: list[dict[str, Any]] = json.loads(master.stdout)
    return printed
