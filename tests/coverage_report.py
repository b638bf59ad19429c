"""What the tests reach, Rust and Python in one report. `make coverage` ends with this.

coverage.py draws it up: it takes files of other languages from plugins. The lines of Rust are those of the module. The
tests that stand beside the code are not in it: what they reach counts, and they themselves do not.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from coverage import Coverage, CoveragePlugin, FileReporter
from coverage.plugin_support import Plugins

Lines = dict[str, set[int]]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="coverage.py's data; the lines of Rust are added to it")
    parser.add_argument("module", type=Path, help="llvm-cov's lcov of the module")
    parser.add_argument("others", nargs="*", type=Path, help="the same of other binaries with the same sources")
    parser.add_argument("--html", type=Path, required=True, help="folder for the pages")
    given = parser.parse_args(arguments)

    module, by_python = read_lcov(given.module)
    if not any(by_python.values()):
        print(f"{given.module}: no line ran; was another module imported?", file=sys.stderr)
        return 1
    coverage = Coverage(data_file=str(given.data))
    coverage.set_option("run:plugins", ["coverage_report"])
    coverage.set_option("coverage_report:module", str(given.module))
    coverage.load()
    data = coverage.get_data()
    for ran in (by_python, *(read_lcov(path)[1] for path in given.others)):
        data.add_lines({file: ran[file] for file in module})
    data.add_file_tracers(dict.fromkeys(module, "coverage_report.Rust"))

    for language in ("python", "src"):
        coverage.report(include=f"{language}/*", show_missing=True, skip_covered=True)
        print()
    total = coverage.report(file=io.StringIO())
    coverage.html_report(directory=str(given.html), title="What the tests of locust-cw reach")
    print(f"Rust and Python: {total:.1f} % of the lines. {given.html / 'index.html'}")
    return 0


def read_lcov(path: Path) -> tuple[Lines, Lines]:
    """The lines of each file of this project that could run, and those that did."""
    could: Lines = defaultdict(set)
    ran: Lines = defaultdict(set)
    here = f"{Path.cwd()}/"
    file = ""
    for record in path.read_text(encoding="utf-8").splitlines():
        key, _, value = record.partition(":")
        if key == "SF":
            file = value
        elif key == "DA" and file.startswith(here):
            line, count, *_ = map(int, value.split(","))
            could[file].add(line)
            if count:
                ran[file].add(line)
    return could, ran


class RustFile(FileReporter):
    """A file as coverage.py asks for it."""

    def __init__(self, filename: str, lines: Iterable[int]) -> None:
        super().__init__(filename)
        self._lines = set(lines)

    def lines(self) -> set[int]:
        return self._lines


class Rust(CoveragePlugin):
    """Knows the files of the module."""

    def __init__(self, module: Path) -> None:
        self._could, _ = read_lcov(module)

    def file_reporter(self, filename: str) -> RustFile:
        return RustFile(filename, self._could[filename])


def coverage_init(registry: Plugins, options: dict[str, str]) -> None:
    """Where coverage.py asks this module for its plugin."""
    registry.add_file_tracer(Rust(Path(options["module"])))


if __name__ == "__main__":
    sys.exit(main())
