"""Runs all benchmarks and prints one table: `make bench`.

    python benches/table.py [--wheel FILE] [--criterion target/criterion] [--only load calls ...] [--markdown FILE]

Each benchmark prints its measurements. Results of `cargo bench` are read from the files of Criterion; missing ones are
left out of the table.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import figures
from figures import Figure

HERE = Path(__file__).parent
IMAGES = HERE.parent / "docs" / "images"

# Scripts, and options other than their defaults. All of them take twenty minutes.
SCRIPTS: dict[str, list[str]] = {
    "parts": [],
    "load": [],
    "hook": [],
    "cold": [],
    "checks": [],
    "live": ["--turns", "31"],
    "calls": ["--plot", str(IMAGES / "calls.png")],
    "memory": [],
    "accuracy": [],
    "weight": [],
}

# Criterion results: folder, elements per iteration, label, and target.
SAMPLES, REQUESTS = 60_000, 1_000_000
CRITERION: list[tuple[str, int, str, float]] = [
    ("samples/to windows", SAMPLES, "samples/s from queue to closed windows, one core", 2_000_000),
    ("samples/to windows and log events", SAMPLES, "samples/s from queue to windows and log events, one core", 0),
    (
        "a million requests/recorded and delivered, live",
        REQUESTS,
        "log events/s from record to the response of PutLogEvents",
        300_000,
    ),
]
DRAIN, DRAIN_TARGET_S = "a million requests/drained at the end", 10

# Rows of hook.py and their labels. The first table is the quiet one, the second is next to a busy thread.
HOOK = {
    "locust-cw, metrics": "the hook, metrics",
    "locust-cw, metrics and logs": "the hook, metrics and logs",
    "locust-cw, while AWS does not respond": "the hook, while AWS does not respond",
}
HOOK_TARGET = 1.5


def main() -> int:
    """Run, print and write; return 0 if each benchmark ran, regardless of its results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheel", type=Path, help="the release wheel, to measure its size")
    parser.add_argument(
        "--criterion",
        type=Path,
        default=HERE.parent / "target" / "criterion",
        help="where `cargo bench` left its results",
    )
    parser.add_argument("--only", nargs="+", choices=SCRIPTS, default=list(SCRIPTS), help="run only these")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table as Markdown too")
    arguments = parser.parse_args()

    begun = time.monotonic()
    lines: list[Figure] = []
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="locust-cw-bench-") as folder:
        for script in arguments.only:
            options = [*SCRIPTS[script]]
            if script == "weight" and arguments.wheel:
                options += ["--wheel", str(arguments.wheel)]
            print(f"\n--- {script}.py", flush=True)
            if script == "hook":
                output, code = shown([sys.executable, str(HERE / "hook.py"), *options])
                lines += of_hook(output)
                lines += of_criterion(arguments.criterion)
            else:
                file = Path(folder) / f"{script}.json"
                _, code = shown([sys.executable, str(HERE / f"{script}.py"), "--json", str(file), *options])
                lines += figures.read(file) if file.exists() else []
            failed += [f"{script}.py"] if code else []

    title = f"Measured on {dt.datetime.now(tz=dt.UTC):%d %B %Y}, {machine()}"
    print(f"\n{title}, in {(time.monotonic() - begun) / 60:.0f} minutes\n")
    print_table(lines)
    if arguments.markdown:
        arguments.markdown.write_text(f"{title}.\n\n{markdown(lines)}", encoding="utf-8")
    if failed:
        print(f"\nFailed: {', '.join(failed)}; see the output above.")
    return 1 if failed else 0


def shown(command: list[str]) -> tuple[str, int]:
    """Run a command, print its output, and return output and exit code."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own files
        assert process.stdout  # noqa: S101 - a pipe
        output = []
        for line in process.stdout:
            print(line, end="", flush=True)
            output.append(line)
    return "".join(output), process.returncode


def of_hook(output: str) -> list[Figure]:
    """The ratios that hook.py printed, relative to an empty Python listener."""
    lines = []
    for number, part in enumerate(output.strip().split("\n\n")[1:]):
        beside = ", next to a busy Python thread" if number else ""
        for row in part.splitlines()[1:]:
            match = re.fullmatch(r"(?P<what>.+?)\s+[\d,.-]+\s+[\d,.-]+\s+(?P<ratio>[\d.-]+)", row)
            if match and match["what"] in HOOK:
                ratio = float(match["ratio"])
                # The targets are for the hook itself, not for the competition for the GIL.
                target = "" if number else f"at most {HOOK_TARGET}"
                met = None if number else ratio <= HOOK_TARGET
                name = f"{HOOK[match['what']]}{beside}, in empty listeners"
                lines.append(Figure(name, f"{ratio:.2f}", target, met))
    return lines


def of_criterion(folder: Path) -> list[Figure]:
    """The last results of Criterion."""
    lines = []
    for what, elements, name, target in CRITERION:
        if (seconds := estimate_s(folder / what)) is not None:
            rate = elements / seconds
            met = rate >= target if target else None
            lines.append(Figure(name, f"{rate:,.0f}", f"at least {target:,}" if target else "", met))
    if (seconds := estimate_s(folder / DRAIN)) is not None:
        name = "drain of 1,000,000 recorded requests"
        lines.append(Figure(name, f"{seconds:.1f} s", f"at most {DRAIN_TARGET_S}", seconds <= DRAIN_TARGET_S))
    return lines


def estimate_s(folder: Path) -> float | None:
    """Criterion's median time of an iteration; None if not measured."""
    file = folder / "new" / "estimates.json"
    if not file.exists():
        return None
    return float(json.loads(file.read_text(encoding="utf-8"))["median"]["point_estimate"]) / 1e9


def machine() -> str:
    """The machine and versions of the measurement."""
    model = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return f"{os.cpu_count()} x {model[1] if model else platform.machine()}, Python {platform.python_version()}"


def met(figure: Figure) -> str:
    """Whether the target was met."""
    return {True: "yes", False: "NO", None: ""}[figure.met]


def print_table(lines: list[Figure]) -> None:
    """Print the table to the terminal."""
    rows = [("figure", "measured", "target", "met", "others"), *map(columns, lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip())


def columns(figure: Figure) -> tuple[str, ...]:
    """The cells of a row."""
    return figure.name, figure.measured, figure.target, met(figure), figure.peers


def markdown(lines: list[Figure]) -> str:
    """The table as Markdown."""
    rows = [("figure", "measured", "target", "met", "others"), ("---",) * 5, *map(columns, lines)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    sys.exit(main())
