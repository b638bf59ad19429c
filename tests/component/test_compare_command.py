"""`locust-cw compare`: two recorded runs of this or of other machines, or a run and a baseline."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from support.fixtures import Aws
from support.in_process import Done, command
from support.proxy import error
from support.recorded_runs import machine, recorded_run
from support.report_page import ReportPage

KEYS = {"request", "measure", "base", "run", "change", "interval", "verdict", "why"}
OFFLINE = {"AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with records: `base` and `equal` differ by 1 %, and `slow` has 30 % longer response times."""
    folder = tmp_path_factory.mktemp("records")
    for run_id, factor in (("base", 1.0), ("equal", 1.01), ("slow", 1.3)):
        recorded_run(folder, run_id, factor=factor, names=2, rate=40)
    return folder


@pytest.fixture
def here(records: Path, tmp_path: Path) -> Path:
    """A machine with these records."""
    shutil.copytree(records, tmp_path / "here" / "spool")
    return tmp_path / "here"


def compare(folder: Path, *args: str, **env: str) -> Done:
    """Compare runs without AWS."""
    folder.mkdir(exist_ok=True)
    return command(folder, "compare", *args, env={"LOCUST_CW_SPOOL_DIR": str(folder / "spool")} | OFFLINE | env)


def shown(done: Done) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(done.out)
    return fields


def row(fields: dict[str, Any], request: str | None, measure: str) -> dict[str, Any]:
    (found,) = [each for each in fields["rows"] if (each["request"], each["measure"]) == (request, measure)]
    return dict(found)


def test_a_slower_run_sets_exit_code_3(here: Path) -> None:
    done = compare(here, "base", "slow", "--json")
    assert done.exit_code == 3
    fields = shown(done)
    assert list(fields) == ["base", "run", "verdict", "rows"]
    assert (fields["base"], fields["run"], fields["verdict"]) == ("base", "slow", "slower")
    assert all(each.keys() >= KEYS for each in fields["rows"])
    assert len(fields["rows"]) == 5 * 3
    p50 = row(fields, "GET /1", "p50")
    assert p50["verdict"] == "slower"
    assert p50["change"] == pytest.approx(0.3, abs=0.1)
    assert p50["interval"][0] < p50["change"] < p50["interval"][1]
    text = compare(here, "base", "slow")
    assert text.exit_code == 3
    assert text.out.startswith("Comparison with base: slower (requests: 2 slower)\nbase  base  2")
    assert max(map(len, text.out.splitlines())) <= 100


def test_a_run_that_is_the_same_or_faster_sets_exit_code_0(here: Path) -> None:
    same, faster = compare(here, "base", "equal", "--json"), compare(here, "slow", "base", "--json")
    assert (same.exit_code, faster.exit_code) == (0, 0)
    assert shown(faster)["verdict"] == "faster"
    assert shown(same)["verdict"] == "same"


def test_the_tolerance_decides_what_is_slower(here: Path) -> None:
    done = compare(here, "base", "slow", "--tolerance", "50%", "--json")
    assert (done.exit_code, shown(done)["verdict"]) == (0, "same")


LOAD = "The load differed by 50 %: 40.0 requests/s in the base and 60.0 in the run."
SHORT = "The measured time of the run is 20 s: a comparison needs at least 30 s after the warm-up."
GENERATOR = "The load generator was the bottleneck in the run: a process used 97 % of a CPU core."


@pytest.mark.parametrize(
    ("how", "reasons"),
    [
        ({"rate": 60}, [LOAD]),
        ({"seconds": 20}, [SHORT]),
        ({"cpu": 97.0}, [GENERATOR]),
        ({"cpu": 97.0, "rate": 60}, [GENERATOR, LOAD]),
        ({"cpu": 97.0, "seconds": 20}, [SHORT, GENERATOR]),
    ],
    ids=["load", "short", "generator", "generator and load", "short and generator"],
)
def test_runs_that_are_not_comparable_have_no_verdict_on_times(
    here: Path, how: dict[str, Any], reasons: list[str]
) -> None:
    """Each reason is given once, and the exit code is 0."""
    recorded_run(here / "spool", "other", factor=1.5, names=2, **{"rate": 40, **how})
    done = compare(here, "base", "other")
    assert done.exit_code == 0
    assert done.out.startswith("Comparison with base: undecided")
    text = " ".join(done.out.split())
    assert [text.count(reason) for reason in reasons] == [1] * len(reasons), done.out
    rows = shown(compare(here, "base", "other", "--json"))["rows"]
    assert {each["verdict"] for each in rows if each["measure"] == "p95"} == {"undecided"}
    assert all(each["why"] for each in rows if each["verdict"] == "undecided")


def test_the_results_are_written_to_files(here: Path, tmp_path: Path) -> None:
    done = compare(here, "base", "slow", "--junit", "comparison.xml", LOCUST_CW_SUMMARY=str(tmp_path / "summary.md"))
    assert done.exit_code == 3
    assert etree.parse(here / "comparison.xml").find(".//failure").get("type") == "slower"
    assert "## ❌ Comparison with base: slower" in (tmp_path / "summary.md").read_text()
    (tmp_path / "full").symlink_to("/dev/full")
    assert compare(here, "base", "equal", "--junit", str(tmp_path / "full")).exit_code == 1


def test_a_report_has_the_table_and_the_lines_of_both_runs(here: Path) -> None:
    """From the runs' own numbers, if CloudWatch has none."""
    done = compare(here, "base", "slow", "--out", "changes")
    assert (done.exit_code, done.err) == (3, "")
    assert done.out.endswith("\nchanges/report.html\n")
    page = ReportPage.read(here / "changes" / "report.html")
    page.check_self_contained()
    assert page.headings[:2] == ["Load test slow", "Comparison with base: slower"]
    verdicts = {(row["Request"], row["Measure"]): row["Verdict"] for row in page.table("Comparison")}
    assert verdicts["All requests", "requests/s"] == ""
    assert {"p50", "p50, baseline"} <= page.charts("Load and target")["Response time"].keys()
    (here / "full").symlink_to("/dev/full")
    refused = compare(here, "base", "slow", "--out", "full")
    assert refused.exit_code == 1
    assert "the report could not be written: " in refused.err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("base",), "RUN"),
        (("base", "slow", "--tolerance", "5"), "argument --tolerance: must be a percentage such as 10%"),
        (("base", "slow", "--tolerance", "0%"), "above 0"),
        (("base", "slow", "--junit", "gone/x.xml"), "argument --junit: there is no folder for gone/x.xml"),
    ],
)
def test_a_wrong_argument_sets_exit_code_2(here: Path, args: tuple[str, ...], words: str) -> None:
    done = compare(here, *args)
    assert (done.exit_code, done.out) == (2, "")
    assert words in done.err


def test_a_run_without_a_usable_record_cannot_be_compared(here: Path) -> None:
    done = compare(here, "base", "unknown")
    assert done.exit_code == 1
    assert "there is no record of a run unknown" in done.err
    path = here / "spool" / ".records" / "equal.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"summary": {}}))
    done = compare(here, "base", "equal")
    assert (done.exit_code, done.out) == (1, "")
    assert "the record of run equal has no summary" in done.err


# Baselines


def test_a_baseline_of_this_machine_needs_no_aws(here: Path) -> None:
    set_here = command(
        here, "baseline", "set", "base", "main", "--local", env={"LOCUST_CW_SPOOL_DIR": str(here / "spool")}
    )
    assert set_here.exit_code == 0
    done = compare(here, "main", "slow")
    assert (done.exit_code, done.err) == (3, "")
    assert done.out.startswith("Comparison with main: slower")
    assert "\nbase  base  2" in done.out


def test_another_machine_compares_with_a_baseline(aws: Aws, here: Path, tmp_path: Path) -> None:
    """It has no spool, and both records are in CloudWatch Logs."""
    aws.cloudwatch.logs.create_log_group(logGroupName=aws.cloudwatch.log_group)
    for run_id, name in (("base", "main"), ("slow", "feature/cart")):
        assert command(here, "baseline", "set", run_id, name, env=machine(aws, here)).exit_code == 0
    elsewhere = tmp_path / "elsewhere"
    done = command(elsewhere, "compare", "main", "feature/cart", "--json", env=machine(aws, elsewhere))
    assert (done.exit_code, done.err) == (3, "")
    assert (shown(done)["base"], shown(done)["run"]) == ("base", "slow")
    # A log group of the class INFREQUENT_ACCESS.
    aws.proxy.on("GetLogEvents", error("InvalidOperationException", 400))
    done = command(elsewhere, "compare", "main", "slow", "--json", env=machine(aws, elsewhere))
    assert (done.exit_code, done.err) == (3, "")


def test_a_baseline_whose_record_is_gone_is_an_error(aws: Aws, here: Path) -> None:
    aws.cloudwatch.logs.create_log_group(logGroupName=aws.cloudwatch.log_group)
    assert command(here, "baseline", "set", "base", "main", env=machine(aws, here)).exit_code == 0
    (here / "spool" / ".records" / "base.json").unlink()
    aws.cloudwatch.logs.delete_log_stream(logGroupName=aws.cloudwatch.log_group, logStreamName="runs/base")
    done = command(here, "compare", "main", "slow", env=machine(aws, here))
    assert done.exit_code == 1
    assert "the run of the baseline main has no record any more: there is no record of a run base" in done.err


def test_if_aws_refuses_to_read_baselines_runs_of_this_machine_can_be_compared(aws: Aws, here: Path) -> None:
    aws.proxy.on("GetLogEvents", error("AccessDeniedException", 400))
    done = command(here, "compare", "base", "slow", env=machine(aws, here))
    assert (done.exit_code, done.err) == (3, "")
    done = command(here, "compare", "main", "slow", env=machine(aws, here))
    assert done.exit_code == 1
    assert "the baselines in CloudWatch Logs could not be read: " in done.err
