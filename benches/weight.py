"""Measures the size of the wheel, and the time that its import adds to Locust's.

    python benches/weight.py [--wheel dist/locust_cw-....whl] [--interpreters 21] [--json FILE]

The import is timed in fresh interpreters that have imported Locust and find bytecode, as after an installation. The
modules of a session are imported later, when Locust has read the command line, and are timed separately.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import figures
from figures import Figure

WHEEL_TARGET_MB = 6
IMPORT_TARGET_MS = 30
TIMED = """
import gc, time
begun = time.perf_counter()
import locust
collecting = []
gc.callbacks.append(lambda *_: collecting.append(time.perf_counter()))
between = time.perf_counter()
import locust_cw
imported = time.perf_counter()
collected = sum(collecting[1::2]) - sum(collecting[::2])
import locust_cw._plugin.session
print(between - begun, imported - between, collected, time.perf_counter() - imported)
"""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheel", type=Path, help="the wheel; without it, the native module is measured")
    parser.add_argument("--interpreters", type=int, default=21, help="number of interpreters (default: %(default)s)")
    figures.add_option(parser)
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="locust-cw-bench-") as bytecode:
        # The first interpreter writes the bytecode.
        times = [timed(bytecode) for _ in range(arguments.interpreters + 1)][1:]
    locusts, added, collecting, session = (statistics.median(each) * 1000 for each in zip(*times, strict=True))
    lowest = min(own for _, own, _, _ in times) * 1000
    print(f"import locust {locusts:.0f} ms; import locust_cw adds {added:.1f} ms, at best {lowest:.1f}")
    print(f"{collecting:.1f} ms of it is the garbage collector, which goes through what Locust's import has made")
    print(f"before the first test starts, {session:.1f} ms for what publishes it")
    lines = [
        Figure(
            "`import locust_cw`, added to Locust's import",
            f"{added:.0f} ms",
            f"at most {IMPORT_TARGET_MS}",
            added <= IMPORT_TARGET_MS,
            f"`import locust`: {locusts:.0f} ms",
        ),
        Figure("... and for the rest, before the first test", f"{session:.0f} ms"),
    ]
    if arguments.wheel:
        megabytes = arguments.wheel.stat().st_size / 1e6
        print(f"{arguments.wheel.name}: {megabytes:.2f} MB")
        lines.append(Figure("wheel", f"{megabytes:.2f} MB", f"at most {WHEEL_TARGET_MB}", megabytes <= WHEEL_TARGET_MB))
    figures.write(arguments.json, lines)
    return 0


def timed(bytecode: str) -> tuple[float, float, float, float]:
    """Seconds to import Locust and then locust_cw, its share of garbage collection, and the modules of a session."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    ended = subprocess.run(  # noqa: S603 - our own lines
        [sys.executable, "-c", TIMED],
        env=environment | {"PYTHONPYCACHEPREFIX": bytecode},
        capture_output=True,
        text=True,
        check=True,
    )
    locusts, added, collecting, session = map(float, ended.stdout.split())
    return locusts, added, collecting, session


if __name__ == "__main__":
    sys.exit(main())
