"""`--cw-baseline`: a test is compared with a recorded run at its end, and with `locust-cw compare` later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from support.fixtures import Aws, Locust
from support.fleet import Fleet
from support.in_process import command
from support.locust_run import NO_KEYS
from support.proxy import error, hang
from support.recorded_runs import recorded_run
from support.report_page import ReportPage
from support.servers import Target, get, wait_until
from support.web import Web

LONG = "34s"
"""A comparison needs 30 s of measured time."""

RUN = "20261122T110301Z-7f3a"
# As `paced.py` fires them: GET /0 and GET /1, of 1 to 1,000 ms.
PACED: dict[str, str | None] = {"RATE": "20", "NAMES": "2"}


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """A spool folder with the baseline `main`: a run with the load of `paced.py`, and much shorter response times."""
    folder = tmp_path / "spool"
    recorded_run(folder, "base", names=2, rate=20, factor=0.2)
    set_baseline(tmp_path, folder, "base", "main")
    return folder


def set_baseline(home: Path, spool: Path, run_id: str, name: str) -> None:
    done = command(home, "baseline", "set", run_id, name, "--local", env={"LOCUST_CW_SPOOL_DIR": str(spool)})
    assert done.exit_code == 0, done


def dry(locust: Locust, spool: Path, *args: str, env: dict[str, str | None] | None = None, **how: Any) -> Any:
    """A test without AWS."""
    options = ["--cw-dry-run", f"--cw-spool-dir={spool}"]
    return locust.start("paced.py", "--host", "http://paced.test", *options, *args, env=PACED | (env or {}), **how)


@pytest.mark.long
def test_two_tests_of_a_service_that_became_slower(locust: Locust, target: Target, tmp_path: Path) -> None:
    """Two real tests with the same load: the one with the longer response times is slower, and not the other one."""
    spool = tmp_path / "spool"
    runs = {
        name: locust.start(
            "constant.py", "-u4", "-r4", f"-t{LONG}", "--host", target.url, "--cw-dry-run", f"--cw-spool-dir={spool}",
            f"--cw-run-id={name}", env={"DELAY": delay},
        )
        for name, delay in (("quick", "40"), ("slow", "160"))
    }  # fmt: skip
    for run in runs.values():
        run.wait(120)
    env = {"LOCUST_CW_SPOOL_DIR": str(spool)} | NO_KEYS
    done = command(tmp_path, "compare", "quick", "slow", "--json", env=env)
    assert done.exit_code == 3, done
    rows = {each["measure"]: each for each in json.loads(done.out)["rows"] if each["request"] is None}
    # On a busy machine, the highest percentiles of both vary much.
    assert rows["p50"]["verdict"] == "slower"
    assert rows["p50"]["change"] == pytest.approx(3.0, abs=1.2)
    assert command(tmp_path, "compare", "slow", "quick", env=env).exit_code == 0


@pytest.mark.long
def test_a_regression_sets_exit_code_3(locust: Locust, spool: Path, tmp_path: Path) -> None:
    files = [f"--cw-junit={tmp_path / 'results.xml'}", f"--cw-summary={tmp_path / 'summary.md'}"]
    checks = ["--cw-check=requests > 100", "--cw-report=report", *files]
    run = dry(locust, spool, "-u1", f"-t{LONG}", "--cw-baseline=main", *checks).wait(120)
    assert run.exit_code == 3, run.output
    assert "Exit code 3: the run is slower than its baseline" in run.err
    assert "\nChecks: 1 passed\n" in run.err
    assert "\nComparison with main: slower (requests: 2 slower)\n" in run.err
    page = ReportPage.read(run.folder / "report" / "report.html")
    page.check_self_contained()
    assert page.headings[1] == "Comparison with main (base): slower"
    assert {"p50", "p95", "p50, baseline", "p95, baseline"} <= page.charts("Load and target")["Response time"].keys()
    # The receipt has no failed check.
    assert [check["verdict"] for check in run.receipt["checks"]] == ["passed"]
    suites = etree.parse(tmp_path / "results.xml").getroot()
    assert [suite.get("name") for suite in suites] == ["checks", "comparison"]
    assert {failure.get("type") for failure in suites.iterfind(".//failure")} == {"slower"}
    text = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "## Load test " in text
    assert "## ❌ Comparison with main " in text


@pytest.mark.long
def test_a_change_within_the_maximum_is_no_regression(locust: Locust, spool: Path) -> None:
    recorded_run(spool, "near", names=2, rate=20, factor=4.0)
    args = ["--cw-baseline=near", "--cw-max-regression=200%", "--exit-code-on-error=0"]
    runs = [dry(locust, spool, "-u1", f"-t{LONG}", *args)]
    # Another load at the same time: there is no verdict, whatever the response times are.
    args = ["--cw-baseline=main", "--exit-code-on-error=0"]
    runs.append(dry(locust, spool, "-u1", f"-t{LONG}", *args, env={"RATE": "40"}))
    for run in runs:
        run.wait(120)
        assert run.exit_code == 0, run.output
        assert not run.logged_problems()
    tolerated, loaded = runs
    assert "count as the same." in tolerated.err
    assert "The load differed by 1" in loaded.err
    assert "Comparison with main: undecided" in loaded.err


@pytest.mark.long
def test_the_master_compares_the_requests_of_its_fleet(locust: Locust, spool: Path) -> None:
    options = ["--cw-dry-run", f"--cw-spool-dir={spool}", "--cw-baseline=main", "--host", "http://paced.test"]
    fleet = Fleet(
        locust, *options, "-u2", "-r2", f"-t{LONG}", "--exit-code-on-error=0", workers=2, locustfile="paced.py",
        env=PACED | {"RATE": "10"}, worker_env=PACED | {"RATE": "10"},
    )  # fmt: skip
    for run in fleet.processes:
        run.wait(120)
    assert fleet.master.exit_code == 3, fleet.master.output
    assert "\nComparison with main: slower (requests: 2 slower)\n" in fleet.master.err
    assert not any("Comparison" in worker.output for worker in fleet.workers)


def test_a_short_test_has_no_verdict(locust: Locust, spool: Path, tmp_path: Path) -> None:
    junit = f"--cw-junit={tmp_path / 'results.xml'}"
    run = dry(locust, spool, "-u1", "-t3s", "--cw-baseline=base", "--exit-code-on-error=0", junit).wait()
    assert run.exit_code == 0, run.output
    assert "Comparison with base: undecided" in run.err
    assert "a comparison needs at least 30 s after the warm-up." in run.err
    (suite,) = etree.parse(tmp_path / "results.xml").getroot()
    assert suite.get("failures") == "0"


def test_a_base_without_a_usable_summary_does_not_affect_the_other_results(locust: Locust, spool: Path) -> None:
    path = spool / ".records" / "base.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"summary": {"x": 1}}))
    run = dry(locust, spool, "-u1", "-t2s", "--cw-baseline=main", "--cw-check=requests > 0").wait()
    assert run.exit_code == 0, run.output
    assert "\nChecks: 1 passed\n" in run.err
    (error_message,) = run.logged_problems()
    assert error_message.startswith("The run was not compared with main: the summary of run base cannot be read: ")
    assert "\nComparison with main: none\n" in run.err


def test_a_baseline_that_is_not_set_yet_is_a_warning(locust: Locust, tmp_path: Path) -> None:
    """The first run of a branch has none: the message says how to set it."""
    junit = f"--cw-junit={tmp_path / 'results.xml'}"
    run = dry(locust, tmp_path / "spool", "-u1", "-t2s", "--cw-baseline=feature/a b", junit, "--exit-code-on-error=0")
    assert run.exit_code == 0, run.output
    assert run.logged_problems() == ["There is no baseline feature/a b yet, so this test is not compared"]
    assert "\nComparison with feature/a b: none\n" in run.err
    assert f"locust-cw baseline set {run.receipt['run_id']} 'feature/a b'" in run.err
    assert etree.parse(tmp_path / "results.xml").find(".//skipped") is not None


def test_a_run_id_that_is_not_known_ends_the_test_before_any_load(locust: Locust, tmp_path: Path) -> None:
    run = dry(locust, tmp_path / "spool", "-u1", "-t20s", f"--cw-baseline={RUN}").wait()
    assert run.exit_code == 1, run.output
    assert f"The test was not started: --cw-baseline: there is no record of a run {RUN}" in run.err
    assert run.receipt["requests"]["observed"] == 0


@pytest.mark.parametrize("strict", [False, True])
def test_a_baseline_that_cannot_be_read_stops_only_a_strict_test(aws: Aws, locust: Locust, *, strict: bool) -> None:
    """Otherwise, it is read again after the test."""
    aws.proxy.on("GetLogEvents", error("AccessDeniedException", 400, "no"))
    args = ["--cw-live", "--cw-baseline=main", "--host", "http://paced.test", "--exit-code-on-error=0"]
    args += ["--cw-strict"] if strict else []
    run = locust.run("paced.py", "-u1", "-t3s", *args, env=PACED)
    assert run.exit_code == (1 if strict else 0), run.output
    assert ("The test was not started: --cw-baseline: " in run.err) == strict
    if not strict:
        first, last = run.logged_problems()
        assert first.startswith("The base of --cw-baseline main could not be read: ")
        assert last.startswith("The run was not compared with main: ")
        assert "\nComparison with main: none\n" in run.err
        run.receipt.check_delivered()


def test_a_cloudwatch_that_hangs_does_not_hold_up_the_load(aws: Aws, locust: Locust) -> None:
    aws.proxy.on("GetLogEvents", hang)
    run = locust.run("paced.py", "-u1", "-t2s", "--cw-live", "--cw-baseline=main", "--host", "http://p.test", env=PACED)
    run.receipt.check_delivered()
    assert "\nComparison with main: none\n" in run.err
    assert "The run was not compared with main: " in run.err


def test_a_test_of_the_web_ui_is_compared(locust: Locust, spool: Path) -> None:
    """The tab shows the result soon after the stop, and the report has it: the receipt follows at the end of Locust."""
    options = ["--cw-dry-run", f"--cw-spool-dir={spool}", "--cw-baseline=main", "--cw-report=report"]
    web = Web(locust, "paced.py", *options, env=PACED)

    def status() -> dict[str, Any]:
        return dict(json.loads(get(f"{web.url}/cloudwatch/status")))

    web.swarm(1, "http://paced.test")
    assert status()["comparison"] is None
    web.stop()
    wait_until(lambda: status()["comparison"] and status()["has_report"], "the comparison and the report")
    shown = status()["comparison"]
    assert (shown["verdict"], shown["text"].partition(" (")[0]) == ("undecided", "Comparison with main: undecided")
    assert b"Comparison with" in get(f"{web.url}/cloudwatch/report")
    web.run.shut_down()
    assert web.run.exit_code in (0, 1)
    assert "\nComparison with main: undecided" in web.run.err


def test_a_disabled_test_is_not_compared(locust: Locust, spool: Path) -> None:
    run = dry(locust, spool, "-u1", "-t2s", "--cw-baseline=main", "--cw-disable", "--exit-code-on-error=0")
    run.wait()
    assert run.exit_code == 0
    assert run.logged_problems() == ["This test is not judged: publishing is disabled (--cw-disable)"]
    assert "Comparison" not in run.err


def test_a_pipeline_keeps_a_baseline_for_each_branch(aws: Aws, locust: Locust, target: Target, tmp_path: Path) -> None:
    """A test on one machine, its baseline, and a test on another machine that is compared with it."""
    env: dict[str, str | None] = {"LOCUST_CW_RECORD": None, "DELAY": "10"}
    args = ["-u2", "-r2", "-t3s", "--cw-live", "--host", target.url]
    first = locust.run("constant.py", *args, "--cw-run-id=build-1", env=env)
    assert first.exit_code == 0, first.output
    machine = {"LOCUST_CW_ENDPOINT_URL": aws.proxy.url, "LOCUST_CW_LOG_GROUP": aws.cloudwatch.log_group}
    assert command(tmp_path, "baseline", "set", "build-1", "main", env=machine).exit_code == 0
    second = locust.run("constant.py", *args, "--cw-run-id=build-2", "--cw-baseline=main", env=env)
    assert second.exit_code == 0, second.output
    assert "Comparison with main: undecided" in second.err
    assert "\nbase  build-1  " in second.err
    wait_until(lambda: aws.cloudwatch.events("runs/build-2"), "the record is in CloudWatch Logs")
    # A third machine charts both.
    (tmp_path / "third").mkdir()
    done = command(tmp_path / "third", "compare", "main", "build-2", "--out", "changes", env=machine)
    assert done.exit_code == 0, done
    assert done.out.endswith("\nchanges/report.html\n")
    page = ReportPage.read(tmp_path / "third" / "changes" / "report.html")
    page.check_self_contained()
    assert page.headings[1] == "Comparison with main (build-1): undecided"
    assert {"p95", "p95, baseline"} <= page.charts("Load and target")["Response time"].keys()
