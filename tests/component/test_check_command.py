"""`locust-cw check`: a past run is judged by the summary in its record."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from locust_cw import _core
from locust_cw._runs.record import Record
from support.fixtures import Aws
from support.in_process import command
from support.servers import REGION

RUN = "20261122T110301Z-7f3a"
HOST = "http://shop.test"
SECONDS = 20


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """A spool folder with the record of a run: 2,000 requests to `/a` of 1 to 200 ms, and 20 failures of `/b`."""
    return recorded(tmp_path / "spool")


def recorded(folder: Path, **options: Any) -> Path:
    started = time.time() // 1 - 60
    settings = {"dry_run": True, "spool_dir": str(folder), **options}
    publisher = _core.Publisher(
        settings, run_id=RUN, worker="w", host=HOST, measured_from=started + options.get("warmup", 0.0)
    )
    for number in range(2000):
        ms = number % 200 + 1
        # Completed in the middle of each hundredth of a second.
        ended = started + (number + 0.5) * SECONDS / 2000
        publisher.record("GET", "/a", ms, 10, start_time=ended - ms / 1000)
    for number in range(20):
        publisher.record("POST", "/b", 9, exception=OSError("no"), start_time=started + number * SECONDS / 20)
    receipt = publisher.finish()
    summary = publisher.statistics.summary().to_json()
    Record(
        RUN,
        settings,
        started,
        stopped=started + SECONDS,
        host=HOST,
        receipt=json.loads(receipt.json),
        series=receipt.series,
        summary=summary,
    ).write()
    return folder


def check(spool: Path, *args: str, run: str = RUN, **env: str) -> Any:
    """Run the command. The environment has the spool folder."""
    return command(spool.parent, "check", run, *args, env={"LOCUST_CW_SPOOL_DIR": str(spool), **env})


def test_a_run_that_meets_all_conditions(spool: Path) -> None:
    done = check(spool, "p95 < 300ms", "GET /a: failures == 0", "rps >= 100", "requests >= 2020")
    assert (done.exit_code, done.err) == (0, "")
    headline, *lines = done.out.splitlines()
    assert headline == "Checks: 4 passed"
    assert [line.split()[0] for line in lines] == ["passed"] * 4
    assert [line.split(maxsplit=2)[1:] for line in lines[2:]] == [
        ["100/s", "rps >= 100"],
        ["2,020", "requests >= 2020"],
    ]


@pytest.mark.parametrize(
    ("expression", "verdict"),
    [
        ("p95 < 100ms", "failed"),
        ("failures < 0.5%", "failed"),
        ("POST /b: p95 < 300ms", "undecided"),
        ("/nowhere: max < 1s", "undecided"),
        ("p99.9 < 1s", "undecided"),
        ("generator: cpu < 90%", "undecided"),
    ],
)
def test_a_check_that_has_not_passed_sets_exit_code_3(spool: Path, expression: str, verdict: str) -> None:
    done = check(spool, "max < 1s", expression)
    assert done.exit_code == 3
    assert done.out.startswith(f"Checks: 1 passed, 1 {verdict}\n")
    assert f"{verdict} " in done.out.splitlines()[-1]


def test_json_has_the_keys_of_the_receipt(spool: Path) -> None:
    done = check(spool, "--json", "GET /a: p50 < 50ms")
    assert done.exit_code == 3
    output = json.loads(done.out)
    assert (output["run_id"], output["verdict"], output["notes"]) == (RUN, "failed", [])
    (result,) = output["checks"]
    assert list(result) == ["expression", "verdict", "measured", "limit", "first_breach", "unit", "reason"]
    assert result["measured"] == pytest.approx(100, rel=0.01)
    assert (result["limit"], result["unit"], result["first_breach"]) == (50.0, "ms", None)


def test_the_results_are_written_to_files(spool: Path, tmp_path: Path) -> None:
    done = check(spool, "p95 < 100ms", "--junit", "checks.xml", LOCUST_CW_SUMMARY=str(tmp_path / "summary.md"))
    assert done.exit_code == 3
    assert etree.parse(tmp_path / "checks.xml").find(".//failure").get("type") == "failed"
    assert f"## Load test {RUN}: 1 failed" in (tmp_path / "summary.md").read_text()


def test_a_file_that_cannot_be_written_is_an_error(spool: Path, tmp_path: Path) -> None:
    (tmp_path / "full").symlink_to("/dev/full")
    done = check(spool, "p95 < 300ms", "--junit", str(tmp_path / "full"))
    assert done.exit_code == 1
    assert done.out.startswith("Checks: 1 passed")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("p95 < 300",), "argument EXPRESSION: expected a time such as 300ms"),
        (("p95 < 300ms", "bogus:x Average < 1 < 2"), "argument EXPRESSION: "),
        (("bogus:x: CPUUtilization Average < 1",), "there is no such kind of target"),
        (("rds:db: CPUUtilisation Average < 1", ""), "argument EXPRESSION: "),
        (("p95 < 300ms", "failures < 1%", "p95<0.3s"), "argument EXPRESSION: the condition p95 < 300ms appears twice"),
        (("[p95 < 300ms, failures < 1%]",), "argument EXPRESSION: a check is not a list: write each check separately"),
        (("p95 < 300ms", "--junit", "gone/checks.xml"), "argument --junit: there is no folder for gone/checks.xml"),
    ],
)
def test_a_malformed_argument_sets_exit_code_2(spool: Path, args: tuple[str, ...], words: str) -> None:
    done = check(spool, *args)
    assert (done.exit_code, done.out) == (2, "")
    assert words in done.err


def test_the_run_id_comes_first(spool: Path) -> None:
    done = check(spool, "failures < 1%", run="p95 < 300ms")
    assert done.exit_code == 2
    assert "'p95 < 300ms' is not a run ID: give the run ID before the expressions" in done.err
    assert check(spool).exit_code == 2


def test_a_run_without_a_usable_record_cannot_be_judged(spool: Path) -> None:
    done = check(spool, "p95 < 300ms", run="other")
    assert done.exit_code == 1
    assert "there is no record of a run other" in done.err
    (file,) = (spool / ".records").glob("*.json")
    record = json.loads(file.read_text())
    for summary, words in (({}, "has no summary"), ({"x": 1}, "cannot be read")):
        file.write_text(json.dumps(record | {"summary": summary}))
        done = check(spool, "p95 < 300ms")
        assert (done.exit_code, done.out) == (1, "")
        assert words in done.err


def test_the_warm_up_of_the_run_does_not_count(tmp_path: Path) -> None:
    spool = recorded(tmp_path / "spool", warmup=10.0)
    done = check(spool, "requests == 1010", "rps == 100")
    assert done.exit_code == 0, done
    assert done.out.endswith("\nThe first 10 s of the test do not count (--cw-warmup).\n")


def test_a_target_is_read_from_cloudwatch(aws: Aws, tmp_path: Path) -> None:
    """Also one that the test did not have."""
    spool = recorded(tmp_path / "spool", endpoint_url=aws.proxy.url, region=REGION)
    (file,) = (spool / ".records").glob("*.json")
    started = json.loads(file.read_text())["started"]
    for second in range(-60, 120, 20):
        datum = {"MetricName": "Queue", "Timestamp": started + second, "Value": 7.0}
        aws.cloudwatch.metrics.put_metric_data(Namespace="App", MetricData=[datum])
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    target = "metric:App/Queue:Maximum"
    done = check(spool, f"{target}: Queue Maximum < 10", f"{target}: Queue Maximum < 5", **keys)
    assert done.exit_code == 3, done
    assert done.out.startswith("Checks: 1 passed, 1 failed\n")
    assert done.out.count(" 7  metric:App") == 2


@pytest.mark.parametrize("region", ["", REGION])
def test_reasons_name_the_options_of_the_command(aws: Aws, tmp_path: Path, region: str) -> None:
    """It has no --cw-region, and cannot wait for data."""
    spool = recorded(tmp_path / "spool")
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "LOCUST_CW_SPOOL_DIR": str(spool)}
    options = ["--endpoint-url", aws.proxy.url, *(["--region", region] if region else [])]
    expressions = ["rds:db: CPUUtilization Average < 80", "sqs:q: Unlisted Sum < 1"]
    no_region: dict[str, str | None] = {
        "AWS_REGION": None,
        "AWS_DEFAULT_REGION": None,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    done = command(spool.parent, "check", RUN, *expressions, *options, env=keys | no_region)
    assert done.exit_code == 3, done
    reasons = done.out.split("\n", 1)[1]
    assert "--region" in reasons
    assert not re.search("--cw-|check-wait", reasons)
    assert ("repeat the command later" in reasons) == bool(region)
