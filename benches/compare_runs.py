"""Measures how often real runs without a difference are called slower or faster.

    python benches/compare_runs.py [--pairs 30] [--seconds 36] [--users 10] [--json FILE]

Pairs of Locust tests, one after the other, put the same load on the demo's shop on this machine. The second run of each
pair is compared with the first one. Nothing is sent to AWS. 30 pairs of 36 s take 45 minutes.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from locust_cw import _core
from locust_cw._runs.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

DEMO = Path(__file__).resolve().parents[1] / "examples" / "demo"
WARMUP_S = 3
MAX_SHARE = 0.05
"""Of the pairs, with a verdict of slower or faster."""


@contextmanager
def shop() -> Iterator[str]:
    """The service under test, in a process of its own: its URL."""
    command = [sys.executable, str(DEMO / "target.py")]
    with subprocess.Popen(  # noqa: S603 - the demo's own file
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None  # noqa: S101 - a pipe
        yield process.stdout.readline().strip()
        process.communicate()  # which closes its input, so that it exits


def test(url: str, run_id: str, spool: str, *, seconds: int, users: int) -> Record:
    """Run a test, and read its record."""
    options = {
        "locustfile": DEMO / "locustfile.py",
        "host": url,
        "users": users,
        "spawn-rate": users,
        "run-time": f"{seconds}s",
        "cw-run-id": run_id,
        "cw-spool-dir": spool,
        "cw-warmup": WARMUP_S,
    }
    arguments = [f"--{option}={value}" for option, value in options.items()]
    command = [sys.executable, "-m", "locust", "--headless", "--only-summary", "--cw-dry-run", *arguments]
    done = subprocess.run(  # noqa: S603 - our own options
        command, check=False, capture_output=True, text=True, env={**os.environ, "LOCUST_CW_RECORD": "local"}
    )
    # The shop fails now and then, and then Locust exits with 1.
    if done.returncode not in {0, 1}:
        sys.exit(done.stderr)
    return Record.read(run_id, spool)


def compared(base: Record, run: Record) -> _core.Comparison:
    """Compare two runs."""
    (base_begin, base_end), (begin, end) = (each.measured_time(time.time()) for each in (base, run))
    return _core.compare_runs(base.load_summary(), base_end - base_begin, run.load_summary(), end - begin)


def main() -> None:
    """Run the tests, and print a line for each pair and the sum."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--seconds", type=int, default=36)
    parser.add_argument("--users", type=int, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    verdicts: collections.Counter[str] = collections.Counter()
    pairs = []
    with shop() as url, tempfile.TemporaryDirectory(prefix="locust-cw-bench-") as spool:
        for number in range(options.pairs):
            base, run = (
                test(url, f"pair-{number}-{part}", spool, seconds=options.seconds, users=options.users)
                for part in ("base", "run")
            )
            comparison = compared(base, run)
            verdicts[comparison.verdict] += 1
            rows = [row.fields for row in comparison.rows]
            pairs.append({"verdict": comparison.verdict, "reasons": comparison.reasons, "rows": rows})
            changes = [
                f"{row.request or 'all'} {row.measure} {row.change:+.1%} {row.verdict or ''}"
                for row in comparison.rows
                if row.change is not None and (row.request is None or row.verdict in {"slower", "faster"})
            ]
            reason = f" ({' '.join(comparison.reasons)})" if comparison.reasons else ""
            print(f"pair {number + 1}: {comparison.verdict}{reason}; {', '.join(changes)}", flush=True)
    wrong = verdicts["slower"] + verdicts["faster"]
    print(f"{dict(verdicts)}: {wrong / options.pairs:.0%} slower or faster, at most {MAX_SHARE:.0%} expected")
    if options.json:
        options.json.write_text(json.dumps(pairs), encoding="utf-8")


if __name__ == "__main__":
    main()
