"""The output in a terminal: the startup summary, outages, the progress of the drain, and the receipt."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from support.fixtures import Aws, Locust
from support.fleet import Fleet, slowly
from support.locust_run import LOG_RECORD, LocustRun
from support.paced import HOST, LIVE, PACED, fired, stop
from support.proxy import Answer, Exchange, Fault, error, hang
from support.servers import REGION, wait_until
from support.terminal import SGR, Terminal, locust_in_terminal

RUN = r"\d{8}T\d{6}Z-[0-9a-f]{4}"
AWAY = error("ServiceUnavailable", 503)
BAR = r"CloudWatch \[#*\.*\] "
LEFT = r"[\d,]+ results left, "

InTerminal = Callable[..., AbstractContextManager[Terminal]]


@pytest.fixture
def in_terminal(aws: Aws, tmp_path: Path) -> InTerminal:
    return partial(locust_in_terminal, tmp_path / "terminal", *PACED, *aws.options, "-u1")


def lines_of(run: LocustRun, pattern: str) -> list[str]:
    """The messages of locust-cw that start with a text."""
    found = [record for record in LOG_RECORD.finditer(run.err) if record["logger"] == "locust_cw"]
    # After the last record there are other lines.
    messages = [record["message"].partition("\n")[0] for record in found]
    return [message for message in messages if re.match(pattern, message)]


def begun(locust: Locust, *options: str, **env: str | None) -> tuple[LocustRun, str]:
    """Start a test, and stop it after its startup summary. Returns the run and the summary."""
    run = locust.start(*PACED, "-u1", *options, env={"RATE": "50", **env})
    line = run.wait_for(r"/INFO/locust_cw: (Run .*)")[1]
    stop(run)
    run.wait()
    assert lines_of(run, "Run ") == [line]
    return run, line


def after(event: Event) -> Fault:
    """Calls are answered once the event is set."""

    def fault(exchange: Exchange) -> Answer:
        wait_until(lambda: event.is_set() or exchange.ended.is_set(), "the call is let through", 60)
        return exchange.forward(exchange.call)

    return fault


def receipts_in(text: str) -> int:
    return len(re.findall(r"^CloudWatch receipt for run ", SGR.sub("", text), re.MULTILINE))


# One line at the start


STARTS: dict[str, tuple[list[str], str]] = {
    "live": (
        ["--cw-live"],
        (
            rf"Run {RUN}, live, to CloudWatch at http://127\.0\.0\.1:\d+ in {REGION} as arn:aws:iam::000000000000:root:"
            r" metrics in namespace test-\w+, every request in log group /test-\w+\. At AWS it would cost about 0\.01"
            r" USD an hour, 0\.0021 more per request name and 0\.15 per million requests logged\."
        ),
    ),
    "at the end": ([], rf"Run {RUN}, published when the test stops, to .*about 0\.0034 USD an hour, "),
    "no logs": (["--cw-logs=off"], r".*, no logs\. At AWS .* more per request name\.$"),
    "failures": (["--cw-logs=failures"], r".*, failed requests in log group /test-\w+\."),
    "sample": (["--cw-log-sample=0.125"], r".*, failed requests and 12\.5 % of the others in log group /test-\w+\."),
    "compact": (["--cw-log-fields=compact"], r".* and 0\.098 per million requests logged\.$"),
    "hosts alone": (["--cw-dimensions=Host"], r".* USD an hour and 0\.15 per million requests logged\.$"),
    "another price": (
        ["--cw-region=ap-northeast-2", "--cw-log-class=INFREQUENT_ACCESS"],
        r".* in ap-northeast-2 .* 0\.12 per million",
    ),
    "dry run": (
        ["--cw-dry-run"],
        rf"Run {RUN}, dry run, nothing is sent: metrics in namespace test-\w+, every request .* cost about ",
    ),
}


@pytest.mark.parametrize(("options", "expected"), STARTS.values(), ids=STARTS)
def test_the_startup_summary_is_one_line(aws: Aws, locust: Locust, options: list[str], expected: str) -> None:
    run, line = begun(locust, *options)
    assert re.match(expected, line), line
    assert run.receipt["run_id"] in line
    if "--cw-dry-run" in options:
        assert not aws.proxy.calls()


def test_the_summary_of_an_unreachable_endpoint_contains_no_secret(locust: Locust) -> None:
    url = "http://user:hidden@127.0.0.1:9/?token=hidden"
    run, line = begun(locust, f"--cw-endpoint-url={url}", "--cw-drain-timeout=0")
    assert "hidden" not in run.output
    assert "at http://127.0.0.1:9/ in" in line
    assert "STS could not be reached" in line


def test_the_summary_names_missing_credentials_and_the_test_continues(locust: Locust) -> None:
    run, line = begun(locust, AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None)
    assert f"in {REGION} (no AWS credentials found: run 'locust-cw doctor')" in line
    assert run.receipt.check()["requests"]["observed"] > 0


def test_a_hanging_sts_delays_nothing(aws: Aws, locust: Locust) -> None:
    """The test makes requests in the meantime. After some seconds, the summary is logged without the identity."""
    aws.proxy.on("GetCallerIdentity", hang)
    run = locust.start(*PACED, *LIVE, "-u1", env={"RATE": "50"})
    logged = run.wait_for(r"(?m)^\[([\d-]+ [\d:]+),\d+\] .*/INFO/locust_cw: Run ")
    stop(run)
    assert run.exit_code == 0
    (line,) = lines_of(run, "Run ")
    assert fired(run, until=datetime.fromisoformat(logged[1]).timestamp()) > 0
    assert f"in {REGION} (identity unknown: no response from STS within 4 s): metrics in" in line
    run.receipt.check_delivered()


def test_a_test_that_ends_before_sts_answers_has_a_summary(aws: Aws, locust: Locust) -> None:
    aws.proxy.on("GetCallerIdentity", hang)
    run = locust.start(*PACED, "-u1", env={"RATE": "50"})
    wait_until(lambda: aws.proxy.calls("GetCallerIdentity"), "STS is asked")
    stop(run)
    run.wait()
    (line,) = lines_of(run, "Run ")
    # The test may end before the summary asks: the delivery asks STS, too.
    assert re.search(r"\(identity unknown: (no response from STS yet|the test ended first)\): metrics in", line)
    assert run.err.index(line) < run.err.index("CloudWatch receipt")


def test_only_the_master_logs_the_summary(locust: Locust) -> None:
    fleet = Fleet(locust, "-t2", "--cw-live", "-u2", workers=2)
    fleet.wait()
    (line,) = lines_of(fleet.master, "Run ")
    assert "USD an hour with 2 workers, " in line
    assert not any(lines_of(worker, "Run ") for worker in fleet.workers)


def test_the_debug_log_contains_each_call_and_no_secret(aws: Aws, locust: Locust) -> None:
    secret = "k3ySoSecret" * 3
    env = {"RATE": "50", "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": secret[::-1]}
    run = locust.start(*PACED, *LIVE, "-u1", "--loglevel=DEBUG", env=env)
    operations = ("PutMetricData", "PutLogEvents")
    wait_until(lambda: min(len(aws.proxy.calls(name)) for name in operations) > 1, "two calls of each")
    stop(run)
    run.wait()
    for name in operations:
        assert len(lines_of(run, f"{name}: ")) == len(aws.proxy.calls(name))
    assert secret not in run.output
    assert secret[::-1] not in run.output


# Trouble


def test_an_outage_is_logged_when_it_starts_and_when_it_ends(aws: Aws, locust: Locust) -> None:
    """However many calls fail in between."""
    run = locust.start(*PACED, *LIVE, "-u1", env={"RATE": "50"})
    wait_until(lambda: aws.cloudwatch.sum("RequestCount", Host=HOST), "publication began")
    aws.proxy.on("*", AWAY)
    before = len(aws.proxy.calls())
    wait_until(lambda: len(aws.proxy.calls()) >= before + 8, "many calls fail")
    aws.proxy.stop_faults()
    stop(run)
    run.wait()
    run.receipt.check_delivered()
    (begun,) = run.logged_problems()
    assert re.match(
        r"(PutMetricData|PutLogEvents|CreateLogGroup|CreateLogStream) .* failed with ServiceUnavailable \(HTTP 503\)",
        begun,
    )
    (ended,) = lines_of(run, "CloudWatch accepts data again after an outage of ")
    assert run.err.index(begun) < run.err.index(ended)


def test_a_master_logs_the_outages_of_its_workers(aws: Aws, locust: Locust) -> None:
    """Once when it starts, and once when it has ended for all workers, with their number and the cause.

    The master has no outage.
    """
    aws.proxy.on("PutMetricData", AWAY)
    aws.proxy.on("PutLogEvents", AWAY)
    where: dict[str, str | None] = {"AWS_ENDPOINT_URL": aws.proxy.url}
    master = [option for option in aws.options if "endpoint" not in option]
    fleet = Fleet(locust, *LIVE, "-u4", workers=2, options=master, env=where, worker_env=where)
    warning = fleet.master.wait_for(r"WARNING/locust_cw: (2 of 2 workers cannot publish\. .*)")
    cause = r"_[0-9a-f]{32}: (PutMetricData|PutLogEvents) .* ServiceUnavailable \(HTTP 503\)"
    assert re.search(cause, warning[1]), warning[1]
    aws.proxy.stop_faults()
    fleet.master.process.terminate()
    fleet.wait()
    assert len(re.findall("workers cannot publish", fleet.master.err)) == 1
    assert len(lines_of(fleet.master, r"All workers publish again after an outage of \d+ s\.")) == 1
    assert fleet.master.receipt["requests"]["delivered"] == fleet.master.receipt["requests"]["observed"] > 0


# The drain


def drained(screen: Terminal) -> dict[str, Any]:
    """The receipt of a process that has exited. Nothing of the progress bar is left."""
    assert screen.exit_code == 0
    assert "results left," not in screen.text
    assert receipts_in(screen.text) == 1
    fields: dict[str, Any] = json.loads((screen.folder / "receipt.json").read_text())
    return fields


def test_a_healthy_run(in_terminal: InTerminal) -> None:
    with in_terminal("--cw-live", "-t1") as screen:
        receipt = drained(screen)
        assert f"\nCloudWatch receipt for run {receipt['run_id']}: all delivered\n" in screen.text
        assert "\x1b[32mall delivered" in screen.colored
        assert len(re.findall(rf"Run {receipt['run_id']}, live, to CloudWatch at", screen.text)) == 1


@pytest.mark.long
def test_the_drain_has_a_bar(aws: Aws, in_terminal: InTerminal) -> None:
    """What is left, the rate, and the remaining time, in one row that disappears at the end."""
    aws.proxy.on("PutLogEvents", slowly(3))
    aws.proxy.on("CreateLogStream", slowly(3))
    with in_terminal("-t3", "--cw-drain-timeout=60", env={"RATE": "5000"}) as screen:
        screen.wait_for(rf"^CloudWatch \[\.+\] {LEFT}waiting for CloudWatch, Ctrl-C stops waiting$")
        wait_until(lambda: re.search(r"\x1b\[32m#+", screen.colored), "the bar is green")
        screen.wait_for(rf"^CloudWatch \[#+\.+\] {LEFT}[\d,]+/s, \d+ s to go, Ctrl-C stops waiting$")
        assert drained(screen)["log_events"]["spooled"] == 0


def test_the_bar_shows_why_calls_fail_and_the_rest_of_the_timeout(aws: Aws, in_terminal: InTerminal) -> None:
    """A log line has its own row."""
    aws.proxy.on("*", AWAY)
    with in_terminal("-t1", "--cw-drain-timeout=4", "--loglevel=DEBUG") as screen:
        bar = screen.wait_for(
            rf"^{BAR}{LEFT}retrying for \d s more, Ctrl-C stops waiting\n"
            r"  (PutMetricData|CreateLogStream) \(.*\.\.\.$"
        )
        assert all(len(row) < 100 for row in bar[0].split("\n"))
        receipt = drained(screen)
        logged = re.findall(
            r"^.*failed with ServiceUnavailable \(HTTP 503\): as the test ordered\..*$", screen.text, re.MULTILINE
        )
        begun = [line for line in logged if line.startswith("[2")]
        assert len(begun) > 3, "each call is logged, most of them while the progress bar is shown"
        assert all(re.match(r"\[[\d :,-]+\] \S+/(DEBUG|WARNING)/locust_cw: (Put|Create)", line) for line in begun)
        assert receipt["requests"]["spooled"] == receipt["requests"]["observed"] > 0


def test_a_narrow_terminal_has_rows_that_do_not_wrap(aws: Aws, in_terminal: InTerminal) -> None:
    """Also in the locale C."""
    aws.proxy.on("*", AWAY)
    env = {"LANG": "C", "LC_ALL": "C", "RATE": "2000"}
    with in_terminal("-t1", "--cw-drain-timeout=3", columns=40, env=env) as screen:
        screen.wait_for(r"results left")
        until = time.monotonic() + 1
        while time.monotonic() < until:
            rows = [row for row in screen.rows if row.strip()]
            bars = [number for number, row in enumerate(rows) if "results left" in row]
            assert len(bars) <= 1, rows
            for number in bars:
                assert re.fullmatch(r"(CloudWatch: )?[\d,]+ results left, retrying", rows[number])
                assert re.fullmatch(r"  (Put|Create)[^\n]*\.\.\.", rows[number + 1])
                assert rows[number + 2 :] == []
        drained(screen)


def test_no_color_disables_colors(aws: Aws, in_terminal: InTerminal) -> None:
    """Bar and receipt are shown without colors."""
    seen = Event()
    aws.proxy.on("PutLogEvents", after(seen))
    with in_terminal("-t1", "--cw-drain-timeout=60", env={"NO_COLOR": "1"}) as screen:
        screen.wait_for(rf"^{BAR}{LEFT}")
        assert not SGR.search(screen.colored)
        seen.set()
        drained(screen)
        assert not SGR.search(screen.colored)


def test_a_dumb_terminal_has_plain_lines(aws: Aws, in_terminal: InTerminal) -> None:
    aws.proxy.on("*", AWAY)
    with in_terminal("-t1", "--cw-drain-timeout=6", env={"TERM": "dumb"}) as screen:
        line = screen.wait_for(rf"^CloudWatch: {LEFT}retrying for \d s more: (Put|Create).*ServiceUnavailable.*$")
        assert screen.exit_code == 0
        assert line[0] in screen.text, "it is not drawn over"
        assert receipts_in(screen.text) == 1
        assert not SGR.search(screen.colored)


# Ctrl-C


@pytest.fixture
def hanging(aws: Aws, in_terminal: InTerminal, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    """A test that was stopped with Ctrl-C, and waits for a CloudWatch that does not respond."""
    aws.proxy.on("*", hang)
    with in_terminal(*LIVE, "--cw-drain-timeout=100", env=getattr(request, "param", {})) as screen:
        wait_until(lambda: aws.proxy.calls("PutMetricData", "CreateLogStream"), "a call that hangs")
        screen.press("C-c")
        screen.wait_for(rf"{LEFT}.*Ctrl-C stops waiting")
        yield screen


def check_spooled(screen: Terminal) -> None:
    receipt = drained(screen)
    requests = receipt["requests"]
    assert requests["spooled"] == requests["observed"] > 0
    shown = re.search(
        r"Ctrl-C: no longer waiting for CloudWatch\. ([\d,]+) results \(requests or log events\) "
        r"are left in the spool\. "
        rf"Send them with: locust-cw replay {receipt['run_id']}$",
        screen.text,
        re.MULTILINE,
    )
    assert shown, screen.text
    assert int(shown[1].replace(",", "")) >= requests["spooled"]
    assert shown.start() < screen.text.index("CloudWatch receipt for")
    # Ctrl-C may end a user or a greenlet of Locust, with and without locust-cw.
    for traceback in screen.text.split("Traceback (most recent call last)")[1:]:
        assert re.search(r"^KeyboardInterrupt\b", traceback, re.MULTILINE), screen.text
    assert "/locust_cw/" not in screen.text[screen.text.index("Shutting down") :]


def test_a_second_ctrl_c_shows_the_command_that_sends_the_rest(hanging: Terminal) -> None:
    hanging.press("C-c")
    check_spooled(hanging)


def test_a_third_ctrl_c_and_more_break_nothing(hanging: Terminal) -> None:
    """The receipt is complete, on the screen and in the file."""
    for _ in range(3):
        hanging.press("C-c")
    check_spooled(hanging)


@pytest.mark.parametrize("hanging", [{"LAST_CTRL_C": "1"}], ids=["last"], indirect=True)
def test_a_ctrl_c_at_the_very_end_breaks_nothing(hanging: Terminal) -> None:
    """The exit code is that of the test, also if the interpreter is shutting down."""
    hanging.press("C-c")
    check_spooled(hanging)


# Elsewhere


@pytest.mark.parametrize("trouble", [True, False], ids=["trouble", "healthy"])
def test_output_that_is_not_a_terminal_has_plain_lines(aws: Aws, locust: Locust, *, trouble: bool) -> None:
    answered = Event()
    aws.proxy.on("PutLogEvents", AWAY if trouble else after(answered))
    run = locust.start(*PACED, "-u1", "-t1", f"--cw-drain-timeout={6 if trouble else 60}")
    outlook = r"retrying for \d s more: PutLogEvents .*ServiceUnavailable" if trouble else r"(waiting for|[\d,]+/s, )"
    run.wait_for(rf"(?m)^CloudWatch: {LEFT}{outlook}")
    answered.set()
    run.wait()
    assert len(re.findall(r"^CloudWatch: .* left", run.err, re.MULTILINE)) == 1
    assert "\x1b" not in run.err
    assert "\r" not in run.err
