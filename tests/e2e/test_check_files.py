"""`--cw-junit`, `--cw-summary` and `locust-cw check` after a test: the same results everywhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lxml import etree

from support.commands import run as run_command
from support.fixtures import Locust
from support.locust_run import NO_KEYS
from support.scripted import play
from support.servers import Target

CHECKS = ["requests == 45", "POST /c: failures == 0", "p99 < 1s"]
"""The run of `play` meets the first one, does not meet the second one, and has too few requests for the third one."""
OPTIONS = [f"--cw-check={check}" for check in CHECKS]


def test_the_files_have_the_results_of_the_receipt(locust: Locust, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("# Build\n")
    run = play(
        locust,
        tmp_path,
        "--cw-dry-run",
        *OPTIONS,
        f"--cw-junit={tmp_path / 'checks.xml'}",
        f"--cw-summary={summary}",
        env=NO_KEYS,
    )
    assert run.exit_code == 3, run.output
    verdicts = {check["expression"]: check["verdict"] for check in run.receipt["checks"]}
    assert verdicts == dict(zip(CHECKS, ("passed", "failed", "undecided"), strict=True))
    assert "\nChecks: 1 passed, 1 failed, 1 undecided\n" in run.err

    suite = etree.parse(tmp_path / "checks.xml").find("testsuite")
    cases = {case.get("name"): case.find("failure") for case in suite.findall("testcase")}
    assert {name: "passed" if found is None else found.get("type") for name, found in cases.items()} == verdicts
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("# Build\n\n## Load test ")
    assert all(f"{verdict} | `{expression}` |" in text for expression, verdict in verdicts.items())


def test_the_command_gives_the_verdicts_of_the_test(locust: Locust, tmp_path: Path) -> None:
    run = play(locust, tmp_path, "--cw-dry-run", *OPTIONS, env=NO_KEYS)
    output = json.loads(run_command(run.folder, "check", run.receipt["run_id"], *CHECKS, "--json", code=3))
    assert output["verdict"] == "failed"
    known = ("expression", "verdict", "measured", "limit", "unit", "reason")
    assert [{key: check[key] for key in known} for check in output["checks"]] == [
        {key: check[key] for key in known} for check in run.receipt["checks"]
    ]


@pytest.mark.parametrize("option", ["--cw-junit", "--cw-summary"])
def test_a_full_disk_is_an_error_in_the_log_and_nothing_else(locust: Locust, tmp_path: Path, option: str) -> None:
    run = play(locust, tmp_path, "--cw-dry-run", OPTIONS[0], f"{option}=/dev/full", env=NO_KEYS)
    assert run.exit_code == 0, run.output
    assert "locust-cw could not write the results to /dev/full: No space left on device" in run.err
    assert "\nChecks: 1 passed\n" in run.err
    assert "Traceback" not in run.err


def test_a_test_without_checks_writes_no_files(locust: Locust, tmp_path: Path) -> None:
    run = play(locust, tmp_path, "--cw-dry-run", f"--cw-junit={tmp_path / 'checks.xml'}", env=NO_KEYS)
    assert "Checks:" not in run.err
    assert not (tmp_path / "checks.xml").exists()


def test_files_without_checks_are_a_warning_at_the_start(locust: Locust, target: Target) -> None:
    run = locust.run("paced.py", "--cw-dry-run", "-t", "1s", "--host", target.url, "--cw-junit", "checks.xml")
    (warning,) = run.logged_problems()
    assert warning == "--cw-junit and --cw-summary have no effect: the test has no --cw-check or --cw-baseline"
    assert not (run.folder / "checks.xml").exists()
