"""Starts Locust with one command line after the other, each in a process of its own, and tells how each ended.

    starts.py LOCUSTFILE '[["--option=value"], ...]'

It prints a JSON list of [exit code, standard error]. What takes most of the time, to import Locust, is done once: the
processes are forked after it, as Locust forks its own workers; on Windows each imports it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import traceback

import locust.main


def start(arguments: list[str]) -> tuple[int, str]:
    """Run Locust with these arguments until it ends."""
    if sys.platform == "win32":
        command = [sys.executable, "-m", "locust", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                sys.argv = ["locust", *arguments]
                locust.main.main()
                code = 0
            except SystemExit as leaving:
                code = leaving.code if isinstance(leaving.code, int) else 1
            except BaseException:  # noqa: BLE001 - whatever it is ends this process, with what Python says of it
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        err.seek(0)
        return os.waitstatus_to_exitcode(status), err.read().decode()


locustfile, command_lines = sys.argv[1:]
print(json.dumps([start(["-f", locustfile, *arguments]) for arguments in json.loads(command_lines)]))
