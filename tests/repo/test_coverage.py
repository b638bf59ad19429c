"""The coverage report has both languages and the lines that were not reached, and no line of a test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from coverage import CoverageData

from support.paths import TESTS

SCRIPT = TESTS / "coverage_report.py"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, lines in {"src/queue.rs": 6, "src/aws/publish.rs": 3, "python/locust_cw/_hooks.py": 4}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("".join(f"line_{number} = {number}\n" for number in range(1, lines + 1)))
    data = CoverageData(basename=str(tmp_path / "data"))
    data.add_lines({str(tmp_path / "python/locust_cw/_hooks.py"): {1, 2, 4}})
    data.close()
    return tmp_path


def lcov(project: Path, binary: str, ran: Mapping[str, Mapping[int, int]]) -> Path:
    """The output of llvm-cov: how often each executable line ran, by file."""
    path = project / f"{binary}.lcov"
    files = {str(project / name): counts for name, counts in ran.items()}
    files["/elsewhere/registry/serde/src/lib.rs"] = {1: 0, 2: 7}
    path.write_text(
        "".join(
            f"SF:{name}\nFN:1,{name}\nFNDA:1,{name}\n"
            + "".join(f"DA:{line},{count}\n" for line, count in counts.items())
            + f"BRF:0\nLF:{len(counts)}\nend_of_record\n"
            for name, counts in files.items()
        )
    )
    return path


def report(project: Path, *binaries: Path) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [sys.executable, SCRIPT, "--html", "html", "data", *binaries]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60, check=False)


def rows(report: str) -> dict[str, list[str]]:
    return {words[0]: words[1:] for words in map(str.split, report.splitlines()) if len(words) > 3}


def test_the_report_has_both_languages_and_the_lines_that_were_not_reached(project: Path) -> None:
    module = lcov(project, "module", {"src/queue.rs": {1: 4, 2: 0, 3: 0, 4: 0}, "src/aws/publish.rs": {1: 0, 3: 0}})
    tests = lcov(project, "tests", {"src/queue.rs": {1: 0, 2: 3, 3: 0, 4: 0}})
    done = report(project, module, tests)
    assert (done.returncode, done.stderr) == (0, "")
    covered = rows(done.stdout)
    assert covered["python/locust_cw/_hooks.py"] == ["4", "1", "75%", "3"]
    assert covered["src/queue.rs"] == ["4", "2", "50%", "3-4"]
    assert covered["src/aws/publish.rs"] == ["2", "2", "0%", "1-3"]
    assert "elsewhere" not in done.stdout
    assert "Rust and Python: 50.0 %" in done.stdout
    pages = "".join(page.read_text() for page in (project / "html").glob("*.html"))
    assert all(name in pages for name in ("queue.rs", "publish.rs", "_hooks.py"))


def test_lines_of_the_tests_themselves_do_not_count(project: Path) -> None:
    module = lcov(project, "module", {"src/queue.rs": {1: 1, 2: 0}})
    tests = lcov(project, "tests", {"src/queue.rs": {1: 0, 2: 0, 5: 9, 6: 9}})
    assert rows(report(project, module, tests).stdout)["src/queue.rs"] == ["2", "1", "50%", "2"]


def test_a_module_without_an_executed_line_is_an_error(project: Path) -> None:
    """The tests ran with another module then, and the report would be wrong."""
    module = lcov(project, "module", {"src/queue.rs": {1: 0, 2: 0}})
    done = report(project, module, lcov(project, "tests", {"src/queue.rs": {1: 5}}))
    assert done.returncode == 1
    assert "no line ran" in done.stderr
