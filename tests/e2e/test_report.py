"""`locust-cw report`: its charts, its findings, and the runs that it refuses."""

from __future__ import annotations

import json
import re
import statistics
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from locust_cw._aws.metric_data import LATE_S
from support.commands import commanding
from support.commands import run as run_command
from support.fixtures import Aws, Locust
from support.fleet import timeline
from support.locust_run import NO_KEYS, LocustRun, run_python
from support.paths import TESTS
from support.proxy import error
from support.report_page import ReportPage
from support.servers import REGION, Target, serving

CAPACITY, THREADS, SERVICE_S, THINK_S = 100.0, 4, 0.04, 0.1


# The command.

HOSTILE = "<img src=x onerror=alert(1)>"  # in stepped.py, too
CPU, QUEUE = "metric:App/CPUUtilization{Pool=web}:Maximum", "metric:App/QueueLength{Pool=web}:Maximum"


def report(run: LocustRun, *args: str, env: dict[str, str | None] | None = None) -> LocustRun:
    with commanding(run.folder, "report", *args, env=env) as command:
        command.wait()
    assert "Traceback" not in command.output, command.output
    return command


@pytest.fixture
def saturating(ministack: str) -> Iterator[str]:
    """The URL of a service with a capacity of `CAPACITY`."""
    script = TESTS / "support" / "saturating.py"
    arguments = [ministack, REGION, "App", str(THREADS), str(SERVICE_S)]
    with serving(script, *arguments) as port:
        yield f"http://127.0.0.1:{int(port)}"


def size_of(png: Path) -> tuple[int, int]:
    data = png.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert data.rstrip().endswith(b"IEND\xaeB`\x82")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


@pytest.mark.long
def test_the_report_of_a_test_that_saturates_its_target(aws: Aws, locust: Locust, saturating: str) -> None:
    """The marked point is within a step of the capacity. The page shows the metrics of the target, too."""
    run = locust.run("stepped.py", "--cw-live", "--host", saturating, "--cw-target", CPU)
    run.receipt.check_delivered()
    run_id = run.receipt["run_id"]
    folder = run.folder / "out"
    command = report(run, run_id, "--out", str(folder), "--target", QUEUE, "--json")
    assert command.exit_code == 0, command.output
    findings = json.loads(command.out)
    assert findings["run_id"] == run_id

    found = findings["saturation"]
    assert found["state"] == "reached", found
    # On a busy machine each of its threads is slower: what it can is what it did with the most users.
    rates = timeline(aws.proxy.calls(), "RequestCount", Host=saturating).items()
    capacity = statistics.median(sum(values) for second, values in rates if second >= findings["started"] + 17)
    assert capacity > CAPACITY / 3
    assert found["users"] == pytest.approx(THREADS + capacity * THINK_S, abs=4)
    assert found["requests_per_s"] == pytest.approx(capacity, abs=4 / (SERVICE_S + THINK_S))
    # The first step beyond capacity, as a rule the fourth, of 16 users.
    step = next(number for number, users in enumerate((4, 8, 12, 16, 20, 28)) if users >= found["users"])
    assert found["time"] - findings["started"] == pytest.approx(4 * step, abs=4)
    assert 1.25 * found["latency_before_ms"] < found["latency_after_ms"]

    assert findings["total"]["requests"] == run.receipt["requests"]["observed"]
    assert {row["name"]: row["requests"] for row in findings["names"]} == run.stats.requests
    percentiles = aws.cloudwatch.statistics("ResponseTime_ms", ["p50", "p95", "p99"], Host=saturating).percentiles
    assert {name: findings["total"]["response_time_ms"][name] for name in percentiles} == pytest.approx(percentiles)
    assert findings["highest"]["users"] == 28
    assert findings["notes"] == []
    # The threads of the target are busy, and the load generator is not.
    assert findings["resources"].startswith("At saturation: App/CPUUtilization{Pool=web}:Maximum ")
    assert "App/CPUUtilization{Pool=web}:Maximum reached its limit first" in findings["resources"]
    assert len(findings["slowest"]) == 10
    assert findings["slowest"][0]["response_time_ms"] >= findings["total"]["response_time_ms"]["p99"]
    assert findings["drawn"]["Metrics of the target"] == [CPU.removeprefix("metric:"), QUEUE.removeprefix("metric:")]
    assert findings["drawn"]["Load"][:3] == ["Requests", "Response time", "Users"]

    assert findings["files"] == [
        str(folder / name) for name in ("report.html", "load-and-target.png", "saturation.png")
    ]
    page = ReportPage.read(folder / "report.html")
    page.check_self_contained()
    assert page.headings[0] == f"Load test {run_id}"
    assert HOSTILE in [row["Name"] for row in page.table("Requests by name")]
    assert page.verdict[0].startswith("The target saturates at")
    assert page.verdict[1] == findings["resources"]
    for name in ("load-and-target.png", "saturation.png"):
        width, height = size_of(folder / name)
        assert 1200 <= width <= 2400
        assert 400 <= height <= 4000
        assert (folder / name).stat().st_size > 20_000

    # Without a run it is the newest, and for people.
    command = report(run)
    assert command.exit_code == 0, command.output
    assert re.search(r"The target saturates at \d+ requests/s, with \d+ users", command.out)
    assert (command.folder / f"report-{run_id}" / "report.html").exists()


SHORT = ("shop.py", "--cw-live", "-u", "2", "-t", "3s")


def test_verify_and_report_agree_about_requests_that_ended_after_the_stop(locust: Locust, tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps([{"names": ["/late"], "times": [5], "repeat": 20, "at": time.time() + LATE_S - 1}]))
    run = locust.run("scripted.py", "--host", "http://late.test", env={"SCRIPT": str(script)})
    run.receipt.check_delivered()
    assert json.loads(run_command(run.folder, "verify", "--json"))["complete"]
    command = report(run, "--json")
    assert command.exit_code == 0, command.output
    findings = json.loads(command.out)
    assert "Requests" in findings["drawn"]["Load"]
    assert not [note for note in findings["notes"] if "requests" in note]


def test_a_very_short_run_with_several_hosts(locust: Locust, target: Target) -> None:
    """Each host has its own percentiles, because they cannot be combined.

    A note names a target that cannot be shown.
    """
    other = target.url.replace("127.0.0.1", "localhost")
    run = locust.run("several_hosts.py", "-u", "4", "--cw-live", module="locust_cw", env={"TARGET": target.url})
    command = report(run, "--json", "--target", "sqs:no-such-queue")
    assert command.exit_code == 0, command.output
    findings = json.loads(command.out)
    hosts = {row["host"]: row for row in findings["names"] if not row["name"]}
    assert set(hosts) == {target.url, other}
    assert sum(row["requests"] for row in hosts.values()) == findings["total"]["requests"] == run.stats.requests.total()
    assert findings["total"]["failures"] == run.stats.failures.total()
    assert findings["total"]["response_time_ms"]["p95"] is None
    assert all(row["response_time_ms"]["p95"] for row in hosts.values())
    assert [note for note in findings["notes"] if "sqs:no-such-queue is not shown" in note]
    assert findings["saturation"]["state"] == "unknown"
    ReportPage.read(findings["files"][0]).check_self_contained()


def refused(run: LocustRun, *args: str, code: int = 1, **how: Any) -> str:
    """Run a report that is refused: one line gives the reason, and nothing is written."""
    command = report(run, *args, **how)
    assert command.exit_code == code, command.output
    assert not list(command.folder.glob("report-*"))
    assert command.err.startswith("locust-cw: error: ")
    assert command.err.count("\n") == 1
    return command.err


def record_of(run: LocustRun) -> Path:
    return next((run.folder / "state").rglob(f"{run.receipt['run_id']}.json"))


def test_each_refusal_says_what_to_do(aws: Aws, locust: Locust, target: Target, tmp_path: Path) -> None:
    """The exit code is 1, or 2 for an invalid argument."""
    run = locust.run(*SHORT, "--host", target.url)
    assert "no record of a run no-such-run" in refused(run, "no-such-run")
    said = refused(run, "--spool-dir", str(tmp_path / "empty"))
    assert "no record of any run" in said
    assert "on that machine" in said
    assert "no such kind of target" in refused(run, "--target", "toaster:x", code=2)
    assert "--cw-" not in refused(run, "--target", "ec2:x", code=2)

    aws.proxy.on("GetMetricData", error("AccessDenied", 403, "not authorized to perform: cloudwatch:GetMetricData"))
    said = refused(run)
    assert "AccessDenied" in said
    assert "IAM policy" in said
    aws.proxy.stop_faults()
    said = refused(run, env=NO_KEYS)
    assert "credentials" in said
    assert "--profile" in said
    assert "--cw-" not in said
    elsewhere = report(run, "--region", "eu-west-1")
    assert elsewhere.exit_code == 0, elsewhere.output
    assert "region eu-west-1" in elsewhere.out
    assert "some minutes" in elsewhere.out
    assert "from the run's own numbers" in elsewhere.out
    assert report(run, "--out", str(record_of(run) / "x")).exit_code == 1


def test_without_matplotlib_the_report_has_no_pngs(locust: Locust, target: Target) -> None:
    """The page needs Jinja2 only, which comes with Locust. Findings as JSON need neither."""
    run = locust.run(*SHORT, "--host", target.url)

    def without(module: str, *args: str) -> subprocess.CompletedProcess[str]:
        code = f"import sys; sys.modules['{module}'] = None; from locust_cw._cli.main import main; sys.exit(main())"
        return run_python(run.folder, "-c", code, "report", *args, timeout=60)

    done = without("matplotlib", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"] == []
    done = without("matplotlib", "--out", "plain")
    assert done.returncode == 0, done.stderr
    assert "pip install 'locust-cw[report]'" in done.stdout
    assert [file.name for file in (run.folder / "plain").iterdir()] == ["report.html"]
    done = without("jinja2")
    assert done.returncode == 1
    assert "pip install 'locust-cw[report]'" in done.stderr


def test_the_report_of_a_run_without_data_gives_the_reason(locust: Locust, target: Target) -> None:
    """As far as the record shows it. The test changes it to records of other runs, of a version without a summary."""
    run = locust.run(*SHORT, "--host", target.url)
    file = record_of(run)
    record = json.loads(file.read_text())

    def changed(**fields: Any) -> str:
        file.write_text(json.dumps(record | {"summary": {}} | fields))
        return refused(run)

    def account(**numbers: int) -> dict[str, int]:
        return dict.fromkeys(record["receipt"]["requests"], 0) | numbers

    def receipt(requests: dict[str, int], log_events: dict[str, int]) -> dict[str, Any]:
        return {**record["receipt"], "requests": requests, "log_events": log_events}

    def earlier(days: int) -> dict[str, float]:
        return {name: record[name] - days * 86_400 for name in ("started", "stopped")}

    elsewhere = record["options"] | {"namespace": "Elsewhere"}
    assert "--region, --profile or --endpoint-url" in changed(**earlier(1))
    assert "15 months" in changed(**earlier(500))
    assert "dry run" in changed(options=record["options"] | {"dry_run": True})
    assert "queried namespace Elsewhere" in changed(options=elsewhere)
    waiting = receipt(account(observed=9, spooled=9), account())
    assert f"locust-cw replay {file.stem}" in changed(options=elsewhere, receipt=waiting)
    only_logs = receipt(account(observed=9, rejected=9), account(observed=9, delivered=9))
    assert "Only its log events were delivered" in changed(options=elsewhere, receipt=only_logs)
    assert "made no requests" in changed(series=[], receipt=receipt(account(), account()))
    gone = record["options"] | {"local": True, "endpoint_url": "http://127.0.0.1:9"}
    assert "stopped with the test" in changed(options=gone, destination={})
    file.write_text("{")
    assert "cannot be read" in refused(run)


def test_the_command_needs_neither_locust_nor_matplotlib_to_start(tmp_path: Path) -> None:
    probe = (
        "import sys; import locust_cw._cli.report;"
        "sys.exit(any(name in sys.modules for name in ('locust', 'gevent', 'jinja2', 'matplotlib', 'numpy')))"
    )
    assert run_python(tmp_path, "-c", probe, timeout=60).returncode == 0


def test_a_report_says_that_some_data_is_undelivered(aws: Aws, locust: Locust, target: Target) -> None:
    """The charts lack the data that is not in CloudWatch yet, and a note says so."""
    run = locust.run(*SHORT, "--host", target.url)
    record_file = record_of(run)
    record = json.loads(record_file.read_text())
    for series in record["series"]:
        series["requests"] *= 2
    record["receipt"]["requests"]["spooled"] = record["series"][0]["requests"]
    record_file.write_text(json.dumps(record))
    command = report(run)
    assert command.exit_code == 0, command.output
    assert f"locust-cw replay {record['run_id']}" in command.out
    # And with more than the run made, another one was there.
    for series in record["series"]:
        series["requests"] //= 4
    record_file.write_text(json.dumps(record))
    assert "another run against the same host" in report(run).out
    assert len(aws.proxy.calls("GetMetricData")) >= 4
